//! Reads a state machine: its states, and whether each can be reached and can end.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{fields::Fields, reach, state};
use crate::domain::blueprint::{
    fault::{Faults, join_key},
    model::{Machine, StateIndex},
    suggest::did_you_mean,
};

/// Characters in a state's name, as the language has it.
const MAX_NAME: usize = 80;

/// The states that a target may name.
pub(super) struct Targets<'v>(HashMap<&'v str, StateIndex>);

impl<'v> Targets<'v> {
    fn of(states: &'v Map<String, Value>) -> Self {
        Self(states.keys().enumerate().map(|(index, name)| (name.as_str(), index)).collect())
    }

    /// The state that a field names.
    pub(super) fn read(&self, fields: &mut Fields<'_, '_>, name: &'static str) -> Option<StateIndex> {
        let target = fields.text(name)?;
        let found = self.0.get(target).copied();
        if found.is_none() {
            let mut known: Vec<&str> = self.0.keys().copied().collect();
            known.sort_unstable();
            let hint = did_you_mean(target, known);
            fields.fault_at(name, format!("there is no state `{target}`{hint}"));
        }
        found
    }
}

/// Reads the machine in `value`; `None` when it cannot be run, with at least one fault to say why.
pub(super) fn read(value: &Value, path: &str, faults: &mut Faults) -> Option<Machine> {
    let mut fields = Fields::of(value, path, faults)?;
    fields.text("Comment");
    fields.parsed("Version", |version| match version {
        "1.0" => Ok(()),
        other => Err(format!("must be `1.0`, the only version of the language, not `{other}`")),
    });
    state::query_language(&mut fields);
    fields.refuse(&["TimeoutSeconds"], "is not supported for a whole machine: give it to each task");

    let states_at = fields.at("States");
    let Some(states) = fields.value("States") else {
        fields.missing("States", "is missing: write the states of the machine here, by name");
        fields.close();
        return None;
    };
    let Some(states) = states.as_object().filter(|states| !states.is_empty()) else {
        fields.fault_at("States", "must be an object with at least one state");
        fields.close();
        return None;
    };
    let targets = Targets::of(states);
    if !fields.has("StartAt") {
        fields.missing("StartAt", "is missing: name the state that comes first");
    }
    let start = targets.read(&mut fields, "StartAt");
    fields.close();

    let mut read = Vec::with_capacity(states.len());
    for (name, value) in states {
        let at = join_key(&states_at, name);
        if name.is_empty() || name.chars().count() > MAX_NAME {
            faults.add(&at, format!("a state's name must have 1 to {MAX_NAME} characters"));
        }
        read.extend(state::read(name, value, &at, &targets, faults));
    }
    let start_name = value.get("StartAt").and_then(Value::as_str);
    reach::check(states, start_name, &states_at, faults);

    // A state that could not be read would shift the indices of those after it.
    let complete = read.len() == states.len();
    let index = states.keys().cloned().enumerate().map(|(index, name)| (name, index)).collect();
    start.filter(|_| complete).map(|start| Machine { start, states: read, index })
}
