//! The folder of a trained model, as transformers and `beto.preprocess` read it.

use std::{collections::HashMap, fmt::Display, path::Path};

use serde_json::{Map, Value, json};

use super::labels::Labels;
use crate::skills::{
    SkillError, artefacts,
    beto::fault::ModelFault,
    torch::{Named, Packed, torch_error},
};

/// Files of a tokenizer, each copied where the model has it.
const TOKENIZER: [&str; 5] =
    ["tokenizer.json", "vocab.txt", "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json"];
/// The tokens that a BERT's tokenizer sets apart.
const SPECIAL: [(&str, &str); 5] = [
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
    ("pad_token", "[PAD]"),
    ("sep_token", "[SEP]"),
    ("unk_token", "[UNK]"),
];

/// Writes the model into `to`: its config, weights and tokenizer. `from` is the folder of the model that the training began with.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(from: &Path, to: &Path, labels: &Labels, weights: &Named) -> Result<(), SkillError> {
    std::fs::create_dir_all(to).map_err(|error| unwritable(&error))?;
    let text = std::fs::read_to_string(from.join("config.json")).map_err(|e| ModelFault::file("config.json", e))?;
    let config: Map<String, Value> = serde_json::from_str(&text).map_err(|e| ModelFault::file("config.json", e))?;
    let longest = config.get("max_position_embeddings").cloned().unwrap_or_default();
    artefacts::write(&to.join("config.json"), artefacts::json(&classifying(config, labels)))?;
    let named = weights.iter().map(|(name, tensor)| (published(name), tensor.shallow_clone())).collect();
    // Without this mark transformers takes the file for another framework's.
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let packed = Packed::of(named).map_err(|error| torch_error(&error))?;
    packed.write(&to.join("model.safetensors"), format).map_err(|reason| unwritable(&reason))?;
    for name in TOKENIZER {
        if from.join(name).is_file() {
            let _ = std::fs::copy(from.join(name), to.join(name)).map_err(|error| unwritable(&error))?;
        }
    }
    let special: Map<String, Value> = SPECIAL.iter().map(|&(name, token)| (name.to_owned(), json!(token))).collect();
    if !to.join("special_tokens_map.json").is_file() {
        artefacts::write(&to.join("special_tokens_map.json"), artefacts::json(&special))?;
    }
    if !to.join("tokenizer_config.json").is_file() {
        let mut tokenizer = special;
        tokenizer.insert("tokenizer_class".to_owned(), json!("BertTokenizer"));
        tokenizer.insert("model_max_length".to_owned(), longest);
        artefacts::write(&to.join("tokenizer_config.json"), artefacts::json(&tokenizer))?;
    }
    Ok(())
}

fn unwritable(error: &impl Display) -> SkillError {
    SkillError::ResourceExhausted(format!("the model cannot be written: {error}"))
}

/// The config of a model that tells these classes; all else stays.
fn classifying(mut config: Map<String, Value>, labels: &Labels) -> Map<String, Value> {
    let id2label: Map<String, Value> =
        labels.0.iter().enumerate().map(|(id, name)| (id.to_string(), json!(name))).collect();
    let label2id: Map<String, Value> =
        labels.0.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect();
    config.insert("architectures".to_owned(), json!(["BertForSequenceClassification"]));
    config.insert("id2label".to_owned(), Value::Object(id2label));
    config.insert("label2id".to_owned(), Value::Object(label2id));
    config.insert("problem_type".to_owned(), json!("single_label_classification"));
    config.insert("dtype".to_owned(), json!("float32"));
    // Older spellings, which would say something else now.
    for gone in ["torch_dtype", "num_labels", "_num_labels"] {
        let _ = config.remove(gone);
    }
    config
}

/// A tensor's name as transformers writes it.
fn published(name: &str) -> String {
    if name.starts_with("classifier.") { name.to_owned() } else { format!("bert.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_names_the_classes_and_keeps_the_rest() {
        let config = json!({"hidden_size": 8, "torch_dtype": "float16", "id2label": {"0": "x"}, "label2id": {"x": 0}});
        let labels = Labels(vec!["no".to_owned(), "sí".to_owned()]);

        let told = Value::Object(classifying(config.as_object().unwrap().clone(), &labels));

        assert_eq!(told["id2label"], json!({"0": "no", "1": "sí"}));
        assert_eq!(told["label2id"], json!({"no": 0, "sí": 1}));
        assert_eq!((&told["hidden_size"], told.get("torch_dtype")), (&json!(8), None));
    }

    #[test]
    fn tensors_have_the_names_that_transformers_gives_them() {
        assert_eq!(published("pooler.dense.weight"), "bert.pooler.dense.weight");
        assert_eq!(published("classifier.bias"), "classifier.bias");
    }
}
