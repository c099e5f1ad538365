//! How far a training is, and its checkpoint.

use std::{collections::HashMap, path::Path};

use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

use super::{judge::Judgement, learner::Learner};
use crate::skills::{
    SkillError,
    learning::checkpoint::Fingerprint,
    torch::{Named, Packed, Room, checkpoint, torch_error},
};

/// The figures of one epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochFigures {
    /// From 1.
    pub epoch: u32,
    /// Steps since the beginning of the training.
    pub step: u64,
    /// Mean loss of the epoch's steps, each before the weights moved.
    pub train_loss: f64,
    /// Loss of the rows that judge.
    pub val_loss: f64,
    /// Share of them that was told right.
    pub val_accuracy: f64,
    /// Mean F1 over the classes.
    pub val_macro_f1: f64,
    /// Seconds of the epoch, its judgement included.
    pub seconds: f64,
}

/// How far a training is, beside its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The epochs that are done.
    pub history: Vec<EpochFigures>,
    /// Rows that go through the model at once.
    pub room: Room,
    /// The number of the best epoch, and how it was judged; of equal ones the first.
    pub best: Option<(u32, Judgement)>,
}

/// All that a training needs to go on as if it had not been interrupted.
#[derive(Debug)]
pub struct Checkpoint {
    /// How far it is.
    pub progress: Progress,
    tensors: Packed,
    adam_steps: i32,
}

impl Checkpoint {
    /// The state of a learner. To be called on the device's thread.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn of(learner: &Learner, progress: Progress) -> Result<Self, TchError> {
        let (moments, adam_steps) = learner.optimizer().memory();
        let mut tensors = Named::new();
        for ((name, weight), (mean, square)) in learner.weights().zip(moments) {
            for (part, tensor) in [("weight", weight), ("mean", mean), ("square", square)] {
                tensors.push((format!("{part}.{name}"), tensor.shallow_clone()));
            }
        }
        // Where the last epoch is the best, its weights are here already.
        if progress.best.as_ref().is_some_and(|(best, _)| *best as usize != progress.history.len()) {
            tensors.extend(learner.best().map(|(name, best)| (format!("best.{name}"), best.shallow_clone())));
        }
        Ok(Self { progress, tensors: Packed::of(tensors)?, adam_steps })
    }

    /// Writes it as the checkpoint of a training.
    ///
    /// # Errors
    /// As [`checkpoint::save`].
    pub fn save(&self, path: &Path, training: &Fingerprint) -> Result<(), SkillError> {
        checkpoint::save(path, &self.tensors, training, &(&self.progress, self.adam_steps))
    }

    /// Reads that of a training.
    ///
    /// # Errors
    /// As [`checkpoint::load`].
    pub fn load(path: &Path, training: &Fingerprint) -> Result<Self, SkillError> {
        let (tensors, (progress, adam_steps)) = checkpoint::load(path, training)?;
        Ok(Self { progress, tensors: Packed::of(tensors).map_err(|error| torch_error(&error))?, adam_steps })
    }

    /// Puts a learner where this one was. To be called on the device's thread.
    ///
    /// # Errors
    /// When the tensors are those of another model.
    pub fn restore(self, learner: &mut Learner) -> Result<Progress, TchError> {
        let mut tensors: HashMap<String, Tensor> = self.tensors.into_tensors().into_iter().collect();
        let names: Vec<String> = learner.weights().map(|(name, _)| name.to_owned()).collect();
        let mut part = |part: &str| {
            let taken = names.iter().map(|name| {
                let missing = || TchError::Torch(format!("the checkpoint lacks {part}.{name}"));
                tensors.remove(&format!("{part}.{name}")).ok_or_else(missing)
            });
            taken.collect::<Result<Vec<_>, _>>()
        };
        let (weights, means, squares) = (part("weight")?, part("mean")?, part("square")?);
        let best = part("best").ok();
        let moments: Vec<(Tensor, Tensor)> = means.into_iter().zip(squares).collect();
        learner.take_up(&weights, best, &moments, self.adam_steps)?;
        Ok(self.progress)
    }
}
