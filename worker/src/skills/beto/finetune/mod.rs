//! The `beto.finetune` skill: a BERT learns to tell the classes of a labelled table.

pub mod adamw;
mod examples;
pub mod folder;
pub mod judge;
pub mod labels;
pub mod learner;
pub mod parameters;
pub mod schedule;
pub mod start;
pub mod stored;
mod training;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use relevo_shared::worker::Task;
use serde_json::{Value, json};
use tch::Kind;

use self::{
    examples::Examples,
    learner::{Learner, Setup},
    parameters::Parameters,
    start::HeadOrigin,
    training::{Trained, Training},
};
use super::{config::BertConfig, reading::bring, request::dtype_name, tokens::BertTokenizer};
use crate::{
    context::TaskContext,
    device::Device,
    models::{ModelFolder, ModelFolders},
    skills::{
        Running, Skill, SkillError, artefacts,
        learning::{
            chart::{confusion, curves},
            checkpoint::Fingerprint,
        },
        off_the_clock, stage,
        torch::torch_error,
    },
};

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.03);
const PREPARE: (&str, f64) = ("prepare", 0.05);
const TRAIN: (&str, f64) = ("train", 0.96);
const WRITE: (&str, f64) = ("write", 0.98);
const UPLOAD: (&str, f64) = ("upload", 1.0);

/// Trains the encoder and the head of a BERT on a labelled table.
///
/// What comes out is a model's folder among the job's files, which `beto.preprocess` and transformers load, with the figures of the
/// training beside it. A run that is taken up again on a CPU ends with the same bytes as one that was not interrupted.
#[derive(Debug)]
pub struct BetoFinetune {
    device: Device,
    models: Arc<ModelFolders>,
}

impl BetoFinetune {
    /// The skill on a device, with models from `models`.
    #[must_use]
    pub const fn new(device: Device, models: Arc<ModelFolders>) -> Self {
        Self { device, models }
    }
}

impl Skill for BetoFinetune {
    fn name(&self) -> &str {
        "beto.finetune"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(self.finetune(task, context))
    }
}

/// What a run found out before it trains.
struct Begun {
    folder: ModelFolder,
    config: BertConfig,
    kind: Kind,
    max_length: usize,
    text_columns: Vec<String>,
    examples: Examples,
    head: HeadOrigin,
}

impl BetoFinetune {
    async fn finetune(&self, task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
        let (parameters, began) = (Parameters::read(&task.params)?, Instant::now());
        let request = &parameters.request;

        let load = async {
            let folder = self.models.obtain(&request.model, context).await?;
            let path = folder.path.clone();
            let config = off_the_clock(move || {
                // A model without a tokenizer shows before the table is read.
                let _ = BertTokenizer::read(&path)?;
                Ok(BertConfig::read(&path)?)
            });
            let config = config.await?;
            let max_length = request.row_length(config.longest_row())?;
            Ok((folder, config, max_length, bring(request, context).await?))
        };
        let (folder, config, max_length, (table, rows)) = stage(context, LOAD, load).await?;
        let text_columns = rows.text_columns.clone();
        let prepared = async {
            let examples = Examples::read(&parameters, (table, rows), folder.path.clone(), max_length, context).await?;
            let begun = (folder, config, max_length, text_columns, examples);
            self.learner(&parameters, begun).await
        };
        let (learner, begun) = stage(context, PREPARE, prepared).await?;

        let fingerprint = Fingerprint::of([
            ("model", begun.folder.content_hash.clone().into()),
            ("rows", begun.examples.digest()),
            ("settings", serde_json::to_vec(&parameters).expect("parameters are plain data")),
        ]);
        let span = (PREPARE.1, TRAIN.1);
        let training =
            Training::new((&self.device, context), (&parameters, &begun.examples), learner, fingerprint, span);
        let trained = stage(context, TRAIN, training.run()).await?;

        let mut result = self.result(task, &parameters, &begun, &trained);
        let to = context.work_dir().join(&parameters.output_name);
        let files = stage(context, WRITE, write(begun, trained, result.clone(), to.clone())).await?;
        let name = &parameters.output_name;
        stage(context, UPLOAD, artefacts::publish(&to, &files, name, context)).await?;
        result["model_uri"] = json!(artefacts::model_uri(name, context)?);
        result["files"] = json!(files.iter().map(|file| format!("{name}/{file}")).collect::<Vec<_>>());
        result["seconds"] = json!(began.elapsed().as_secs_f64());
        Ok(result)
    }

    /// A learner on the device, with the model's weights.
    async fn learner(
        &self,
        parameters: &Parameters,
        (folder, config, max_length, text_columns, examples): (ModelFolder, BertConfig, usize, Vec<String>, Examples),
    ) -> Result<(Learner, Begun), SkillError> {
        let all = examples.train.iter().chain(examples.validation.iter());
        let ids: Vec<&[u32]> = all.map(|example| example.tokens.ids.as_slice()).collect();
        config.check_tokens(&ids)?;
        let kind = parameters.request.dtype.on(&self.device);
        let setup = Setup {
            dropout: config.dropout(),
            config: config.clone(),
            kind,
            class_weights: examples.class_weights.clone(),
            weight_decay: parameters.weight_decay,
            seed: u64::from(parameters.seed),
        };
        let (path, labels) = (folder.path.clone(), examples.labels.clone());
        let made = self.device.run(move |desk| {
            let (weights, head) = start::weights(&path, &setup.config, &labels, setup.seed)?;
            let learner = Learner::new(setup, weights, desk.device).map_err(|error| torch_error(&error))?;
            Ok::<_, SkillError>((learner, head))
        });
        let (learner, head) = made.await??;
        Ok((learner, Begun { folder, config, kind, max_length, text_columns, examples, head }))
    }

