//! The parameters of `beto.finetune`: what may be asked for, its defaults and its ranges.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::skills::{SkillError, beto::request::Request, fields::Fields, learning::output_name::output_name};

/// How much a row counts in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// Every row the same.
    None,
    /// Every class the same: a row counts rows / (classes × rows of its class).
    Balanced,
}

/// Checked parameters. Serialised into the result as the parameters that were applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameters {
    /// The rows, the text and the model that the training begins with.
    #[serde(flatten)]
    pub request: Request,
    /// The column of the classes.
    pub label_col: String,
    /// How often each row is learnt from, at most.
    pub epochs: u32,
    /// Rows of a batch.
    pub batch_size: usize,
    /// Batches of a step.
    pub gradient_accumulation: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Decay of all weights but biases and layer norms.
    pub weight_decay: f64,
    /// Share of the steps in which the rate rises.
    pub warmup_ratio: f64,
    /// Length that a step's gradient is cut to.
    pub max_grad_norm: f64,
    /// How much a row counts.
    pub class_weights: ClassWeights,
    /// Share of the rows that judge.
    pub val_ratio: f64,
    /// Epochs without a better macro-F1 after which the training ends.
    pub patience: u32,
    /// Whether rows of like length share a batch.
    pub group_by_length: bool,
    /// Decides the split, the order, new weights and what is dropped.
    pub seed: u32,
    /// The folder of the new model among the job's files.
    pub output_name: String,
}

impl Parameters {
    /// Reads and checks the parameters of a task.
    ///
    /// # Errors
    /// `InvalidInput` with one detail for each field that is wrong.
    pub fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        const LABEL: &str = "the name of the column that holds the classes";
        let mut fields = Fields::new(parameters);
        let read = Self {
            request: Request::read(&mut fields),
            label_col: fields.or("label_col", String::new(), LABEL),
            epochs: fields.within("epochs", 3, &(1..=100)),
            batch_size: fields.within("batch_size", 16, &(1..=1024)),
            gradient_accumulation: fields.within("gradient_accumulation", 1, &(1..=256)),
            learning_rate: fields.within("learning_rate", 2e-5, &(1e-8..=1.0)),
            weight_decay: fields.within("weight_decay", 0.01, &(0.0..=1.0)),
            warmup_ratio: fields.within("warmup_ratio", 0.1, &(0.0..=1.0)),
            max_grad_norm: fields.within("max_grad_norm", 1.0, &(1e-3..=1e6)),
            class_weights: fields.or("class_weights", ClassWeights::None, "none or balanced"),
            val_ratio: fields.within("val_ratio", 0.2, &(0.01..=0.9)),
            patience: fields.within("patience", 2, &(1..=100)),
            group_by_length: fields.or("group_by_length", true, "true or false"),
            seed: fields.within("seed", 42, &(0..=u32::MAX)),
            output_name: output_name(&mut fields),
        };
        if read.label_col.trim().is_empty() {
            fields.fault("label_col", format!("must be {LABEL}"));
        }
        fields.finish()?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(parameters: &Value) -> Result<Parameters, SkillError> {
        Parameters::read(parameters.as_object().unwrap())
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let read = read(&json!({"input": "s3://b/c.csv", "label_col": "clase"})).unwrap();

        assert_eq!((read.epochs, read.batch_size, read.learning_rate, read.weight_decay), (3, 16, 2e-5, 0.01));
        assert_eq!((read.warmup_ratio, read.max_grad_norm, read.val_ratio, read.patience), (0.1, 1.0, 0.2, 2));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let parameters = json!({
            "input": "s3://b/k.csv", "epochs": 0, "batch_size": 0, "learning_rate": 2, "class_weights": "some",
            "val_ratio": 1.0, "output_name": "checkpoints", "dropout": 0.1
        });

        let Err(SkillError::InvalidInput { details, .. }) = read(&parameters) else { panic!("accepted") };

        let mut found: Vec<String> = details.into_iter().map(|d| d.field).collect();
        found.sort();
        let expected = [
            "batch_size",
            "class_weights",
            "dropout",
            "epochs",
            "label_col",
            "learning_rate",
            "output_name",
            "val_ratio",
        ];
        assert_eq!(found, expected);
    }
}
