//! Reads the rules of a Choice state.

use serde_json::Value;

use super::{
    fields::{Fields, kind},
    machine::Level,
    values::{Sees, assign, given, template},
};
use crate::domain::blueprint::{
    choice::{Kind, Operand, Pattern, Relation, Rule, Test, What},
    fault::join_index,
    model::{Branch, Flow},
    path::Path,
    scope::instant,
    template::{Expression, Language},
};

/// Name, name with a path, what is compared and how.
const COMPARISONS: [(&str, &str, Kind, Relation); 16] = [
    ("StringEquals", "StringEqualsPath", Kind::String, Relation::Equals),
    ("StringLessThan", "StringLessThanPath", Kind::String, Relation::LessThan),
    ("StringGreaterThan", "StringGreaterThanPath", Kind::String, Relation::GreaterThan),
    ("StringLessThanEquals", "StringLessThanEqualsPath", Kind::String, Relation::LessThanEquals),
    ("StringGreaterThanEquals", "StringGreaterThanEqualsPath", Kind::String, Relation::GreaterThanEquals),
    ("NumericEquals", "NumericEqualsPath", Kind::Numeric, Relation::Equals),
    ("NumericLessThan", "NumericLessThanPath", Kind::Numeric, Relation::LessThan),
    ("NumericGreaterThan", "NumericGreaterThanPath", Kind::Numeric, Relation::GreaterThan),
    ("NumericLessThanEquals", "NumericLessThanEqualsPath", Kind::Numeric, Relation::LessThanEquals),
    ("NumericGreaterThanEquals", "NumericGreaterThanEqualsPath", Kind::Numeric, Relation::GreaterThanEquals),
    ("BooleanEquals", "BooleanEqualsPath", Kind::Boolean, Relation::Equals),
    ("TimestampEquals", "TimestampEqualsPath", Kind::Timestamp, Relation::Equals),
    ("TimestampLessThan", "TimestampLessThanPath", Kind::Timestamp, Relation::LessThan),
    ("TimestampGreaterThan", "TimestampGreaterThanPath", Kind::Timestamp, Relation::GreaterThan),
    ("TimestampLessThanEquals", "TimestampLessThanEqualsPath", Kind::Timestamp, Relation::LessThanEquals),
    ("TimestampGreaterThanEquals", "TimestampGreaterThanEqualsPath", Kind::Timestamp, Relation::GreaterThanEquals),
];

const CHECKS: [(&str, What); 6] = [
    ("IsNull", What::Null),
    ("IsPresent", What::Present),
    ("IsNumeric", What::Numeric),
    ("IsString", What::String),
    ("IsBoolean", What::Boolean),
    ("IsTimestamp", What::Timestamp),
];

/// Reads the rules of a Choice and where each leads; those with a fault are left out.
pub(super) fn branches<'v>(fields: &mut Fields<'v, '_>, items: &'v [Value], level: &Level<'_>) -> Vec<Branch> {
    let path = fields.at("Choices");
    let mut branches = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(mut fields) = fields.within(item, join_index(&path, index)) else { continue };
        if !fields.has("Next") {
            fields.missing("Next", "is missing: name the state that follows when the rule holds");
        }
        let next = level.target(&mut fields, "Next");
        let assign = assign(&mut fields, Sees::Nothing);
        let (rule, flow) = match fields.language() {
            Language::JsonPath => (read(fields), None),
            Language::Jsonata => {
                let flow = Flow::Jsonata(template(&mut fields, "Output", Sees::Nothing));
                (condition(fields), Some(flow))
            }
        };
        branches.extend(rule.zip(next).map(|(rule, next)| Branch { rule, assign, flow, next }));
    }
    branches
}

