//! What a training leaves behind: a model's folder and what people want to see of it, as files of the job.

use std::{collections::HashMap, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    evaluation::Evaluation,
    machine::Settings,
    parameters::{HeadKind, Plan},
    preprocess::Preprocess,
    standing::Epoch,
};
use crate::{
    context::TaskContext,
    models,
    skills::{
        SkillError,
        artefacts::{self, json},
        learning::chart::{self, Series},
        off_the_clock,
        torch::Packed,
    },
};

/// What `config.json` calls models of this kind.
pub const MODEL_TYPE: &str = "relevo-boltzmann";
/// The files of the model itself; with them in place a folder is a model.
pub const WEIGHTS: &str = "model.safetensors";
/// How a row of a table becomes a row of units.
pub const PREPROCESS: &str = "preprocess.json";
/// What the model is. The last of the three to be written.
pub const CONFIG: &str = "config.json";

/// `config.json`. Nothing in it differs between two runs that learnt the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// [`MODEL_TYPE`].
    pub model_type: String,
    /// What the machine is made of and how it learnt.
    pub settings: Settings,
    /// What is told from its hidden units.
    pub head: HeadKind,
    /// The column that the head learnt to tell.
    pub target: Option<String>,
    /// What the head's classes are called.
    pub labels: Vec<String>,
    /// The dataset, table and commit that it learnt from.
    pub trained_on: [String; 3],
}

impl Config {
    /// The configuration of what a plan led to.
    #[must_use]
    pub fn new(plan: &Plan, settings: Settings, labels: &[String]) -> Self {
        let source = &plan.source;
        Self {
            model_type: MODEL_TYPE.to_owned(),
            settings,
            head: plan.head,
            target: plan.target.clone().filter(|_| plan.head != HeadKind::None),
            labels: labels.to_vec(),
            trained_on: [source.dataset_id.clone(), source.table_key.clone(), source.commit_id.clone()],
        }
    }
}

/// All that is published.
#[derive(Debug)]
pub struct Artefacts {
    /// What the model is.
    pub config: Config,
    /// How its rows are made.
    pub preprocess: Preprocess,
    /// Its tensors.
    pub model: Packed,
    /// Its epochs.
    pub history: Vec<Epoch>,
    /// Its last figures, as `metrics.json` has them.
    pub metrics: Map<String, Value>,
    /// How it was judged.
    pub evaluation: Evaluation,
}

/// Where the artefacts lie.
#[derive(Debug)]
pub struct Published {
    /// The model's folder, an S3 prefix that `model` parameters take.
    pub model_uri: String,
    /// The model's hash, the same for the same model wherever it lies.
    pub content_hash: String,
    /// The address of each file by its name.
    pub files: Map<String, Value>,
}

impl Artefacts {
    /// Writes and uploads everything under one folder of the job's files, the model first.
    ///
    /// # Errors
    /// When a file cannot be written or uploaded.
    pub async fn publish(self, name: &str, context: &TaskContext) -> Result<Published, SkillError> {
        let folder = context.work_dir().join("artefacts");
        let to = folder.clone();
        let (names, content_hash) = off_the_clock(move || self.write(&to)).await?;
        let files = artefacts::publish(&folder, &names, name, context).await?;
        Ok(Published { model_uri: artefacts::model_uri(name, context)?, content_hash, files })
    }

    /// Writes the files and gives their names in the order in which they are to be published, and the model's hash.
    fn write(&self, folder: &Path) -> Result<(Vec<&'static str>, String), SkillError> {
        let unwritable =
            |reason: String| SkillError::ResourceExhausted(format!("the model cannot be written: {reason}"));
        std::fs::create_dir_all(folder).map_err(|error| unwritable(error.to_string()))?;
        let put = |name: &str, content: Vec<u8>| artefacts::write(&folder.join(name), content);
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        self.model.write(&folder.join(WEIGHTS), format).map_err(unwritable)?;
        put(PREPROCESS, json(&self.preprocess))?;
        put(CONFIG, json(&self.config))?;
        put("history.json", json(&json!({ "epochs": self.history })))?;
        put("learning_curves.svg", self.curves().into_bytes())?;
        let mut names = vec![WEIGHTS, PREPROCESS, CONFIG, "history.json", "learning_curves.svg"];
        if let Some(confusion) = &self.evaluation.confusion {
            put("confusion_matrix.svg", chart::confusion("How the classes were told apart", confusion).into_bytes())?;
            names.push("confusion_matrix.svg");
        }
        put("metrics.json", json(&self.metrics))?;
        names.push("metrics.json");
        Ok((names, models::content_hash(folder).map_err(|error| unwritable(error.to_string()))?))
    }

    /// The loss of the head where there is one, else how well rows are reconstructed, epoch by epoch.
    fn curves(&self) -> String {
        let series = |figure: &str| -> Vec<(u64, f64)> {
            let of = |epoch: &Epoch| Some((u64::from(epoch.epoch), epoch.figure(figure)?));
            self.history.iter().filter_map(of).collect()
        };
        let (title, shown): (_, &[(&str, &str)]) = match self.config.head {
            HeadKind::None => (
                "Reconstruction error",
                &[("training", "train_reconstruction_error"), ("validation", "validation_reconstruction_error")],
            ),
            HeadKind::Classifier => {
                ("Loss of the head", &[("training", "train_loss"), ("judged", "loss"), ("macro-F1", "macro_f1")])
            }
            HeadKind::Regressor => ("Loss of the head", &[("training", "train_loss"), ("judged", "loss")]),
        };
        let points: Vec<(&str, Vec<(u64, f64)>)> = shown.iter().map(|(name, figure)| (*name, series(figure))).collect();
        let drawn = points.iter().filter(|(_, points)| !points.is_empty());
        let drawn: Vec<Series<'_>> = drawn.map(|(name, points)| (*name, points.as_slice())).collect();
        chart::curves(title, "epoch", &drawn)
    }
}
