//! Reads one state.

use serde_json::Value;

use super::{
    fan,
    fields::Fields,
    flow,
    machine::Level,
    rule, task,
    values::{Sees, assign, given, template, whole, words},
};
use crate::domain::blueprint::{
    eval::MAX_SECONDS,
    fault::Faults,
    model::{Choice, Fail, Kind, Pass, State, Then, Until, Wait},
    scope::instant,
    suggest::did_you_mean,
    template::{Expression, Language},
};

const TYPES: [&str; 8] = ["Task", "Pass", "Choice", "Wait", "Parallel", "Map", "Succeed", "Fail"];

/// Reads the state in `value`; `None` when it cannot be run.
pub(super) fn read(name: &str, value: &Value, path: &str, level: &mut Level<'_>, faults: &mut Faults) -> Option<State> {
    let mut fields = Fields::of(value, path, faults)?;
    if !fields.has("Type") {
        fields.missing("Type", format!("is missing: write one of {}", TYPES.join(", ")));
        return None;
    }
    let kind = fields.text("Type")?;
    let read = match kind {
        "Task" => task::read,
        "Pass" => pass,
        "Choice" => choice,
        "Wait" => wait,
        "Succeed" => succeed,
        "Fail" => fail,
        "Parallel" => fan::parallel,
        "Map" => fan::map,
        other => {
            let hint = did_you_mean(other, TYPES);
            fields.fault_at("Type", format!("must be one of {}, not `{other}`{hint}", TYPES.join(", ")));
            return None;
        }
    };
    fields.text("Comment");
    let language = flow::language(&mut fields).unwrap_or_else(|| level.language());
    fields.set_language(language);
    let sees = if matches!(kind, "Task" | "Parallel" | "Map") { Sees::Result } else { Sees::Nothing };
    let flow = flow::read(&mut fields, kind, sees);
    // The fields of a state that ends its machine are refused as unknown.
    let assign = if matches!(kind, "Succeed" | "Fail") { None } else { assign(&mut fields, sees) };
    let kind = read(&mut fields, level);
    fields.close();
    Some(State { name: name.to_owned(), flow, assign, kind: kind? })
}

/// Reads `Next` or `End`.
pub(super) fn then(fields: &mut Fields<'_, '_>, level: &Level<'_>) -> Option<Then> {
    let end = match fields.value("End") {
        None | Some(Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(_) => {
            fields.fault_at("End", "must be true or false");
            return None;
        }
    };
    let next = level.target(fields, "Next");
    match (end, fields.has("Next")) {
        (true, false) => Some(Then::End),
        (false, true) => next.map(Then::Next),
        (true, true) => {
            fields.fault_at("End", "excludes `Next`: keep one of them");
            None
        }
        (false, false) => {
            fields.missing("Next", "is missing: name the next state, or write `End: true`");
            None
        }
    }
}

fn pass(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Kind> {
    let (literal, parameters) = match fields.language() {
        Language::JsonPath => (fields.value("Result").cloned(), template(fields, "Parameters", Sees::Nothing)),
        Language::Jsonata => (None, None),
    };
    let then = then(fields, level)?;
    Some(Kind::Pass(Pass { literal, parameters, then }))
}

fn choice(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Kind> {
    let default = level.target(fields, "Default");
    if !fields.has("Choices") {
        fields.missing("Choices", "is missing: write at least one rule");
    }
    let items = fields.items("Choices").unwrap_or_default();
    let branches = rule::branches(fields, items, level);
    (!items.is_empty() && branches.len() == items.len()).then_some(Kind::Choice(Choice { branches, default }))
}

fn wait(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Kind> {
    const DIRECT: [&str; 2] = ["Seconds", "Timestamp"];
    const ALL: [&str; 4] = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
    let ways: &[&str] = if fields.language() == Language::Jsonata { &DIRECT } else { &ALL };
    if fields.only_one_of(ways).is_none() {
        fields.fault(format!("has to say how long it waits: write one of {}", ways.join(", ")));
    }
    let seconds = whole(fields, "Seconds", "SecondsPath", 0..=MAX_SECONDS).map(Until::Seconds);
    let timestamp = |fields: &mut Fields<'_, '_>| {
        fields.parsed("Timestamp", |text| {
            instant(text).ok_or_else(|| format!("must be like `2030-01-31T12:00:00Z`, not `{text}`"))
        })
    };
    let at = given(fields, "Timestamp", "TimestampPath", timestamp, Expression::place).map(Until::Instant);
    let then = then(fields, level);
    let until = seconds.or(at)?;
    Some(Kind::Wait(Wait { until, then: then? }))
}

fn succeed(_: &mut Fields<'_, '_>, _: &mut Level<'_>) -> Option<Kind> {
    Some(Kind::Succeed)
}

fn fail(fields: &mut Fields<'_, '_>, _: &mut Level<'_>) -> Option<Kind> {
    let error = words(fields, "Error", "ErrorPath");
    let cause = words(fields, "Cause", "CausePath");
    Some(Kind::Fail(Fail { error, cause }))
}
