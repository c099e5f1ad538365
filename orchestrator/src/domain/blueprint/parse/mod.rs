//! Reads a blueprint file: its header here, its machine in the modules below. All faults are collected.

mod fan;
mod fields;
mod flow;
mod machine;
mod reach;
mod rule;
mod state;
mod task;
mod values;
mod variables;
mod work;

use serde_json::{Map, Value, json};

use super::{fault::Faults, model::Machine, resource::is_word, schema::InputSchema};
use crate::domain::ranking::Placement;
use fields::Fields;

/// What a file without faults says.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) endpoint: String,
    pub(super) description: String,
    pub(super) kind: Option<String>,
    pub(super) input: InputSchema,
    pub(super) defaults: Map<String, Value>,
    pub(super) machine: Machine,
}

/// Reads the whole file; `None` when it has a fault.
pub(super) fn read(value: &Value, faults: &mut Faults) -> Option<Parts> {
    let mut fields = Fields::of(value, "", faults)?;
    let name = needed(&mut fields, "name", "is missing: give the blueprint a name", check_name);
    let version = needed(&mut fields, "version", "is missing: write for example \"1\"", check_version);
    let endpoint =
        needed(&mut fields, "endpoint", "is missing: write for example `/jobs/my_blueprint`", check_endpoint);
    let description = fields.text("description").unwrap_or_default().to_owned();
    let kind = fields.parsed("kind", |text| check_name(text).map(|()| text.to_owned()));

    let open = json!({ "type": "object" });
    let schema = fields.value("input").unwrap_or(&open);
    let input = InputSchema::compile(schema, &fields.at("input"), fields.faults);

    let none = Map::new();
    let defaults = match fields.value("defaults") {
        None => &none,
        Some(Value::Object(defaults)) => defaults,
        Some(other) => {
            fields.fault_at("defaults", format!("must be an object, not {}", fields::kind(other)));
            &none
        }
    };
    if let Some(input) = &input {
        input.check_defaults(defaults, &fields.at("defaults"), fields.faults);
    }

    let placement = fields.parsed("placement", |word| {
        Placement::from_word(word).ok_or_else(|| format!("must be one of {}", Placement::WORDS.join(", ")))
    });
    let mut machine = match fields.value("definition") {
        Some(definition) => machine::read(definition, &fields.at("definition"), fields.faults),
        None => {
            fields.missing("definition", "is missing: write a state machine in the Amazon States Language here");
            None
        }
    };
    if let (Some(machine), Some(placement)) = (&mut machine, placement) {
        machine.place_by(placement);
    }
    fields.close();
    if !faults.is_empty() {
        return None;
    }
    Some(Parts {
        name: name?,
        version: version?,
        endpoint: endpoint?,
        description,
        kind,
        input: input?,
        defaults: defaults.clone(),
        machine: machine?,
    })
}

fn needed(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    missing: &str,
    check: fn(&str) -> Result<(), String>,
) -> Option<String> {
    if !fields.has(name) {
        fields.missing(name, missing);
    }
    fields.parsed(name, |text| check(text).map(|()| text.to_owned()))
}

fn check_name(text: &str) -> Result<(), String> {
    if is_word(text) { Ok(()) } else { Err("must be 1 to 64 letters, digits, `_`, `-` and `.`".to_owned()) }
}

fn check_version(text: &str) -> Result<(), String> {
    if is_word(text) { Ok(()) } else { Err("must be 1 to 64 letters, digits, `_`, `-` and `.`, in quotes".to_owned()) }
}

fn check_endpoint(text: &str) -> Result<(), String> {
    let fits = text.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').count() <= 8 && rest.split('/').all(|part| is_word(part) && !part.starts_with('.'))
    });
    if fits { Ok(()) } else { Err("must be words with a `/` before each, for example `/jobs/my_blueprint`".to_owned()) }
}
