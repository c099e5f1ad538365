//! Reads one state.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::{fan, fields::Fields, machine::Level, rule, task};
use crate::domain::blueprint::{
    eval::MAX_SECONDS,
    fault::{Faults, join_key},
    model::{Choice, Fail, Flow, Given, Kind, Pass, ResultPath, Selection, State, Then, Until, Wait},
    path::{Path, ReferencePath, check_name},
    scope::instant,
    suggest::did_you_mean,
    template::{Expression, Template},
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
    query_language(&mut fields);
    let flow = flow(&mut fields, kind);
    // The fields of a state that ends its machine are refused as unknown.
    let assign = if matches!(kind, "Succeed" | "Fail") { None } else { assign(&mut fields) };
    let kind = read(&mut fields, level);
    fields.close();
    Some(State { name: name.to_owned(), flow, assign, kind: kind? })
}

/// Reads the fields by which data comes in and goes out, as far as states of this type have them; the others are then
/// refused as unknown.
fn flow(fields: &mut Fields<'_, '_>, kind: &str) -> Flow {
    let selection = |fields: &mut _, name, has| if has { selection(fields, name) } else { Selection::All };
    let works = matches!(kind, "Task" | "Parallel" | "Map");
    Flow {
        input: selection(fields, "InputPath", kind != "Fail"),
        selector: if works { template(fields, "ResultSelector") } else { None },
        result: if works || kind == "Pass" { result_path(fields) } else { ResultPath::Replace },
        output: selection(fields, "OutputPath", kind != "Fail"),
    }
}

/// Refuses any query language but JSONPath.
pub(super) fn query_language(fields: &mut Fields<'_, '_>) {
    fields.parsed("QueryLanguage", |language| match language {
        "JSONPath" => Ok(()),
        "JSONata" => Err("`JSONata` is not supported yet: write `JSONPath` or take the field out".to_owned()),
        other => Err(format!("must be `JSONPath`, not `{other}`")),
    });
}

fn selection(fields: &mut Fields<'_, '_>, name: &'static str) -> Selection {
    if fields.value(name) == Some(&Value::Null) {
        return Selection::Nothing;
    }
    match fields.path(name, Path::parse) {
        Some(path) if !path.is_whole_data() => Selection::Part(path),
        _ => Selection::All,
    }
}

/// Reads `ResultPath`.
pub(super) fn result_path(fields: &mut Fields<'_, '_>) -> ResultPath {
    if fields.value("ResultPath") == Some(&Value::Null) {
        return ResultPath::Discard;
    }
    match fields.parsed("ResultPath", ReferencePath::parse) {
        Some(path) if path.depth() > 0 => ResultPath::Into(path),
        _ => ResultPath::Replace,
    }
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

/// Reads an object whose fields may be computed: `Parameters` or `ResultSelector`.
pub(super) fn template(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<Template> {
    let value = fields.value(name)?;
    let path = fields.at(name);
    if !value.is_object() {
        fields.fault_at(name, "must be an object");
        return None;
    }
    Some(Template::compile(value, &path, fields.faults))
}

/// Reads the variables that are given a value.
pub(super) fn assign(fields: &mut Fields<'_, '_>) -> Option<Template> {
    let template = template(fields, "Assign")?;
    let path = fields.at("Assign");
    for key in fields.value("Assign").and_then(Value::as_object)?.keys() {
        let name = key.strip_suffix(".$").unwrap_or(key);
        let at = join_key(&path, key);
        match check_name(name) {
            Ok(()) => fields.faults.assigns(&at, name),
            Err(reason) => fields.faults.add(at, reason),
        }
    }
    Some(template)
}

/// Reads a whole number, or the path to one under the name with `Path`.
pub(super) fn whole(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    path_name: &'static str,
    range: RangeInclusive<u32>,
) -> Option<Given<u32>> {
    fields.only_one_of(&[name, path_name]);
    let fixed = fields.integer(name, range).map(Given::Fixed);
    fixed.or_else(|| place(fields, path_name).map(Given::Computed))
}

/// Reads the path to one value.
pub(super) fn place(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<Expression> {
    fields.path(name, Path::parse_single).map(Expression::Path)
}

fn pass(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Kind> {
    let literal = fields.value("Result").cloned();
    let parameters = template(fields, "Parameters");
    let then = then(fields, level)?;
    Some(Kind::Pass(Pass { literal, parameters, then }))
}

fn choice(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Kind> {
    let default = level.target(fields, "Default");
    if !fields.has("Choices") {
        fields.missing("Choices", "is missing: write at least one rule");
    }
    let items = fields.items("Choices").unwrap_or_default();
    let path = fields.at("Choices");
    let branches: Vec<_> = rule::branches(items, &path, level, fields.faults);
    (!items.is_empty() && branches.len() == items.len()).then_some(Kind::Choice(Choice { branches, default }))
}

fn wait(fields: &mut Fields<'_, '_>, level: &mut Level<'_>) -> Option<Kind> {
    const WAYS: [&str; 4] = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
    let seconds = fields.integer("Seconds", 0..=MAX_SECONDS).map(Given::Fixed);
    let seconds = seconds.or_else(|| place(fields, "SecondsPath").map(Given::Computed)).map(Until::Seconds);
    let at = fields.parsed("Timestamp", |text| {
        instant(text).ok_or_else(|| format!("must be like `2030-01-31T12:00:00Z`, not `{text}`"))
    });
    let at = at.map(Given::Fixed).or_else(|| place(fields, "TimestampPath").map(Given::Computed)).map(Until::Instant);
    if fields.only_one_of(&WAYS).is_none() {
        fields.fault(format!("has to say how long it waits: write one of {}", WAYS.join(", ")));
    }
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

fn words(fields: &mut Fields<'_, '_>, name: &'static str, path_name: &'static str) -> Option<Given<String>> {
    fields.only_one_of(&[name, path_name]);
    let fixed = fields.text(name).map(|text| Given::Fixed(text.to_owned()));
    let computed = fields.expression(path_name, Expression::parse).map(Given::Computed);
    fixed.or(computed)
}
