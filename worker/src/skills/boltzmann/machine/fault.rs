//! What can be wrong with a machine's settings, tensors or rows.

use tch::TchError;

use crate::skills::{SkillError, torch::torch_error};

/// A machine that cannot be made, read or used, and why.
#[derive(Debug, thiserror::Error)]
pub enum MachineFault {
    /// A setting that no machine can have.
    #[error("{field}: {reason}")]
    Setting {
        /// The setting's name.
        field: &'static str,
        /// What would be right.
        reason: String,
    },
    /// A tensor is not there.
    #[error("the machine lacks the tensor {name}; its settings ask for one of shape {expected:?}")]
    MissingTensor {
        /// Its name.
        name: String,
        /// The shape that it should have.
        expected: Vec<i64>,
    },
    /// A tensor has another shape than the settings say.
    #[error("the machine's tensor {name} has the shape {found:?}; its settings ask for {expected:?}")]
    WrongShape {
        /// Its name.
        name: String,
        /// The shape that it should have.
        expected: Vec<i64>,
        /// The shape that it has.
        found: Vec<i64>,
    },
    /// Rows of another width than the machine's visible units.
    #[error("the rows have the shape {found:?}; this machine reads rows of {expected} columns")]
    WrongWidth {
        /// The machine's visible units.
        expected: i64,
        /// The shape of the rows.
        found: Vec<i64>,
    },
    /// Learning ran away: a weight or a statistic is no longer a finite number.
    #[error("the weights grew beyond all bounds")]
    Diverged,
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl MachineFault {
    /// A setting that cannot be, and what would be right.
    pub fn setting(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Setting { field, reason: reason.into() }
    }
}

impl From<MachineFault> for SkillError {
    fn from(fault: MachineFault) -> Self {
        match fault {
            MachineFault::Torch(error) => torch_error(&error),
            MachineFault::Setting { field, reason } => Self::invalid(field, reason),
            other => Self::Permanent(other.to_string()),
        }
    }
}
