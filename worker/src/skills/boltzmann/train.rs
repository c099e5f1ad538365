//! `rbm.train` from a task to its result: load, train, evaluate, publish.

use std::{sync::Arc, time::Instant};

use relevo_shared::{job::LogLevel, worker::Task};
use serde_json::{Map, Value, json};

use super::{
    artefacts::{Artefacts, Config, Published},
    evaluation::Evaluation,
    likelihood::likelihood,
    machine::LogLikelihood,
    matrix::Table,
    parameters::Plan,
    prepared::{Prepared, split},
    preprocess::Why,
    run::Run,
    stage::as_i64,
    standing::{Epoch, Kept},
};
use crate::{
    context::TaskContext,
    device::Device,
    skills::{
        Running, Skill, SkillError,
        learning::checkpoint::{Checkpoint, Fingerprint},
        off_the_clock, stage,
        tabular::LocalTable,
        torch::Room,
    },
};

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.05);
const TRAIN: (&str, f64) = ("train", 0.9);
const EVALUATE: (&str, f64) = ("evaluate", 0.96);
const PUBLISH: (&str, f64) = ("publish", 1.0);

/// Trains Boltzmann machines.
#[derive(Debug)]
pub struct RbmTrain {
    device: Device,
}

impl RbmTrain {
    /// The skill on a device.
    #[must_use]
    pub const fn new(device: Device) -> Self {
        Self { device }
    }
}

impl Skill for RbmTrain {
    fn name(&self) -> &str {
        "rbm.train"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(self.train(task, context))
    }
}

/// A table as it was read, for a task that trains on it once or several times.
///
/// # Errors
/// Those of [`LocalTable::fetch`] and [`Table::read`].
pub(in crate::skills) async fn load(plan: &Arc<Plan>, context: &TaskContext) -> Result<Table, SkillError> {
    let local = LocalTable::fetch(context, &plan.source).await?;
    let (plan, going) = (Arc::clone(plan), context.clone());
    let go_on = move || if going.is_cancelled() { Err(SkillError::Cancelled) } else { Ok(()) };
    let table = off_the_clock(move || Table::read(&local, &plan, go_on)).await?;
    if !table.no_numbers.is_empty() {
        let message = format!("left out, as they hold no numbers: {}", table.no_numbers.join(", "));
        context.log(LogLevel::Warning, message, None);
    }
    Ok(table)
}

