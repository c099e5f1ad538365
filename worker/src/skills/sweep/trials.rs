//! Asks of every trial what its training would ask of it, before the first begins. Pure.

use relevo_shared::problem::Detail;
use serde_json::{Map, Value};

use super::space::Space;
use crate::skills::{SkillError, boltzmann::parameters::Plan};

/// Checks the parameters of all trials, and that the ends of each range could be drawn.
///
/// # Errors
/// `InvalidInput` with what `rbm.train` would refuse, by the field of the sweep that it comes from, each once.
pub(super) fn check(trials: &[Map<String, Value>], space: &Space) -> Result<(), SkillError> {
    let mut faults: Vec<(Detail, String)> = Vec::new();
    let mut note = |fault: Detail, told: String| {
        let known = faults.iter().any(|(known, _)| (&known.field, &known.reason) == (&fault.field, &fault.reason));
        if !known {
            faults.push((fault, told));
        }
    };
    if let Some(first) = trials.first() {
        for (name, end) in space.ends() {
            let told = format!("; the range reaches {end}");
            let mut trial = first.clone();
            trial.insert(name.to_owned(), end);
            for fault in faults_of(&trial).into_iter().filter(|fault| fault.field == name) {
                note(named(fault, space), told.clone());
            }
        }
    }
    for (number, trial) in (1..).zip(trials) {
        for fault in faults_of(trial) {
            let value = trial.get(&fault.field).filter(|_| space.has(&fault.field));
            let told = value.map_or_else(String::new, |value| format!("; trial {number} has {value}"));
            note(named(fault, space), told);
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let details = faults.into_iter().map(|(fault, told)| Detail::new(fault.field, format!("{}{told}", fault.reason)));
    Err(SkillError::invalid_fields(details.collect()))
}

fn faults_of(trial: &Map<String, Value>) -> Vec<Detail> {
    match Plan::read(trial) {
        Err(SkillError::InvalidInput { details, .. }) => details,
        _ => Vec::new(),
    }
}

/// The same fault by the name that the field has in a sweep.
fn named(fault: Detail, space: &Space) -> Detail {
    let field = match fault.field.as_str() {
        // All that a client says of this name is how it begins.
        "output_name" => "output_prefix".to_owned(),
        name if space.has(name) => format!("space.{name}"),
        name => format!("base.{name}"),
    };
    Detail::new(field, fault.reason)
}
