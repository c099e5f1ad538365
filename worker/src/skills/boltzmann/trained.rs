//! A model that `rbm.train` left behind, read from its folder.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tch::{Device, Tensor};

use super::{
    artefacts::{CONFIG, Config, MODEL_TYPE, PREPROCESS, WEIGHTS},
    head::{Head, Task},
    machine::{Machine, MachineFault},
    parameters::HeadKind,
    preprocess::Preprocess,
    stage::{HEAD_TENSOR, as_i64},
};
use crate::skills::{
    SkillError,
    torch::{Packed, Unread, torch_error},
};

/// What a folder says of a model, without its tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// What the model is.
    pub config: Config,
    /// How rows of a table become rows of units.
    pub preprocess: Preprocess,
}

/// The model's tensors, on a device.
#[derive(Debug)]
pub struct Trained {
    machine: Machine,
    head: Option<Head>,
}

/// What a model makes of rows: plain numbers, row by row.
#[derive(Debug, Default)]
pub struct Answers {
    /// `rows × hidden units` probabilities.
    pub hidden: Vec<f32>,
    /// `rows × outputs` of the head; empty without one.
    pub told: Vec<f64>,
}

fn wrong(reason: String) -> SkillError {
    SkillError::invalid("model", reason)
}

impl Described {
    /// Reads `config.json` and `preprocess.json` of a folder.
    ///
    /// # Errors
    /// `InvalidInput` on `model` when the folder is not one of `rbm.train`.
    pub fn read(folder: &Path) -> Result<Self, SkillError> {
        let config: Value = read(folder, CONFIG)?;
        let kind = config["model_type"].as_str().unwrap_or("none").to_owned();
        if kind != MODEL_TYPE {
            let reason =
                format!("is a model of the type {kind}; must be one that rbm.train made, of the type {MODEL_TYPE}");
            return Err(wrong(reason));
        }
        let config: Config =
            serde_json::from_value(config).map_err(|error| wrong(format!("its {CONFIG} cannot be read: {error}")))?;
        let preprocess: Preprocess = read(folder, PREPROCESS)?;
        if let Some(column) = preprocess.unsound() {
            return Err(wrong(format!("is damaged: the scale of column {column:?} in its {PREPROCESS} is none")));
        }
        let (units, columns) = (config.settings.n_visible, preprocess.columns.len());
        if units != as_i64(columns) {
            let reason = format!(
                "does not fit together: its {CONFIG} has {units} visible units, its {PREPROCESS} {columns} columns"
            );
            return Err(wrong(reason));
        }
        Ok(Self { config, preprocess })
    }

    /// How many hidden units a row is turned into.
    #[must_use]
    pub fn units(&self) -> usize {
        self.config.settings.n_hidden.last().map_or(0, |&units| usize::try_from(units).unwrap_or(0))
    }

    /// What the head tells, where there is one.
    #[must_use]
    pub fn task(&self) -> Option<Task> {
        match self.config.head {
            HeadKind::None => None,
            HeadKind::Classifier => Some(Task::Classes(as_i64(self.config.labels.len()))),
            HeadKind::Regressor => Some(Task::Number),
        }
    }
}

impl Trained {
    /// Makes the model of what a file holds. A piece of work for the device.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the configuration says.
    pub fn new(described: &Described, weights: Packed, device: Device) -> Result<Self, MachineFault> {
        let tensors = weights.into_tensors();
        let settings = &described.config.settings;
        let head = described.task().map(|task| {
            let outputs = if let Task::Classes(classes) = task { classes } else { 1 };
            let expected = vec![as_i64(described.units()) + 1, outputs];
            let name = HEAD_TENSOR.to_owned();
            let Some((_, found)) = tensors.iter().find(|(known, _)| *known == name) else {
                return Err(MachineFault::MissingTensor { name, expected });
            };
            if found.size() != expected {
                return Err(MachineFault::WrongShape { name, expected, found: found.size() });
            }
            Ok(Head::with_weights(task, found, device)?)
        });
        let head = head.transpose()?;
        Ok(Self { machine: Machine::from_tensors(settings, tensors, device)?, head })
    }

    /// Reads the tensors of a folder.
    ///
    /// # Errors
    /// `InvalidInput` on `model` when there are none.
    pub fn weights(folder: &Path) -> Result<Packed, SkillError> {
        let read = Packed::read(&folder.join(WEIGHTS));
        read.map(|(packed, _)| packed).map_err(|unread| match unread {
            Unread::Torch(error) => torch_error(&error),
            other => wrong(format!("its {WEIGHTS} cannot be read: {other}")),
        })
    }

    /// What the model makes of rows of visible units. A piece of work for the device.
    ///
    /// # Errors
    /// When the rows have another width.
    pub fn answer(&self, visible: &[f32], width: usize) -> Result<Answers, MachineFault> {
        let rows = Tensor::f_from_slice(visible)?.f_view([-1, as_i64(width)])?;
        let hidden = self.machine.hidden(&rows)?;
        let told = match &self.head {
            None => Vec::new(),
            Some(head) => Vec::try_from(head.tell(&hidden)?.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)?,
        };
        let hidden = Vec::try_from(hidden.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)?;
        Ok(Answers { hidden, told })
    }
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, SkillError> {
    let text = std::fs::read(folder.join(name));
    let text = text
        .map_err(|error| wrong(format!("its {name} cannot be read ({error}); must be a model that rbm.train made")))?;
    serde_json::from_slice(&text).map_err(|error| wrong(format!("its {name} cannot be read: {error}")))
}
