//! `train.sweep`: which trials of a training there are to be, and which of them was the best. The trainings themselves are tasks
//! of a Map between the two steps.

mod rank;
mod space;
mod trials;

use relevo_shared::{job::LogLevel, worker::Task};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::{
    rank::{Direction, rank},
    space::{Search, Space},
};
use super::{Running, Skill, SkillError, fields::Fields};
use crate::context::TaskContext;

/// Trials of one sweep.
const MOST_TRIALS: u32 = 500;

/// Plans and ranks trials.
#[derive(Debug)]
pub(super) struct TrainSweep;

impl Skill for TrainSweep {
    fn name(&self) -> &str {
        "train.sweep"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(async move { sweep(&task.params, context) })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Plan,
    Rank,
}

fn sweep(parameters: &Map<String, Value>, context: &TaskContext) -> Result<Value, SkillError> {
    let mut fields = Fields::new(parameters);
    match fields.optional("step", "plan or rank") {
        Some(Step::Plan) => plan(fields, context),
        Some(Step::Rank) => ranked(fields, context),
        None => {
            fields.fault("step", "must be plan or rank");
            fields.finish().map(|()| Value::Null)
        }
    }
}

fn plan(mut fields: Fields, context: &TaskContext) -> Result<Value, SkillError> {
    let base: Map<String, Value> = fields.or("base", Map::new(), "the parameters that all trials share");
    let space: Map<String, Value> = fields.or("space", Map::new(), "an object of parameters to be tried");
    let search = fields.or("search", Search::Grid, "grid or random");
    let trials = fields.optional_within("trials", &(1..=MOST_TRIALS));
    let seed: u64 = fields.or("seed", 42, "an integer of 0 or more");
    let prefix: String = fields.or("output_prefix", "trial".to_owned(), "the beginning of a folder's name");
    if base.contains_key("output_name") {
        fields.fault(
            "base.output_name",
            "must be left out: each trial has a name of its own, which begins with output_prefix",
        );
    }
    if search == Search::Random && trials.is_none() {
        fields.fault("trials", "must say how many trials a random search makes");
    }
    let space = Space::read(&space, search)
        .map_err(|faults| faults.into_iter().for_each(|(name, reason)| fields.fault(&name, reason)));
    fields.finish()?;
    let Ok(space) = space else { return Err(SkillError::invalid("space", "is wrong")) };
    let points = match search {
        Search::Grid => space.grid(trials.unwrap_or(MOST_TRIALS))?,
        Search::Random => space.random(trials.unwrap_or(1), seed),
    };
    let digits = points.len().to_string().len();
    let trials: Vec<Map<String, Value>> = (1..)
        .zip(points)
        .map(|(number, point)| {
            let mut trial = base.clone();
            trial.extend(point);
            trial.insert("output_name".to_owned(), json!(format!("{prefix}_{number:0digits$}")));
            trial
        })
        .collect();
    trials::check(&trials, &space)?;
    context.log(LogLevel::Info, format!("{} trials are planned", trials.len()), None);
    Ok(json!({ "search": search, "seed": seed, "count": trials.len(), "trials": trials }))
}

fn ranked(mut fields: Fields, context: &TaskContext) -> Result<Value, SkillError> {
    let results: Vec<Value> = fields.or("results", Vec::new(), "the results of the trials");
    let metric: String = fields.or("metric", "macro_f1".to_owned(), "the name of a figure");
    let direction: Option<Direction> = fields.optional("direction", "max or min");
    let planned: Option<u32> = fields.optional("planned", "how many trials were planned");
    fields.finish()?;
    let ranking = rank(&results, &metric, direction)?;
    let best = &ranking[0];
    context.log(
        LogLevel::Info,
        format!("the best of {} trials is {} with {metric} {}", ranking.len(), best["output_name"], best["value"]),
        None,
    );
    let warning = (best["degenerate"] == true).then(|| {
        format!(
            "the best trial, {}, gives every row the same answer: nothing was learnt that is worth a name",
            best["output_name"]
        )
    });
    if let Some(warning) = &warning {
        context.log(LogLevel::Warning, warning.clone(), None);
    }
    let failed = planned.map(|planned| (planned as usize).saturating_sub(results.len()));
    Ok(json!({
        "metric": metric, "direction": direction.unwrap_or_else(|| Direction::of(&metric)), "trials": ranking.len(),
        "failed": failed, "best": best, "ranking": ranking, "warning": warning,
    }))
}
