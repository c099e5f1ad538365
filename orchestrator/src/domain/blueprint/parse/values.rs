//! Reads fields whose values may be computed, in the language of their state.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::fields::{Fields, kind, shown};
use crate::domain::blueprint::{
    fault::join_key,
    model::Given,
    path::check_name,
    template::{Expression, Language, Template, is_jsonata},
};

/// Reads a value that `fixed` reads where it is written down. It is computed in JSONata where it is an expression, and in
/// JSONPath where `path_name` holds what `computed` reads.
pub(super) fn given<T>(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    path_name: &'static str,
    fixed: impl FnOnce(&mut Fields<'_, '_>) -> Option<T>,
    computed: fn(&str) -> Result<Expression, String>,
) -> Option<Given<T>> {
    if fields.language() == Language::Jsonata {
        let expression = fields.value(name).and_then(Value::as_str).is_some_and(is_jsonata);
        return if expression {
            fields.expression(name, Expression::jsonata).map(Given::Computed)
        } else {
            fixed(fields).map(Given::Fixed)
        };
    }
    fields.only_one_of(&[name, path_name]);
    if fields.has(name) {
        fixed(fields).map(Given::Fixed)
    } else {
        fields.expression(path_name, computed).map(Given::Computed)
    }
}

/// Reads a whole number.
pub(super) fn whole(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    path_name: &'static str,
    range: RangeInclusive<u32>,
) -> Option<Given<u32>> {
    given(fields, name, path_name, |fields| fields.integer(name, range), Expression::place)
}

/// Reads a number from 0 to 100.
pub(super) fn percentage(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    path_name: &'static str,
) -> Option<Given<f64>> {
    let fixed = |fields: &mut Fields<'_, '_>| {
        let value = fields.value(name)?;
        let share = value.as_f64().filter(|share| (0.0..=100.0).contains(share));
        if share.is_none() {
            fields.fault_at(name, format!("must be a number from 0 to 100, not {}", shown(value)));
        }
        share
    };
    given(fields, name, path_name, fixed, Expression::place)
}

/// Reads a text.
pub(super) fn words(fields: &mut Fields<'_, '_>, name: &'static str, path_name: &'static str) -> Option<Given<String>> {
    given(fields, name, path_name, |fields| fields.text(name).map(str::to_owned), Expression::parse)
}

/// What an expression can see of how a state's work has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sees {
    Nothing,
    Result,
    Error,
}

/// Reads a template: an object in JSONPath, any value in JSONata.
pub(super) fn template(fields: &mut Fields<'_, '_>, name: &'static str, sees: Sees) -> Option<Template> {
    let value = fields.value(name)?;
    let language = fields.language();
    if language == Language::JsonPath && !value.is_object() {
        fields.fault_at(name, format!("must be an object, not {}", kind(value)));
        return None;
    }
    let template = Template::compile(value, language, &fields.at(name), fields.faults);
    check_sight(fields, name, &template, sees);
    Some(template)
}

/// Finds fault with expressions that look at an outcome which is not there for them to see.
fn check_sight(fields: &mut Fields<'_, '_>, name: &str, template: &Template, sees: Sees) {
    let mut faults = Vec::new();
    template.expressions(&mut |expression| {
        let Expression::Jsonata(expression) = expression else { return };
        if sees != Sees::Result && expression.text().contains("$states.result") {
            faults.push("`$states.result` is seen only by `Output` and `Assign` of a Task, Parallel or Map");
        }
        if sees != Sees::Error && expression.text().contains("$states.errorOutput") {
            faults.push("`$states.errorOutput` is seen only by `Output` and `Assign` of a catcher");
        }
    });
    for fault in faults {
        fields.fault_at(name, fault);
    }
}

/// Reads what a task or each branch of a Parallel gets: `Parameters` in JSONPath, `Arguments` in JSONata.
pub(super) fn arguments(fields: &mut Fields<'_, '_>) -> Option<Template> {
    match fields.language() {
        Language::JsonPath => template(fields, "Parameters", Sees::Nothing),
        Language::Jsonata => template(fields, "Arguments", Sees::Nothing),
    }
}

/// Reads where the items of a Map are: `ItemsPath` in JSONPath, `Items` in JSONata.
pub(super) fn items(fields: &mut Fields<'_, '_>) -> Option<Template> {
    if fields.language() == Language::JsonPath {
        return fields.expression("ItemsPath", Expression::place).map(Template::Computed);
    }
    let items = template(fields, "Items", Sees::Nothing)?;
    if let Template::Literal(value) = &items
        && !value.is_array()
    {
        fields.fault_at("Items", format!("must be an array, or an expression that gives one, not {}", kind(value)));
    }
    Some(items)
}

/// Reads the variables that are given a value.
pub(super) fn assign(fields: &mut Fields<'_, '_>, sees: Sees) -> Option<Template> {
    let value = fields.value("Assign")?;
    let Value::Object(variables) = value else {
        fields.fault_at("Assign", format!("must be an object, not {}", kind(value)));
        return None;
    };
    let language = fields.language();
    let path = fields.at("Assign");
    for key in variables.keys() {
        let computed = key.strip_suffix(".$").filter(|_| language == Language::JsonPath);
        let name = computed.unwrap_or(key);
        let at = join_key(&path, key);
        match check_name(name) {
            Ok(()) => fields.faults.assigns(&at, name),
            Err(reason) => fields.faults.add(at, reason),
        }
    }
    let template = Template::compile(value, language, &path, fields.faults);
    check_sight(fields, "Assign", &template, sees);
    Some(template)
}
