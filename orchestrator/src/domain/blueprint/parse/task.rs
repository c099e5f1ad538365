//! Reads a Task state: what runs it and its limits.

use serde_json::Value;

use super::{
    fields::{Fields, kind, shown},
    machine::Level,
    values::{arguments, whole},
    work,
};
use crate::domain::{
    blueprint::{
        eval::MAX_SECONDS,
        fault::join_key,
        model::{Given, Kind, Task},
        resource::{Amount, Requirements, Resource},
        suggest::did_you_mean,
        template::Template,
    },
    ranking::Placement,
};

pub(super) fn read(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Kind> {
    if !fields.has("Resource") {
        fields.missing("Resource", "is missing: write `skill:` and the name of a skill");
    }
    let resource = fields.parsed("Resource", str::parse::<Resource>);
    let requirements = requirements(fields);
    if !requirements.is_empty() && !matches!(resource, None | Some(Resource::Skill(_))) {
        fields.fault_at("Requirements", "are asked of workers: only a `skill:` has them");
    }
    let parameters = arguments(fields);
    if let Some(Template::Literal(value)) = &parameters
        && !value.is_object()
    {
        fields.fault_at("Arguments", format!("must be an object, which is what a task gets, not {}", kind(value)));
    }
    let timeout = whole(fields, "TimeoutSeconds", "TimeoutSecondsPath", 1..=MAX_SECONDS);
    let heartbeat = whole(fields, "HeartbeatSeconds", "HeartbeatSecondsPath", 1..=MAX_SECONDS);
    if let (Some(Given::Fixed(timeout)), Some(Given::Fixed(heartbeat))) = (&timeout, &heartbeat)
        && heartbeat >= timeout
    {
        fields.fault_at("HeartbeatSeconds", format!("must be less than `TimeoutSeconds`, which is {timeout}"));
    }
    fields.refuse(&["Credentials"], "is not supported: workers have credentials of their own");
    let work = work::read(fields, level);
    Some(Kind::Task(Box::new(Task { resource: resource?, requirements, parameters, timeout, heartbeat, work: work? })))
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
            ("placement", Value::String(word)) if Placement::from_word(word).is_some() => {
                read.placement = Placement::from_word(word);
                continue;
            }
            ("placement", _) => format!("must be one of {}", Placement::WORDS.join(", ")),
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
                let hint = did_you_mean(key, ["gpu", "labels", "models", "placement"]);
                format!("must be a number, the least that a worker must have, not {}{hint}", shown(value))
            }
        };
        fields.faults.add(join_key(&path, key), fault);
    }
    read
}
