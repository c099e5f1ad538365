//! What can be wrong with a model's folder.

use std::fmt::Display;

use tch::TchError;

use crate::skills::{SkillError, torch::torch_error};

/// A model that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
pub enum ModelFault {
    /// A file is missing or does not hold what it should.
    #[error("the model's {name} cannot be read: {reason}")]
    File {
        /// The file's name.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// The configuration asks for something that is not computed here.
    #[error("the model's config.json cannot be used: {0}")]
    Config(String),
    /// No file of weights.
    #[error("the model's folder holds no weights: there must be a model.safetensors or a pytorch_model.bin")]
    NoWeights,
    /// No tokenizer.
    #[error("the model's folder holds no tokenizer: there must be a tokenizer.json or a vocab.txt")]
    NoTokenizer,
    /// A tensor is not in the weights.
    #[error("the model's weights lack the tensor {name}; config.json asks for one of shape {expected:?}")]
    MissingTensor {
        /// Its name, without the `bert.` that may stand before it.
        name: String,
        /// The shape that it should have.
        expected: Vec<i64>,
    },
    /// A tensor has another shape than the configuration says.
    #[error("the model's tensor {name} has the shape {found:?}; config.json asks for {expected:?}")]
    WrongShape {
        /// Its name.
        name: String,
        /// The shape that it should have.
        expected: Vec<i64>,
        /// The shape that it has.
        found: Vec<i64>,
    },
    /// The tokenizer does not belong to the weights.
    #[error("the model's tokenizer gives the token number {found}, but its weights know only {size} tokens")]
    ForeignToken {
        /// The token's number.
        found: u32,
        /// How many there are.
        size: i64,
    },
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl ModelFault {
    /// A file that cannot be read.
    pub fn file(name: &str, reason: impl Display) -> Self {
        Self::File { name: name.to_owned(), reason: reason.to_string() }
    }

    /// A configuration that cannot be used.
    pub fn config(reason: impl Into<String>) -> Self {
        Self::Config(reason.into())
    }
}

impl From<ModelFault> for SkillError {
    fn from(fault: ModelFault) -> Self {
        match fault {
            ModelFault::Torch(error) => torch_error(&error),
            // The task named the model: whatever is wrong with its folder is wrong with that field.
            other => Self::invalid("model", other.to_string()),
        }
    }
}