    fn result(&self, task: &Task, parameters: &Parameters, begun: &Begun, trained: &Trained) -> Value {
        let (examples, progress) = (&begun.examples, &trained.progress);
        let mut applied = serde_json::to_value(parameters).expect("parameters are plain data");
        applied["text_col"] = json!(begun.text_columns);
        applied["max_length"] = json!(begun.max_length);
        applied["dtype"] = json!(dtype_name(begun.kind));
        let mut requested = task.params.clone();
        // The whole description of the table is not a parameter that anybody asked for.
        let _ = requested.remove("source");
        let (best_epoch, best) = progress.best.as_ref().expect("a training has an epoch at least");
        let scores = best.confusion.scores();
        json!({
            "dataset_id": parameters.request.dataset_id,
            "source": parameters.request.source.named(),
            "parameters": { "requested": requested, "applied": applied },
            "base_model": { "name": begun.folder.name, "content_hash": begun.folder.content_hash },
            "head": begun.head,
            "labels": examples.labels,
            "n_rows": examples.rows,
            "train_rows": examples.train.len(),
            "val_rows": examples.validation.len(),
            "rows_without_text": examples.without_text,
            "rows_without_label": examples.without_label,
            "truncated_rows": examples.truncated,
            "class_weights": examples.class_weights,
            "dropout": { "hidden": begun.config.dropout().hidden, "attention": begun.config.dropout().attention, "head": begun.config.dropout().head },
            "epochs_run": progress.history.len(),
            "best_epoch": best_epoch,
            "stopped_early": progress.history.len() < parameters.epochs as usize,
            "resumed_after_epoch": trained.resumed_after,
            "rows_at_once": progress.room.rows,
            "halved_for_memory": progress.room.halved,
            "metrics": {
                "loss": best.loss,
                "accuracy": scores.accuracy,
                "macro_f1": scores.macro_f1,
                "precision": scores.precision,
                "recall": scores.recall,
                "mcc": scores.mcc,
                "majority_baseline": best.confusion.majority_baseline(),
                "degenerate": best.confusion.is_constant(),
            },
            "confusion_matrix": best.confusion,
            "history": progress.history,
            "seed": parameters.seed,
            "device": self.device.name(),
            "dtype": dtype_name(begun.kind),
        })
    }
}

/// Writes the model and the figures; gives the files' names, the config last.
async fn write(begun: Begun, trained: Trained, result: Value, to: PathBuf) -> Result<Vec<String>, SkillError> {
    off_the_clock(move || {
        folder::write(&begun.folder.path, &to, &begun.examples.labels, &trained.weights)?;
        let history = json!({ "epochs": result["history"] });
        artefacts::write(&to.join("history.json"), artefacts::json(&history))?;
        let mut metrics = result.clone();
        let _ = metrics.as_object_mut().and_then(|metrics| metrics.remove("history"));
        artefacts::write(&to.join("metrics.json"), artefacts::json(&metrics))?;
        let history = &trained.progress.history;
        let series = |of: fn(&stored::EpochFigures) -> f64| -> Vec<(u64, f64)> {
            history.iter().map(|epoch| (u64::from(epoch.epoch), of(epoch))).collect()
        };
        let (train, loss) = (series(|epoch| epoch.train_loss), series(|epoch| epoch.val_loss));
        let (accuracy, f1) = (series(|epoch| epoch.val_accuracy), series(|epoch| epoch.val_macro_f1));
        let lines =
            [("train loss", &*train), ("val loss", &*loss), ("val accuracy", &*accuracy), ("val macro-F1", &*f1)];
        let (_, best) = trained.progress.best.as_ref().expect("a training has an epoch at least");
        for (name, drawing) in [
            ("learning_curves.svg", curves("Fine-tuning", "epoch", &lines)),
            ("confusion_matrix.svg", confusion("Rows that judge, best epoch", &best.confusion)),
        ] {
            artefacts::write(&to.join(name), drawing)?;
        }
        names(&to)
    })
    .await
}

/// The names of the folder's files, sorted, the config last: what is found by it is there when it is.
fn names(folder: &Path) -> Result<Vec<String>, SkillError> {
    let unread = |error: std::io::Error| SkillError::Transient(format!("the model's folder cannot be read: {error}"));
    let entries = std::fs::read_dir(folder).map_err(unread)?.collect::<Result<Vec<_>, _>>().map_err(unread)?;
    let mut names: Vec<String> = entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_by_key(|name| (name == "config.json", name.clone()));
    Ok(names)
}
