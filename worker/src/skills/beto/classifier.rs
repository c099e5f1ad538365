//! A sentiment model as a whole: token numbers in, one logit per sentiment out.

use std::path::Path;

use tch::{Device, Kind, TchError};

use super::{
    bert::{Batch, Bert, Dropout},
    config::BertConfig,
    fault::ModelFault,
    head::Head,
    inference::Model,
    weights::Weights,
};

/// A BERT with a linear layer over its pooled vector.
#[derive(Debug)]
pub struct Classifier {
    bert: Bert,
    head: Head,
    /// Class numbers of negative, neutral and positive.
    classes: [i64; 3],
    config: BertConfig,
    device: Device,
}

impl Model for Classifier {
    const WHAT: &'static str = "sentiment";

    /// Fails also when the folder does not hold a BERT that tells negative, neutral and positive apart.
    fn load(folder: &Path, device: Device, kind: Kind) -> Result<(Self, u64), ModelFault> {
        let config = BertConfig::read(folder)?;
        let classes = config.sentiment_classes()?;
        let mut weights = Weights::read(folder, device, kind)?;
        let bert = Bert::new(&mut weights, &config, Dropout::NONE)?;
        let head = Head::new(&mut weights, &config, 3, Dropout::NONE)?;
        Ok((Self { bert, head, classes, config, device }, weights.taken()))
    }

    fn longest_row(&self) -> usize {
        self.config.longest_row()
    }
}

impl Classifier {
    /// Logits of each row in the order negative, neutral, positive. Rows keep their order.
    ///
    /// # Errors
    /// When a token is not one of the model's, or libtorch refuses for want of memory.
    pub fn logits(&self, rows: &[&[u32]]) -> Result<Vec<[f32; 3]>, ModelFault> {
        self.config.check_tokens(rows)?;
        let batch = Batch::new(rows, self.config.pad_token_id, self.device)?;
        let logits = self.head.logits(&self.bert.first(&batch)?)?;
        Ok(self.in_order(&logits, rows.len())?)
    }

    fn in_order(&self, logits: &tch::Tensor, rows: usize) -> Result<Vec<[f32; 3]>, TchError> {
        let mut flat = vec![0_f32; rows * 3];
        logits.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?.f_copy_data(&mut flat, rows * 3)?;
        Ok(flat.chunks_exact(3).map(|row| self.classes.map(|class| row[class as usize])).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, path::PathBuf};

    use serde::Deserialize;
    use tch::Tensor;

    use super::*;
    use crate::skills::beto::tokens::BertTokenizer;

    #[derive(Deserialize)]
    struct Golden {
        max_length: usize,
        rows: Vec<GoldenRow>,
    }

    #[derive(Deserialize)]
    struct GoldenRow {
        text: String,
        ids: Vec<u32>,
        logits: [f32; 3],
    }

    fn golden_folder() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/beto"))
    }

    fn golden() -> Golden {
        serde_json::from_slice(&std::fs::read(golden_folder().join("logits.json")).unwrap()).unwrap()
    }

    fn load(folder: &Path) -> Result<Classifier, ModelFault> {
        tch::no_grad(|| Classifier::load(folder, Device::Cpu, Kind::Float)).map(|(model, _)| model)
    }