fn condition(mut fields: Fields<'_, '_>) -> Option<Rule> {
    fields.text("Comment");
    if !fields.has("Condition") {
        fields.missing("Condition", "is missing: write an expression that gives true or false");
    }
    let fixed = |fields: &mut Fields<'_, '_>| match fields.value("Condition")? {
        Value::Bool(holds) => Some(*holds),
        other => {
            fields.fault_at("Condition", format!("must be true, false or an expression, not {}", kind(other)));
            None
        }
    };
    // A path would stand in a field of its own, and there is none: conditions are JSONata's.
    let condition = given(&mut fields, "Condition", "Condition", fixed, Expression::jsonata);
    fields.close();
    condition.map(Rule::Condition)
}

fn read(mut fields: Fields<'_, '_>) -> Option<Rule> {
    fields.text("Comment");
    let combined = fields.only_one_of(&["And", "Or", "Not", "Variable"]);
    let rule = match combined {
        Some("And") => several(&mut fields, "And").map(Rule::And),
        Some("Or") => several(&mut fields, "Or").map(Rule::Or),
        Some("Not") => {
            let path = fields.at("Not");
            let inner = fields.value("Not").map(|value| nested(fields.within(value, path)));
            inner.flatten().map(|rule| Rule::Not(Box::new(rule)))
        }
        Some(_) => {
            let variable = fields.path("Variable", Path::parse);
            let test = test(&mut fields);
            variable.zip(test).map(|(variable, test)| Rule::Test { variable, test })
        }
        None => {
            fields.missing("Variable", "is missing: write what the rule looks at, or `And`, `Or`, `Not`");
            // With it, the comparison is no unknown field.
            test(&mut fields);
            None
        }
    };
    fields.close();
    rule
}

fn several(fields: &mut Fields<'_, '_>, name: &'static str) -> Option<Vec<Rule>> {
    let items = fields.items(name)?;
    let path = fields.at(name);
    let rules: Vec<Rule> = items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| nested(fields.within(item, join_index(&path, index))))
        .collect();
    (rules.len() == items.len()).then_some(rules)
}

fn nested(fields: Option<Fields<'_, '_>>) -> Option<Rule> {
    let mut fields = fields?;
    fields.refuse(&["Next", "Assign"], "stands only in the outermost rule");
    read(fields)
}

fn test(fields: &mut Fields<'_, '_>) -> Option<Test> {
    let names: Vec<&'static str> = COMPARISONS
        .iter()
        .flat_map(|(name, path_name, ..)| [*name, *path_name])
        .chain(CHECKS.iter().map(|(name, _)| *name))
        .chain(["StringMatches"])
        .collect();
    let Some(name) = fields.only_one_of(&names) else {
        fields.fault("compares nothing: write one comparison, for example `StringEquals` or `IsPresent`");
        return None;
    };
    if name == "StringMatches" {
        return fields.parsed(name, Pattern::parse).map(Test::Matches);
    }
    if let Some((_, what)) = CHECKS.iter().find(|(check, _)| *check == name) {
        return match fields.value(name) {
            Some(Value::Bool(expected)) => Some(Test::Is { what: *what, expected: *expected }),
            _ => {
                fields.fault_at(name, "must be true or false");
                None
            }
        };
    }
    let (plain, _, kind, relation) = *COMPARISONS.iter().find(|(plain, path, ..)| *plain == name || *path == name)?;
    let with = if plain == name {
        Operand::Literal(literal(fields, name, kind)?)
    } else {
        Operand::Path(fields.path(name, Path::parse)?)
    };
    Some(Test::Compare { kind, relation, with })
}

fn literal(fields: &mut Fields<'_, '_>, name: &'static str, compared: Kind) -> Option<Value> {
    let value = fields.value(name)?;
    let (fits, wanted) = match compared {
        Kind::String => (value.is_string(), "text"),
        Kind::Numeric => (value.is_number(), "a number"),
        Kind::Boolean => (value.is_boolean(), "true or false"),
        Kind::Timestamp => {
            (value.as_str().is_some_and(|text| instant(text).is_some()), "an instant like `2030-01-31T12:00:00Z`")
        }
    };
    if !fits {
        fields.fault_at(name, format!("must be {wanted}, not {}", kind(value)));
    }
    fits.then(|| value.clone())
}
