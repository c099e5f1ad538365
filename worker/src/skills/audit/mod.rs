//! `eval.audit`: whether a training is worth anything on rows that it did not see, fold by fold, against always saying the same.

mod guard;

use std::{path::Path, sync::Arc, time::Instant};

use relevo_shared::{job::LogLevel, worker::Task};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::guard::leaks;
use crate::{
    context::TaskContext,
    device::Device,
    skills::{
        Running, Skill, SkillError, artefacts,
        boltzmann::{
            evaluation::Evaluation,
            load,
            matrix::Table,
            parameters::{HeadKind, Plan},
            parts,
            prepared::{Prepared, strata},
            room_of,
            run::Run,
        },
        fields::Fields,
        learning::{
            checkpoint::{self, Checkpoint, Fingerprint},
            split::{Split, stratified_folds},
        },
        off_the_clock, stage,
        torch::Room,
    },
};

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.05);
const GUARD: (&str, f64) = ("guard", 0.08);
const FOLDS: (&str, f64) = ("folds", 0.97);
const PUBLISH: (&str, f64) = ("publish", 1.0);
/// One part learns and one judges.
const FEWEST_FOLDS: usize = 2;
const MOST_FOLDS: usize = 20;
/// Figures of a fold that have a mean over the folds.
const FIGURES: [&str; 12] = [
    "accuracy",
    "macro_f1",
    "roc_auc",
    "precision",
    "recall",
    "mcc",
    "majority_baseline",
    "loss",
    "mae",
    "rmse",
    "r2",
    "baseline_rmse",
];

/// Audits a training.
#[derive(Debug)]
pub(super) struct EvalAudit {
    device: Device,
}

impl EvalAudit {
    /// The skill on a device.
    pub(super) const fn new(device: Device) -> Self {
        Self { device }
    }
}

impl Skill for EvalAudit {
    fn name(&self) -> &str {
        "eval.audit"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(self.audit(task, context))
    }
}

/// A training, and how it is audited. The training's own split and its patience are not used.
struct Parameters {
    plan: Arc<Plan>,
    folds: usize,
    seed: u64,
}

impl Parameters {
    fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        let plan = Plan::of(&mut fields);
        let folds = fields.within("folds", 5, &(FEWEST_FOLDS..=MOST_FOLDS));
        let seed = fields.or("fold_seed", 42, "an integer of 0 or more");
        if plan.as_ref().is_some_and(|plan| plan.head == HeadKind::None) {
            fields.fault("head", "must be classifier or regressor: without a head there is nothing to audit");
        }
        fields.finish()?;
        let mut plan = plan.ok_or_else(|| SkillError::invalid("source", "is missing"))?;
        // A training that stops where the rows that judge it like it best would be judged too well by them.
        plan.patience = None;
        Ok(Self { plan: Arc::new(plan), folds, seed })
    }
}

/// What is known of the folds that are done; this is the checkpoint too.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    /// Rows of a batch, of all folds.
    room: Room,
    folds: Vec<Map<String, Value>>,
}