/// What decides the outcome of a training, by the names that people have for it.
pub(in crate::skills) fn parts(plan: &Plan) -> [(&'static str, Vec<u8>); 2] {
    let mut settings = serde_json::to_value(plan).expect("a plan has string keys only");
    let table = settings["source"].take();
    [("table", table.to_string().into()), ("settings", settings.to_string().into())]
}

impl RbmTrain {
    async fn train(&self, task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
        let began = Instant::now();
        let plan = Arc::new(Plan::read(&task.params)?);
        let data = stage(context, LOAD, prepare(&plan, context)).await?;
        tell_data(&data, context);
        let mut run = stage(context, TRAIN, self.learn(&plan, &data, context)).await?;
        let (evaluation, likelihood) =
            stage(context, EVALUATE, evaluate(&mut run, plan.settings.seed, context)).await?;
        let settings = plan.machine(data.preprocess.columns.len(), as_i64(run.room().rows));
        let kept = run.history().iter().find(|epoch| epoch.epoch == run.kept_epoch());
        let figures = final_figures(kept, &evaluation, &likelihood);
        let mut metrics = figures.clone();
        metrics.insert("confusion_matrix".to_owned(), json!(evaluation.confusion));
        metrics.insert("likelihood".to_owned(), json!(likelihood));
        let artefacts = Artefacts {
            config: Config::new(&plan, settings.clone(), &data.labels),
            preprocess: data.preprocess.clone(),
            model: run.model().await?,
            history: run.history().to_vec(),
            metrics,
            evaluation: evaluation.clone(),
        };
        let published = stage(context, PUBLISH, artefacts.publish(&plan.output_name, context)).await?;
        let mut result = summary(&plan, &data, &run, &published);
        result.extend([
            ("metrics".to_owned(), json!(figures)),
            ("confusion_matrix".to_owned(), json!(evaluation.confusion)),
            ("log_likelihood".to_owned(), json!(likelihood)),
            ("device".to_owned(), json!(self.device.name())),
            ("seconds".to_owned(), json!((began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0)),
        ]);
        Ok(Value::Object(result))
    }

    /// Learns until the run is over, from the last checkpoint on where there is one.
    async fn learn(&self, plan: &Arc<Plan>, data: &Arc<Prepared>, context: &TaskContext) -> Result<Run, SkillError> {
        let (place, training) = (Checkpoint::of(context), Fingerprint::of(parts(plan)));
        let file = context.work_dir().join("checkpoint");
        let kept = if place.restore(&file).await? {
            let (file, training) = (file.clone(), training.clone());
            Some(off_the_clock(move || Kept::read(&file, &training)).await?)
        } else {
            None
        };
        let room = kept.as_ref().map_or_else(|| room_of(plan), Kept::room);
        let mut run = Run::start(&self.device, plan, data, room, context).await?;
        // Where there is less room than there was, it begins anew.
        if let Some(kept) = kept.filter(|kept| kept.room() == run.room()) {
            run.restore(kept).await?;
            let message =
                format!("going on after epoch {}, where the last attempt had kept what it had", run.history().len());
            context.log(LogLevel::Info, message, None);
        }
        let epochs = run.epochs();
        let told = |epoch: u32, part: f64| {
            let part = (f64::from(epoch - 1) + part) / f64::from(epochs);
            context.stage_progress(TRAIN.0, part);
            context.progress(LOAD.1 + (TRAIN.1 - LOAD.1) * part, format!("epoch {epoch} of {epochs}"));
        };
        let mut kept_at = Instant::now();
        while !run.is_over() {
            tell_epoch(run.epoch(context, told).await?, epochs, context);
            if run.is_over() || kept_at.elapsed().as_secs() >= u64::from(plan.checkpoint_seconds) {
                run.save(&file, &training).await?;
                if place.keep(&file).await? {
                    run.note_kept();
                }
                kept_at = Instant::now();
            }
        }
        if run.history().len() < epochs as usize {
            let message = format!("stopped early: epoch {} was the best", run.kept_epoch());
            context.log(LogLevel::Info, message, None);
        }
        Ok(run)
    }
}

/// Room for the batches that a plan asks for.
pub(in crate::skills) fn room_of(plan: &Plan) -> Room {
    Room::whole(usize::try_from(plan.settings.batch_size).expect("a batch has a row at least"))
}

async fn prepare(plan: &Arc<Plan>, context: &TaskContext) -> Result<Arc<Prepared>, SkillError> {
    let table = load(plan, context).await?;
    let plan = Arc::clone(plan);
    off_the_clock(move || Prepared::new(&table, &plan, &split(&table, &plan)?).map(Arc::new)).await
}

async fn evaluate(run: &mut Run, seed: u64, context: &TaskContext) -> Result<(Evaluation, LogLikelihood), SkillError> {
    let evaluation = run.finish(context).await?;
    Ok((evaluation, likelihood(run, seed, context).await?))
}

fn tell_data(data: &Prepared, context: &TaskContext) {
    let names = data.preprocess.names();
    let message = format!(
        "{} rows to learn from and {} to judge by, {} features",
        data.train.rows,
        data.validation.rows,
        names.len()
    );
    context.log(LogLevel::Info, message, Some(json!({ "features": names, "labels": data.labels })));
    let dropped = data.preprocess.dropped.iter().filter(|column| column.reason != Why::Text);
    let names: Vec<&str> = dropped.map(|column| column.name.as_str()).collect();
    if !names.is_empty() {
        let message = format!("left out, as they have no scale among the rows to learn from: {}", names.join(", "));
        context.log(LogLevel::Warning, message, Some(json!(data.preprocess.dropped)));
    }
}

/// Names of figures for a line of the log, in its order.
const TOLD: [(&str, &str); 7] = [
    ("reconstruction_error", "reconstruction error"),
    ("pseudo_log_likelihood", "pseudo-log-likelihood"),
    ("loss", "loss"),
    ("accuracy", "accuracy"),
    ("macro_f1", "macro-F1"),
    ("mae", "MAE"),
    ("r2", "R²"),
];

fn tell_epoch(epoch: &Epoch, epochs: u32, context: &TaskContext) {
    let numbers = epoch.figures.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)));
    context.metrics(u64::from(epoch.epoch), numbers.chain([("epoch_seconds", epoch.seconds)]));
    let told = TOLD.iter().filter_map(|(name, words)| Some(format!("{words} {:.4}", epoch.figure(name)?)));
    let told = told.collect::<Vec<_>>().join(", ");
    let message = format!("epoch {} of {epochs} ({}): {told} ({:.1} s)", epoch.epoch, epoch.phase, epoch.seconds);
    context.log(LogLevel::Info, message, None);
}

/// The figures of the epoch that counts, of the head as it was fitted at the end, and the likelihood.
fn final_figures(kept: Option<&Epoch>, evaluation: &Evaluation, likelihood: &LogLikelihood) -> Map<String, Value> {
    let mut figures = kept.map(|epoch| epoch.figures.clone()).unwrap_or_default();
    figures.extend(evaluation.figures.clone());
    figures.insert("log_likelihood".to_owned(), json!(likelihood.mean_nats));
    figures
}

fn summary(plan: &Plan, data: &Prepared, run: &Run, published: &Published) -> Map<String, Value> {
    let settings = plan.machine(data.preprocess.columns.len(), as_i64(run.room().rows));
    let mut parameters = match json!(settings) {
        Value::Object(settings) => settings,
        _ => Map::new(),
    };
    parameters.extend([
        ("head".to_owned(), json!(plan.head)),
        ("target".to_owned(), json!(plan.target)),
        ("split".to_owned(), json!(plan.split)),
        ("val_ratio".to_owned(), json!(plan.val_ratio)),
        ("patience".to_owned(), json!(plan.patience)),
    ]);
    let history = run.history();
    let summary = json!({
        "output_name": plan.output_name, "model_uri": published.model_uri, "content_hash": published.content_hash,
        "artefacts": published.files, "seed": plan.settings.seed, "parameters": parameters,
        "source": { "dataset_id": plan.source.dataset_id, "table_key": plan.source.table_key, "commit_id": plan.source.commit_id },
        "columns": data.preprocess.names(), "dropped_columns": data.preprocess.dropped, "labels": data.labels,
        "rows": { "train": data.train.rows, "validation": data.validation.rows },
        "judged_on": if data.validation.rows > 0 { "validation" } else { "train" },
        "epochs_run": history.len(), "kept_epoch": run.kept_epoch(),
        "stopped_early": history.len() < run.epochs() as usize,
        "resumed_after_epoch": run.resumed_after(), "requested_batch_size": plan.settings.batch_size,
        "training_seconds": history.iter().map(|epoch| epoch.seconds).sum::<f64>(),
    });
    match summary {
        Value::Object(summary) => summary,
        _ => Map::new(),
    }
}
