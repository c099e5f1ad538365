//! The formats of our own that an input schema may use, at any depth, and what is wrong with values that have them.
//!
//! `column` and `numeric-column` name a column of the job's table, `sql-condition` is a condition on its columns, and
//! `distinctBy: <property>` beside `items` wants that property to differ from item to item. Which of a schema's
//! branches speak of a value is the validator's to say: a format counts where the schema around it is one that the
//! input fulfils.

use std::collections::HashSet;

use jsonschema::{Evaluation, paths::Location};
use relevo_expressions::{Columns, Condition};
use relevo_shared::{dataset::Column, problem::Detail};
use serde_json::Value;

use super::schema::{MAX_DETAILS, field};

const FORMATS: [&str; 3] = ["column", "numeric-column", "sql-condition"];
const DISTINCT: &str = "distinctBy";

/// Which of our own words a schema uses; most use none, and their inputs are looked at once only.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OwnWords {
    pub(super) formats: bool,
    pub(super) distinct: bool,
}

impl OwnWords {
    /// Looks through a schema.
    pub(super) fn of(schema: &Value) -> Self {
        let mut found = Self::default();
        let mut parts = vec![schema];
        while let Some(part) = parts.pop() {
            match part {
                Value::Object(object) => {
                    let format = object.get("format").and_then(Value::as_str);
                    found.formats |= format.is_some_and(|format| FORMATS.contains(&format));
                    found.distinct |= object.get(DISTINCT).is_some_and(Value::is_string);
                    parts.extend(object.values());
                }
                Value::Array(items) => parts.extend(items),
                _ => {}
            }
        }
        found
    }
}

/// What is wrong with the columns and conditions of an input, given the columns of its table.
pub(super) fn faults_in_columns(evaluation: &Evaluation, input: &Value, columns: &[Column]) -> Vec<Detail> {
    let Ok(columns) = Columns::described(columns) else { return Vec::new() };
    let mut seen = HashSet::new();
    let marked = evaluation.iter_annotations().filter(|entry| entry.schema_location.ends_with("/format"));
    let marked = marked.filter_map(|entry| {
        let format = entry.annotations.value().as_str()?;
        let text = input.pointer(entry.instance_location.as_str())?.as_str()?;
        // Two branches may say the same of one value.
        seen.insert((format, entry.instance_location.as_str())).then_some((format, entry.instance_location, text))
    });
    let judged = marked.filter_map(|(format, at, text)| {
        fault(format, text, &columns).map(|reason| Detail::new(field(at, "initial_data"), reason))
    });
    judged.take(MAX_DETAILS).collect()
}

fn fault(format: &str, text: &str, columns: &Columns) -> Option<String> {
    match format {
        "column" => columns.named(text).is_none().then(|| columns.lack(text)),
        "numeric-column" => match columns.is_numeric(text) {
            None => Some(columns.lack(text)),
            Some(true) => None,
            Some(false) => Some(format!("column {text:?} must hold numbers")),
        },
        "sql-condition" => Condition::read(text, columns).err().map(|fault| fault.to_string()),
        _ => None,
    }
}

/// Items whose property must differ, and does not.
pub(super) fn faults_in_lists(evaluation: &Evaluation, input: &Value) -> Vec<Detail> {
    let marked = evaluation.iter_annotations().filter_map(|entry| {
        let property = entry.annotations.value().get(DISTINCT)?.as_str()?;
        Some((property, entry.instance_location, input.pointer(entry.instance_location.as_str())?.as_array()?))
    });
    marked.flat_map(|(property, at, items)| repeated(property, at, items)).take(MAX_DETAILS).collect()
}

fn repeated(property: &str, at: &Location, items: &[Value]) -> Vec<Detail> {
    let mut seen = HashSet::new();
    let values = items.iter().enumerate().filter_map(|(index, item)| Some((index, item.get(property)?)));
    let again = values.filter(|(_, value)| !seen.insert(value.to_string()));
    again
        .map(|(index, value)| {
            let at = at.join(index).join(property);
            Detail::new(field(&at, "initial_data"), format!("must differ from item to item; {value} comes twice"))
        })
        .collect()
}