impl EvalAudit {
    async fn audit(&self, task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
        let began = Instant::now();
        let asked = Parameters::read(&task.params)?;
        let table = Arc::new(stage(context, LOAD, load(&asked.plan, context)).await?);
        stage(context, GUARD, guard(&asked.plan, &table)).await?;
        let splits = folds(&asked, &table)?;
        let done = stage(context, FOLDS, self.folds(&asked, &table, &splits, context)).await?;
        let summary = summarised(&asked.plan, &done.folds);
        tell(&summary, context);
        let report = json!({
            "folds": asked.folds, "fold_seed": asked.seed, "deviation": "sample standard deviation over the folds",
            "head": asked.plan.head, "target": asked.plan.target, "columns": table.features.names,
            "rows": table.features.rows(), "batch_size": done.room.rows, "halved_for_memory": done.room.halved,
            "summary": summary, "per_fold": done.folds,
            "guard": "no feature was found that follows from the target",
        });
        // Beside the model's own files.
        let name = format!("{}/audit.json", asked.plan.output_name);
        let uri = stage(context, PUBLISH, artefacts::put(&name, artefacts::json(&report), context)).await?;
        let mut result = report;
        result["report_uri"] = json!(uri);
        result["seconds"] = json!((began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0);
        Ok(result)
    }

    /// Trains and judges fold by fold, from the first that is not done.
    async fn folds(
        &self,
        asked: &Parameters,
        table: &Arc<Table>,
        splits: &[Split],
        context: &TaskContext,
    ) -> Result<Done, SkillError> {
        let (place, file) = (Checkpoint::of(context), context.work_dir().join("checkpoint"));
        let training = fingerprint(asked);
        let kept = if place.restore(&file).await? { Some(read(&file, &training).await?) } else { None };
        let mut done = kept.unwrap_or_else(|| Done { room: room_of(&asked.plan), folds: Vec::new() });
        while let Some(split) = splits.get(done.folds.len()) {
            let number = done.folds.len();
            let (figures, room) = self.fold(asked, table, split, (number, splits.len(), done.room), context).await?;
            if room != done.room && 0 < number {
                // One training is audited: the folds before learnt from other batches.
                done = Done { room, folds: Vec::new() };
                continue;
            }
            done.room = room;
            context.metrics(
                number as u64 + 1,
                figures.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?))),
            );
            done.folds.push(figures);
            tokio::fs::write(&file, checkpoint::written(&training, &done)).await.map_err(checkpoint::unwritable)?;
            place.keep(&file).await?;
        }
        Ok(done)
    }

    async fn fold(
        &self,
        asked: &Parameters,
        table: &Arc<Table>,
        split: &Split,
        (number, folds, room): (usize, usize, Room),
        context: &TaskContext,
    ) -> Result<(Map<String, Value>, Room), SkillError> {
        let (table, plan, split) = (Arc::clone(table), Arc::clone(&asked.plan), split.clone());
        let data = off_the_clock(move || Prepared::new(&table, &plan, &split).map(Arc::new)).await?;
        let mut run = Run::start(&self.device, &asked.plan, &data, room, context).await?;
        let epochs = run.epochs();
        let told = |epoch: u32, part: f64| {
            let part = (number as f64 + (f64::from(epoch - 1) + part) / f64::from(epochs)) / folds as f64;
            context.stage_progress(FOLDS.0, part);
            let message = format!("fold {} of {folds}, epoch {epoch} of {epochs}", number + 1);
            context.progress(GUARD.1 + (FOLDS.1 - GUARD.1) * part, message);
        };
        while !run.is_over() {
            run.epoch(context, told).await?;
        }
        let Evaluation { figures, .. } = run.finish(context).await?;
        let shown = ["macro_f1", "accuracy", "r2"]
            .iter()
            .filter_map(|name| Some(format!("{name} {:.4}", figures.get(*name)?.as_f64()?)));
        let message = format!("fold {} of {folds}: {}", number + 1, shown.collect::<Vec<_>>().join(", "));
        context.log(LogLevel::Info, message, Some(json!(figures)));
        Ok((figures, run.room()))
    }
}

/// Refuses features that follow from the target.
async fn guard(plan: &Arc<Plan>, table: &Arc<Table>) -> Result<(), SkillError> {
    let (plan, table) = (Arc::clone(plan), Arc::clone(table));
    off_the_clock(move || {
        let target = plan.target.clone().unwrap_or_default();
        let found = leaks(&table.features, &target, &table.target);
        if found.is_empty() {
            return Ok(());
        }
        let told = found.iter().map(|leak| format!("{} {}", leak.columns.join(", "), leak.reason));
        let reason = format!(
            "must not have features that were made from the target {target:?}: {}. Leave them out of the training",
            told.collect::<Vec<_>>().join("; ")
        );
        Err(SkillError::invalid("columns", reason))
    })
    .await
}

