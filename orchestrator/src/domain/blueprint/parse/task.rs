//! Reads a Task state: what runs it, its limits, its retriers and catchers.

use serde_json::Value;

use super::{
    fields::{Fields, kind, shown},
    machine::Targets,
    state::{result_path, seconds, template, then},
};
use crate::domain::{
    blueprint::{
        eval::MAX_SECONDS,
        failure::{ALL, PREDEFINED},
        fault::{Faults, join_index},
        model::{Catcher, Kind, Retrier, Seconds, Task},
        resource::{Amount, Requirements, Resource},
        suggest::did_you_mean,
    },
    retry::{Backoff, Jitter},
};

/// The longest pause between attempts: one year, as the language has it.
const MAX_DELAY_SECONDS: u32 = 31_622_400;

pub(super) fn read(fields: &mut Fields<'_, '_>, targets: &Targets<'_>) -> Option<Kind> {
    if !fields.has("Resource") {
        fields.missing("Resource", "is missing: write `skill:` and the name of a skill");
    }
    let resource = fields.parsed("Resource", str::parse::<Resource>);
    let requirements = requirements(fields);
    let parameters = template(fields, "Parameters");
    let result_selector = template(fields, "ResultSelector");
    let result = result_path(fields);
    let timeout = seconds(fields, "TimeoutSeconds", "TimeoutSecondsPath", 1);
    let heartbeat = seconds(fields, "HeartbeatSeconds", "HeartbeatSecondsPath", 1);
    if let (Some(Seconds::Fixed(timeout)), Some(Seconds::Fixed(heartbeat))) = (&timeout, &heartbeat)
        && heartbeat >= timeout
    {
        fields.fault_at("HeartbeatSeconds", format!("must be less than `TimeoutSeconds`, which is {timeout}"));
    }
    fields.refuse(&["Credentials"], "is not supported: workers have credentials of their own");
    let has_policy = fields.has("Retry") || fields.has("Catch");
    let retry = rules(fields, "Retry", retrier);
    let catch = rules(fields, "Catch", |fields| catcher(fields, targets));
    let then = then(fields, targets);
    Some(Kind::Task(Box::new(Task {
        resource: resource?,
        requirements,
        parameters,
        result_selector,
        result,
        timeout,
        heartbeat,
        retry,
        catch,
        has_policy,
        then: then?,
    })))
}

fn requirements(fields: &mut Fields<'_, '_>) -> Requirements {
    let mut read = Requirements::default();
    let Some(value) = fields.value("Requirements") else { return read };
    let path = fields.at("Requirements");
    let Value::Object(object) = value else {
        fields.fault_at("Requirements", format!("must be an object, not {}", kind(value)));
        return read;
    };
    for (key, value) in object {
        let fault = match (key.as_str(), value) {
            ("gpu", Value::Bool(gpu)) => {
                read.gpu = *gpu;
                continue;
            }
            ("labels" | "models", Value::Array(words)) if words.iter().all(Value::is_string) => {
                let words = words.iter().filter_map(Value::as_str).map(str::to_owned);
                let set = if key == "labels" { &mut read.labels } else { &mut read.models };
                set.extend(words);
                continue;
            }
            ("gpu", _) => "must be true or false".to_owned(),
            ("labels" | "models", _) => "must be an array of text".to_owned(),
            (_, Value::Number(number)) => match number.as_f64().filter(|amount| *amount >= 0.0) {
                Some(amount) => {
                    read.at_least.insert(key.clone(), Amount(amount));
                    continue;
                }
                None => "must not be less than 0".to_owned(),
            },
            _ => {
                let hint = did_you_mean(key, ["gpu", "labels", "models"]);
                format!("must be a number, the least that a worker must have, not {}{hint}", shown(value))
            }
        };
        fields.faults.add(crate::domain::blueprint::fault::join_key(&path, key), fault);
    }
    read
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
        let Some(mut item) = Fields::of(item, join_index(&path, index), fields.faults) else { continue };
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

fn catcher(fields: &mut Fields<'_, '_>, targets: &Targets<'_>) -> Option<Catcher> {
    let errors = errors(fields);
    let result = result_path(fields);
    fields.refuse(&["Assign"], "variables are not supported yet");
    if !fields.has("Next") {
        fields.missing("Next", "is missing: name the state that goes on after the error");
    }
    let next = targets.read(fields, "Next");
    Some(Catcher { errors: errors?, result, next: next? })
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
