//! A BERT's `config.json`: what is read from it, and what is refused because the forward pass could not honour it.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{bert::Dropout, fault::ModelFault};

/// The shape of a BERT, from the `config.json` that Hugging Face transformers writes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BertConfig {
    model_type: String,
    /// Rows of the word embedding.
    pub vocab_size: i64,
    /// Width of a token's vector.
    pub hidden_size: i64,
    /// How many layers.
    pub num_hidden_layers: i64,
    /// Heads per layer; divides the width.
    pub num_attention_heads: i64,
    /// Width inside the feed-forward part.
    pub intermediate_size: i64,
    /// Longest row, in tokens.
    pub max_position_embeddings: i64,
    /// Rows of the token type embedding.
    #[serde(default = "two")]
    pub type_vocab_size: i64,
    /// Non-linearity of the feed-forward part.
    pub hidden_act: Activation,
    /// Added to the variance in layer norms.
    #[serde(default = "tiny")]
    pub layer_norm_eps: f64,
    /// Fills up the shorter rows of a batch.
    #[serde(default)]
    pub pad_token_id: i64,
    /// What is dropped of hidden vectors in training.
    #[serde(default = "tenth")]
    pub hidden_dropout_prob: f64,
    /// What is dropped of attention in training.
    #[serde(default = "tenth")]
    pub attention_probs_dropout_prob: f64,
    /// What is dropped of the pooled vector in training; as of hidden vectors when absent.
    #[serde(default)]
    pub classifier_dropout: Option<f64>,
    /// Deviation of new weights.
    #[serde(default = "fiftieth")]
    pub initializer_range: f64,
    #[serde(default)]
    position_embedding_type: Option<String>,
    /// Names of the classes by number.
    #[serde(default)]
    pub id2label: BTreeMap<String, String>,
}

/// Non-linearities that published BERTs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Activation {
    /// By the error function.
    #[serde(rename = "gelu")]
    Gelu,
    /// By its tanh approximation.
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh")]
    GeluTanh,
    /// Rectified linear.
    #[serde(rename = "relu")]
    Relu,
}

const fn two() -> i64 {
    2
}

const fn tiny() -> f64 {
    1e-12
}

const fn tenth() -> f64 {
    0.1
}

const fn fiftieth() -> f64 {
    0.02
}

impl BertConfig {
    /// Reads `config.json` of a model folder.
    ///
    /// # Errors
    /// When it is missing, is no JSON, is no BERT, or asks for something that is not computed here.
    pub fn read(folder: &Path) -> Result<Self, ModelFault> {
        let text =
            std::fs::read_to_string(folder.join("config.json")).map_err(|e| ModelFault::file("config.json", e))?;
        Self::parse(&text)
    }