/// Splits in which each row that has the target judges once.
fn folds(asked: &Parameters, table: &Table) -> Result<Vec<Split>, SkillError> {
    let rows = table.features.rows();
    let strata = strata(&table.target, rows);
    if let crate::skills::boltzmann::matrix::Target::Classes { labels, .. } = &table.target {
        for (class, label) in labels.iter().enumerate() {
            let count = strata.iter().filter(|stratum| **stratum == class).count();
            if count < FEWEST_FOLDS {
                let reason = format!(
                    "must have {FEWEST_FOLDS} rows or more of each class, as each fold needs one; of {label:?} there is {count}"
                );
                return Err(SkillError::invalid("target", reason));
            }
            if count < asked.folds {
                let reason =
                    format!("must be at most {count}: so many rows have the class {label:?}, and each fold needs one");
                return Err(SkillError::invalid("folds", reason));
            }
        }
    }
    Ok(stratified_folds(&strata, asked.folds, asked.seed))
}

fn fingerprint(asked: &Parameters) -> Fingerprint {
    let [table, settings] = parts(&asked.plan);
    Fingerprint::of([table, settings, ("folds", format!("{} {}", asked.folds, asked.seed).into())])
}

async fn read(file: &Path, training: &Fingerprint) -> Result<Done, SkillError> {
    let text = tokio::fs::read(file).await;
    let text = text.map_err(|error| SkillError::Transient(format!("the checkpoint cannot be read: {error}")))?;
    checkpoint::read(&String::from_utf8_lossy(&text), training)
}

/// Mean and deviation of each figure, and whether the training beats always saying the same by more than chance would.
fn summarised(plan: &Plan, folds: &[Map<String, Value>]) -> Map<String, Value> {
    let mut summary = Map::new();
    let spread = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (mean, (squares / (values.len() - 1).max(1) as f64).sqrt())
    };
    let of = |name: &str| -> Vec<f64> { folds.iter().filter_map(|fold| fold.get(name)?.as_f64()).collect() };
    for name in FIGURES {
        let values = of(name);
        if !values.is_empty() {
            let (mean, deviation) = spread(&values);
            summary.insert(name.to_owned(), json!({ "mean": mean, "std": deviation, "folds": values.len() }));
        }
    }
    // How far each fold is above the baseline: the pairs, not the means, decide.
    let (ours, baseline, sign) = match plan.head {
        HeadKind::Regressor => ("rmse", "baseline_rmse", -1.0),
        _ => ("accuracy", "majority_baseline", 1.0),
    };
    let gains: Vec<f64> = of(ours).iter().zip(of(baseline)).map(|(ours, baseline)| sign * (ours - baseline)).collect();
    if !gains.is_empty() {
        let (mean, deviation) = spread(&gains);
        let error = deviation / (gains.len() as f64).sqrt();
        summary.insert("gain_over_baseline".to_owned(), json!({ "mean": mean, "std": deviation, "of": ours }));
        summary.insert("beats_baseline".to_owned(), json!(mean > 2.0 * error));
    }
    let degenerate = folds.iter().filter(|fold| fold.get("degenerate") == Some(&json!(true))).count();
    summary.insert("degenerate_folds".to_owned(), json!(degenerate));
    summary
}

fn tell(summary: &Map<String, Value>, context: &TaskContext) {
    let figure = |name: &str| {
        let figure = summary.get(name)?;
        Some(format!("{name} {:.4} ± {:.4}", figure["mean"].as_f64()?, figure["std"].as_f64()?))
    };
    let told: Vec<String> =
        ["accuracy", "majority_baseline", "macro_f1", "rmse", "baseline_rmse"].into_iter().filter_map(figure).collect();
    let (level, verdict) = match summary.get("beats_baseline") {
        Some(Value::Bool(true)) => (LogLevel::Info, "better than always saying the same"),
        _ => (LogLevel::Warning, "not better than always saying the same"),
    };
    context.log(level, format!("{verdict}: {}", told.join(", ")), Some(json!(summary)));
}
