//! Reads what Task, Parallel and Map states have in common: retriers, catchers and what comes next.

use serde_json::Value;

use super::{
    fields::{Fields, kind, shown},
    flow,
    machine::Level,
    state::then,
    values::{Sees, assign},
};
use crate::domain::{
    blueprint::{
        eval::MAX_SECONDS,
        failure::{ALL, PREDEFINED},
        fault::{Faults, join_index},
        suggest::did_you_mean,
        work::{Catcher, Retrier, Work},
    },
    retry::{Backoff, Jitter},
};

/// The longest pause between attempts: one year, as the language has it.
const MAX_DELAY_SECONDS: u32 = 31_622_400;

/// Reads `Retry`, `Catch`, and `Next` or `End`.
pub(super) fn read(fields: &mut Fields<'_, '_>, level: &Level<'_>) -> Option<Work> {
    let has_policy = fields.has("Retry") || fields.has("Catch");
    let retry = rules(fields, "Retry", retrier);
    let catch = rules(fields, "Catch", |fields| catcher(fields, level));
    let then = then(fields, level)?;
    Some(Work { retry, catch, has_policy, then })
}

/// Reads the items of `Retry` or `Catch`. An empty array is allowed: it says that there is no default policy.
fn rules<T>(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    mut read: impl FnMut(&mut Fields<'_, '_>) -> Option<T>,
) -> Vec<T> {
    let Some(value) = fields.value(name) else { return Vec::new() };
    let path = fields.at(name);
    let Value::Array(items) = value else {
        fields.fault_at(name, format!("must be an array, not {}", kind(value)));
        return Vec::new();
    };
    let mut rules = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(mut item) = fields.within(item, join_index(&path, index)) else { continue };
        item.text("Comment");
        rules.extend(read(&mut item));
        item.close();
    }
    check_order(items, &path, fields.faults);
    rules
}

fn retrier(fields: &mut Fields<'_, '_>) -> Option<Retrier> {
    let errors = errors(fields);
    let interval = fields.integer("IntervalSeconds", 1..=MAX_SECONDS).unwrap_or(1);
    let max_attempts = fields.integer("MaxAttempts", 0..=MAX_SECONDS).unwrap_or(3);
    let rate = match fields.value("BackoffRate").map(|value| (value, value.as_f64())) {
        None => 2.0,
        Some((_, Some(rate))) if rate >= 1.0 => rate,
        Some((value, _)) => {
            fields.fault_at("BackoffRate", format!("must be a number from 1.0 up, not {}", shown(value)));
            return None;
        }
    };
    let longest = fields.integer("MaxDelaySeconds", 1..=MAX_DELAY_SECONDS);
    if longest.is_some_and(|longest| longest <= interval) {
        fields.fault_at("MaxDelaySeconds", format!("must be greater than `IntervalSeconds`, which is {interval}"));
    }
    let jitter = fields.parsed("JitterStrategy", |strategy| match strategy {
        "FULL" => Ok(Jitter::Full),
        "NONE" => Ok(Jitter::None),
        other => Err(format!("must be `FULL` or `NONE`, not `{other}`")),
    });
    let backoff = Backoff {
        interval_seconds: f64::from(interval),
        rate,
        max_seconds: longest.map(f64::from),
        jitter: jitter.unwrap_or(Jitter::None),
    };
    Some(Retrier { errors: errors?, max_attempts, backoff })
}

fn catcher(fields: &mut Fields<'_, '_>, level: &Level<'_>) -> Option<Catcher> {
    let errors = errors(fields);
    let flow = flow::caught(fields);
    let assign = assign(fields, Sees::Error);
    if !fields.has("Next") {
        fields.missing("Next", "is missing: name the state that goes on after the error");
    }
    let next = level.target(fields, "Next");
    Some(Catcher { errors: errors?, flow, assign, next: next? })
}

fn errors(fields: &mut Fields<'_, '_>) -> Option<Vec<String>> {
    if !fields.has("ErrorEquals") {
        fields.missing("ErrorEquals", "is missing: name the errors, or write [`States.ALL`]");
    }
    let items = fields.items("ErrorEquals")?;
    let path = fields.at("ErrorEquals");
    let mut names = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let fault = match item.as_str() {
            None => format!("must be text, not {}", kind(item)),
            Some(ALL) if items.len() > 1 => format!("`{ALL}` must stand alone"),
            Some(name) if name.starts_with("States.") && !PREDEFINED.contains(&name) => {
                format!("the language has no error `{name}`{}", did_you_mean(name, PREDEFINED))
            }
            Some(name) => {
                names.push(name.to_owned());
                continue;
            }
        };
        fields.faults.add(join_index(&path, index), fault);
    }
    Some(names)
}

/// What follows a rule for `States.ALL` would never be looked at.
fn check_order(items: &[Value], path: &str, faults: &mut Faults) {
    let is_all = |item: &Value| {
        let names = item.get("ErrorEquals").and_then(Value::as_array);
        names.is_some_and(|names| names.iter().any(|name| name.as_str() == Some(ALL)))
    };
    for (index, item) in items.iter().enumerate() {
        if is_all(item) && index + 1 < items.len() {
            faults.add(join_index(path, index), format!("a rule for `{ALL}` must be the last one"));
        }
    }
}