    /// The same from its text.
    ///
    /// # Errors
    /// As [`BertConfig::read`].
    pub fn parse(text: &str) -> Result<Self, ModelFault> {
        let kind: Kind = serde_json::from_str(text).map_err(|e| ModelFault::file("config.json", e))?;
        if kind.model_type.as_deref() != Some("bert") {
            let found = kind.model_type.unwrap_or_else(|| "missing".to_owned());
            return Err(ModelFault::config(format!("`model_type` is {found}; must be bert")));
        }
        let config: Self = serde_json::from_str(text).map_err(|e| ModelFault::file("config.json", e))?;
        if let Some(kind) = config.position_embedding_type.as_deref().filter(|&kind| kind != "absolute") {
            return Err(ModelFault::config(format!("`position_embedding_type` is {kind}; must be absolute")));
        }
        let sizes = [
            ("vocab_size", config.vocab_size),
            ("hidden_size", config.hidden_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", config.num_attention_heads),
            ("intermediate_size", config.intermediate_size),
            ("max_position_embeddings", config.max_position_embeddings),
            ("type_vocab_size", config.type_vocab_size),
        ];
        if let Some((name, size)) = sizes.into_iter().find(|&(_, size)| !(1..=1 << 24).contains(&size)) {
            return Err(ModelFault::config(format!("`{name}` is {size}; must be a size from 1 to 16777216")));
        }
        let dropout = config.dropout();
        if [dropout.hidden, dropout.attention, dropout.head].iter().any(|p| !(0.0..1.0).contains(p)) {
            return Err(ModelFault::config(
                "a dropout is not a probability below 1: see `hidden_dropout_prob`, `attention_probs_dropout_prob` and `classifier_dropout`",
            ));
        }
        if config.hidden_size % config.num_attention_heads != 0 {
            let (width, heads) = (config.hidden_size, config.num_attention_heads);
            return Err(ModelFault::config(format!(
                "`hidden_size` is {width}; must be a multiple of the {heads} heads"
            )));
        }
        if !(0..config.vocab_size).contains(&config.pad_token_id) {
            let (pad, size) = (config.pad_token_id, config.vocab_size);
            return Err(ModelFault::config(format!("`pad_token_id` is {pad}; must be below `vocab_size`, {size}")));
        }
        Ok(config)
    }

    /// What training drops.
    #[must_use]
    pub fn dropout(&self) -> Dropout {
        Dropout {
            hidden: self.hidden_dropout_prob,
            attention: self.attention_probs_dropout_prob,
            head: self.classifier_dropout.unwrap_or(self.hidden_dropout_prob),
        }
    }

    /// The longest row that the model reads, in tokens.
    #[must_use]
    pub const fn longest_row(&self) -> usize {
        self.max_position_embeddings as usize
    }

    /// Checks that every token is one of the model's. libtorch does so on the CPU only; on CUDA one that is too large would end the
    /// process's use of the card.
    ///
    /// # Errors
    /// When one is not.
    pub fn check_tokens(&self, rows: &[&[u32]]) -> Result<(), ModelFault> {
        let size = self.vocab_size;
        match rows.iter().copied().flatten().find(|&&id| size <= i64::from(id)) {
            Some(&found) => Err(ModelFault::ForeignToken { found, size }),
            None => Ok(()),
        }
    }

    /// The config of such a model with other classes.
    #[must_use]
    pub fn telling(&self, classes: &[String]) -> Self {
        let id2label = classes.iter().enumerate().map(|(id, name)| (id.to_string(), name.clone())).collect();
        Self { id2label, ..self.clone() }
    }

    /// The numbers of the classes negative, neutral and positive.
    ///
    /// # Errors
    /// When there are not three classes, or their names do not tell which is which.
    pub fn sentiment_classes(&self) -> Result<[i64; 3], ModelFault> {
        let labels: Vec<(i64, String)> = self
            .id2label
            .iter()
            .filter_map(|(id, label)| Some((id.parse().ok()?, label.trim().to_lowercase())))
            .collect();
        let find = |names: [&str; 2]| {
            let mut found = labels.iter().filter(|(_, label)| label.starts_with(names[0]) || label == names[1]);
            match (found.next(), found.next()) {
                (Some(&(id, _)), None) => Some(id),
                _ => None,
            }
        };
        match (find(["neg", "label_0"]), find(["neu", "label_1"]), find(["pos", "label_2"])) {
            (Some(neg), Some(neu), Some(pos))
                if labels.len() == 3 && (0..3).all(|id| [neg, neu, pos].contains(&id)) =>
            {
                Ok([neg, neu, pos])
            }
            _ => {
                let found: Vec<&str> = self.id2label.values().map(String::as_str).collect();
                let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
                Err(ModelFault::config(format!(
                    "`id2label` has {found}; must have three labels that begin with neg, neu and pos, or LABEL_0, LABEL_1 and LABEL_2"
                )))
            }
        }
    }
}

#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(changes: &[(&str, Value)]) -> Result<BertConfig, ModelFault> {
        let mut config = json!({
            "model_type": "bert", "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 64, "max_position_embeddings": 40, "hidden_act": "gelu",
            "id2label": {"0": "NEG", "1": "NEU", "2": "POS"}
        });
        for (field, value) in changes {
            config[*field] = value.clone();
        }
        BertConfig::parse(&config.to_string())
    }

    #[test]
    fn what_is_left_out_has_the_usual_value() {
        let config = config(&[]).unwrap();

        assert_eq!((config.type_vocab_size, config.layer_norm_eps, config.pad_token_id), (2, 1e-12, 0));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        for (field, value) in [
            ("model_type", json!("roberta")),
            ("position_embedding_type", json!("relative_key")),
            ("hidden_act", json!("swish")),
            ("hidden_size", json!(33)),
            ("num_hidden_layers", json!(0)),
            ("vocab_size", json!(-1)),
            ("pad_token_id", json!(100)),
        ] {
            let fault = config(&[(field, value)]).expect_err(field).to_string();
            let named = if field == "hidden_act" { "swish" } else { field };
            assert!(fault.contains(named), "{fault}");
        }
    }

    #[test]
    fn classes_are_found_whatever_their_order() {
        let classes = |labels: Value| config(&[("id2label", labels)]).unwrap().sentiment_classes();

        assert_eq!(classes(json!({"0": "NEG", "1": "NEU", "2": "POS"})).unwrap(), [0, 1, 2]);
        assert_eq!(classes(json!({"0": "Positive", "1": "negativo", "2": "neutral"})).unwrap(), [1, 2, 0]);
        assert_eq!(classes(json!({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})).unwrap(), [0, 1, 2]);
        for wrong in [
            json!({}),
            json!({"0": "neg", "1": "pos"}),
            json!({"0": "neg", "1": "neu", "2": "neutral"}),
            json!({"0": "neg", "1": "neu", "5": "pos"}),
            json!({"0": "1 star", "1": "2 stars", "2": "3 stars"}),
        ] {
            assert!(classes(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