    fn largest_difference(found: &[[f32; 3]], expected: &[[f32; 3]]) -> f32 {
        assert_eq!(found.len(), expected.len());
        found.iter().flatten().zip(expected.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// A copy of the golden model whose tensors went through `change` before they were written.
    fn altered(change: impl Fn(&mut HashMap<String, Tensor>), config: impl Fn(String) -> String) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut tensors: HashMap<String, Tensor> =
            Tensor::read_safetensors(golden_folder().join("model.safetensors")).unwrap().into_iter().collect();
        change(&mut tensors);
        let named: Vec<(&String, &Tensor)> = tensors.iter().collect();
        Tensor::write_safetensors(&named, folder.path().join("model.safetensors")).unwrap();
        let text = std::fs::read_to_string(golden_folder().join("config.json")).unwrap();
        std::fs::write(folder.path().join("config.json"), config(text)).unwrap();
        folder
    }

    fn answers(folder: &Path) -> Vec<[f32; 3]> {
        let golden = golden();
        let model = load(folder).unwrap();
        golden.rows.iter().map(|row| model.logits(&[&row.ids]).unwrap()[0]).collect()
    }

    #[test]
    fn tokens_are_those_of_transformers() {
        let golden = golden();
        let tokenizer = BertTokenizer::read(&golden_folder()).unwrap();
        let texts: Vec<&str> = golden.rows.iter().map(|row| row.text.as_str()).collect();

        let tokens = tokenizer.encode(&texts, golden.max_length).unwrap();

        for (found, row) in tokens.iter().zip(&golden.rows) {
            assert_eq!(found.ids, row.ids, "{}", row.text);
        }
    }

    #[test]
    fn logits_equal_those_of_transformers() {
        let expected: Vec<[f32; 3]> = golden().rows.iter().map(|row| row.logits).collect();

        let found = answers(&golden_folder());

        assert!(largest_difference(&found, &expected) <= 1e-4, "{}", largest_difference(&found, &expected));
    }

    #[test]
    fn batch_answers_equal_single_answers_in_input_order() {
        let golden = golden();
        let model = load(&golden_folder()).unwrap();
        let rows: Vec<&[u32]> = golden.rows.iter().map(|row| row.ids.as_slice()).collect();

        let together = model.logits(&rows).unwrap();

        assert!(largest_difference(&together, &answers(&golden_folder())) <= 1e-5);
    }

    #[test]
    fn every_published_spelling_of_the_weights_is_read() {
        let legacy = altered(
            |tensors| {
                *tensors = tensors
                    .drain()
                    .map(|(name, tensor)| {
                        let name = name.strip_prefix("bert.").unwrap_or(&name).to_owned();
                        (
                            name.replace("LayerNorm.weight", "LayerNorm.gamma")
                                .replace("LayerNorm.bias", "LayerNorm.beta"),
                            tensor,
                        )
                    })
                    .collect();
            },
            |config| config,
        );

        assert_eq!(answers(legacy.path()), answers(&golden_folder()));
    }

    #[test]
    fn a_pickled_checkpoint_holds_the_same_model() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(golden_folder().join("config.json"), folder.path().join("config.json")).unwrap();
        let pickled = golden_folder().join("../beto_pickled/pytorch_model.bin");
        std::fs::copy(pickled, folder.path().join("pytorch_model.bin")).unwrap();
        let halved = altered(
            |tensors| tensors.values_mut().for_each(|tensor| *tensor = tensor.to_kind(Kind::Half)),
            |config| config,
        );

        assert_eq!(answers(folder.path()), answers(halved.path()));
    }

    #[test]
    fn classes_follow_the_names_in_the_config() {
        let turned = altered(
            |_| {},
            |config| config.replace("\"0\": \"NEG\"", "\"0\": \"POS\"").replace("\"2\": \"POS\"", "\"2\": \"NEG\""),
        );

        let expected: Vec<[f32; 3]> =
            answers(&golden_folder()).into_iter().map(|[neg, neu, pos]| [pos, neu, neg]).collect();

        assert_eq!(answers(turned.path()), expected);
    }

    #[test]
    fn a_tensor_of_another_shape_is_named_with_both_shapes() {
        let wrong = altered(
            |tensors| {
                let narrow = tensors["bert.encoder.layer.1.intermediate.dense.weight"].narrow(0, 0, 50).contiguous();
                tensors.insert("bert.encoder.layer.1.intermediate.dense.weight".to_owned(), narrow);
            },
            |config| config,
        );

        let fault = load(wrong.path()).unwrap_err().to_string();

        let expected = "the model's tensor encoder.layer.1.intermediate.dense.weight has the shape [50, 48]; config.json asks for [96, 48]";
        assert_eq!(fault, expected);
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let headless = altered(|tensors| drop(tensors.remove("classifier.bias")), |config| config);

        let fault = load(headless.path()).unwrap_err().to_string();

        assert_eq!(fault, "the model's weights lack the tensor classifier.bias; config.json asks for one of shape [3]");
    }

    #[test]
    fn a_folder_without_weights_or_with_damaged_ones_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(golden_folder().join("config.json"), folder.path().join("config.json")).unwrap();

        let without = load(folder.path()).unwrap_err();
        std::fs::write(folder.path().join("pytorch_model.bin"), b"\x89PNG not a model").unwrap();
        let damaged_bin = load(folder.path()).unwrap_err();
        std::fs::write(folder.path().join("model.safetensors"), b"\x89PNG not a model").unwrap();
        let damaged = load(folder.path()).unwrap_err();

        assert!(matches!(without, ModelFault::NoWeights));
        assert!(damaged_bin.to_string().starts_with("the model's pytorch_model.bin cannot be read: "), "{damaged_bin}");
        assert!(damaged.to_string().starts_with("the model's model.safetensors cannot be read: "), "{damaged}");
    }

    #[test]
    fn a_token_that_the_model_does_not_know_is_refused() {
        let model = load(&golden_folder()).unwrap();

        assert!(matches!(model.logits(&[&[2, 99_999, 3]]), Err(ModelFault::ForeignToken { found: 99_999, size: 146 })));
    }
}
