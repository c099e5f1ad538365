//! Finds states that no path leads to and states that no path leads out of.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::domain::blueprint::fault::{Faults, join_key};

/// Works on the text of the machine, so that it can tell of other states when one has a fault of its own.
pub(super) fn check(states: &Map<String, Value>, start: Option<&str>, path: &str, faults: &mut Faults) {
    let next: HashMap<&str, Vec<&str>> = states.iter().map(|(name, state)| (name.as_str(), targets(state))).collect();
    // With a misspelt target the picture is wrong, and the target has been reported.
    let Some(start) = start.filter(|start| states.contains_key(*start)) else { return };
    if next.values().flatten().any(|target| !states.contains_key(*target)) {
        return;
    }
    let reached = closure([start], |name| next[name].clone());
    for name in states.keys().filter(|name| !reached.contains(name.as_str())) {
        faults.add(join_key(path, name), format!("no path leads here from the first state, `{start}`"));
    }

    let mut before: HashMap<&str, Vec<&str>> = HashMap::new();
    for (name, targets) in &next {
        for target in targets {
            before.entry(target).or_default().push(name);
        }
    }
    let ends = states.iter().filter(|(_, state)| is_end(state)).map(|(name, _)| name.as_str());
    let ending = closure(ends, |name| before.get(name).cloned().unwrap_or_default());
    for name in states.keys().filter(|name| reached.contains(name.as_str()) && !ending.contains(name.as_str())) {
        // A state without `Next` or `End` has been told so.
        if !next[name.as_str()].is_empty() {
            faults.add(join_key(path, name), "no path leads from here to an end of the machine");
        }
    }
}

/// Every state that a state may lead to.
fn targets(state: &Value) -> Vec<&str> {
    let rules = |name: &str| state.get(name).and_then(Value::as_array).into_iter().flatten();
    let holders = std::iter::once(state).chain(rules("Choices")).chain(rules("Catch"));
    let next = holders.filter_map(|holder| holder.get("Next"));
    next.chain(state.get("Default")).filter_map(Value::as_str).collect()
}

fn is_end(state: &Value) -> bool {
    let ending_type = state.get("Type").and_then(Value::as_str).is_some_and(|kind| matches!(kind, "Succeed" | "Fail"));
    ending_type || state.get("End") == Some(&Value::Bool(true))
}

/// Everything that can be reached from `from`.
fn closure<'v>(from: impl IntoIterator<Item = &'v str>, next: impl Fn(&str) -> Vec<&'v str>) -> HashSet<&'v str> {
    let mut open: Vec<&str> = from.into_iter().collect();
    let mut seen: HashSet<&str> = open.iter().copied().collect();
    while let Some(name) = open.pop() {
        open.extend(next(name).into_iter().filter(|target| seen.insert(target)));
    }
    seen
}
