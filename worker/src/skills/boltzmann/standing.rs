//! What the epochs of a run came to, and what a checkpoint keeps of it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::machine::EpochFigures;
use crate::skills::{
    SkillError,
    learning::checkpoint::Fingerprint,
    torch::{Named, Room, checkpoint},
};

/// What one epoch came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1 through all phases.
    pub epoch: u32,
    /// The phase.
    pub phase: String,
    /// How long it took.
    pub seconds: f64,
    /// Its figures by name; one that has no meaning is not there.
    pub figures: Map<String, Value>,
}

impl Epoch {
    /// One of its figures.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.get(name).and_then(Value::as_f64)
    }
}

/// Where a run stands, beside its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Rows of a batch.
    pub(super) room: Room,
    /// The epochs that are done.
    pub(super) history: Vec<Epoch>,
    /// The epoch that was the best so far, and its figure.
    pub(super) best: Option<(u32, f64)>,
}

/// What a run had kept, to go on from.
#[derive(Debug)]
pub struct Kept {
    pub(super) tensors: Named,
    pub(super) standing: Standing,
}

impl Kept {
    /// Reads the checkpoint of a training.
    ///
    /// # Errors
    /// As [`checkpoint::load`].
    pub fn read(path: &Path, training: &Fingerprint) -> Result<Self, SkillError> {
        let (tensors, standing) = checkpoint::load(path, training)?;
        Ok(Self { tensors, standing })
    }

    /// Rows of a batch.
    #[must_use]
    pub const fn room(&self) -> Room {
        self.standing.room
    }
}

/// An epoch's figures by name. One that is not a finite number is null.
pub(super) fn told_figures(judged: &EpochFigures, reconstruction_error: f64, gradient_norm: f64) -> Map<String, Value> {
    let mut figures = Map::new();
    figures.insert("reconstruction_error".to_owned(), json!(reconstruction_error));
    for (name, value) in [
        ("train_reconstruction_error", Some(judged.reconstruction_error)),
        ("validation_reconstruction_error", judged.validation_reconstruction_error),
        ("pseudo_log_likelihood", judged.pseudo_log_likelihood),
        ("validation_pseudo_log_likelihood", judged.validation_pseudo_log_likelihood),
        ("free_energy_gap", judged.free_energy_gap),
        ("gradient_norm", Some(gradient_norm)),
        ("weight_mean", Some(judged.weight_mean)),
        ("weight_std", Some(judged.weight_std)),
        ("weight_max", Some(judged.weight_max)),
        ("hidden_mean", Some(judged.hidden_mean)),
    ] {
        figures.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    figures
}
