//! The JSON Schema of a blueprint's input, and how its verdicts are worded.

use std::collections::BTreeSet;

use jsonschema::{
    ValidationError, Validator,
    error::ValidationErrorKind,
    paths::{Location, LocationSegment},
};
use relevo_shared::{dataset::Column, problem::Detail};
use serde_json::{Map, Value};

use super::{
    fault::{Faults, join_index, join_key},
    format::{OwnWords, faults_in_columns, faults_in_lists},
    suggest::did_you_mean,
};

/// More wrong fields than this are not told one by one.
pub(super) const MAX_DETAILS: usize = 50;

/// A compiled schema, draft 2020-12.
#[derive(Debug, Clone)]
pub(super) struct InputSchema {
    pub(super) schema: Value,
    validator: Validator,
    own_words: OwnWords,
}

impl InputSchema {
    /// Compiles a schema; it must describe an object, and may refer to nothing outside of itself.
    pub(super) fn compile(schema: &Value, path: &str, faults: &mut Faults) -> Option<Self> {
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            faults.add(path, "must be a JSON Schema with `type: object`, because a job's input is an object");
            return None;
        }
        let found = jsonschema::draft202012::meta::validator();
        let wrong: Vec<_> = found.iter_errors(schema).collect();
        for error in &wrong {
            faults.add(field(error.instance_path(), path), reason(error));
        }
        if !wrong.is_empty() {
            return None;
        }
        match jsonschema::draft202012::new(schema) {
            Ok(validator) => Some(Self { schema: schema.clone(), validator, own_words: OwnWords::of(schema) }),
            Err(error) => {
                faults.add(path, format!("is no usable JSON Schema: {}", error.masked()));
                None
            }
        }
    }

    /// Judges an input.
    pub(super) fn check(&self, input: &Value) -> Result<(), Vec<Detail>> {
        // A yes or no is much cheaper than reasons, and nearly every input is sound.
        if !self.validator.is_valid(input) {
            let errors = self.validator.iter_errors(input).take(MAX_DETAILS);
            return Err(errors.flat_map(|error| self.details(&error, "initial_data")).collect());
        }
        match self.own_words.distinct {
            true => none_or(faults_in_lists(&self.validator.evaluate(input), input)),
            false => Ok(()),
        }
    }

    /// Judges what an input that fits says of the columns of its table.
    pub(super) fn check_columns(&self, input: &Value, columns: &[Column]) -> Result<(), Vec<Detail>> {
        match self.own_words.formats {
            true => none_or(faults_in_columns(&self.validator.evaluate(input), input, columns)),
            false => Ok(()),
        }
    }

    /// Judges defaults: each must fit, but not everything need be there.
    pub(super) fn check_defaults(&self, defaults: &Map<String, Value>, path: &str, faults: &mut Faults) {
        let defaults = Value::Object(defaults.clone());
        for error in self.validator.iter_errors(&defaults) {
            let about_the_whole = error.instance_path().is_empty();
            if !about_the_whole || unexpected(error.kind()).is_some() {
                for detail in self.details(&error, path) {
                    faults.add(detail.field, detail.reason);
                }
            }
        }
    }

    /// One error of the validator, as one detail for each field that it is about.
    fn details(&self, error: &ValidationError<'_>, root: &str) -> Vec<Detail> {
        let at = field(error.instance_path(), root);
        if let Some(names) = unexpected(error.kind()) {
            // Only the top level's names are at hand; deeper ones get no hint.
            let known = self.schema.get("properties").and_then(Value::as_object);
            let known = known.filter(|_| error.instance_path().is_empty());
            return names
                .iter()
                .map(|name| {
                    let hint = did_you_mean(name, known.into_iter().flat_map(Map::keys).map(String::as_str));
                    Detail::new(join_key(&at, name), format!("unknown field{hint}"))
                })
                .collect();
        }
        if let ValidationErrorKind::Required { property } = error.kind() {
            let name = property.as_str().unwrap_or_default();
            return vec![Detail::new(join_key(&at, name), "is missing")];
        }
        if let Some(reason) = self.alternatives(error) {
            return vec![Detail::new(at, reason)];
        }
        vec![Detail::new(at, reason(error))]
    }

    /// Words `anyOf` and `oneOf` whose every branch asks for nothing but fields.
    fn alternatives(&self, error: &ValidationError<'_>) -> Option<String> {
        let both = match error.kind() {
            ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => false,
            ValidationErrorKind::OneOfMultipleValid { .. } => true,
            _ => return None,
        };
        let branches = self.schema.pointer(error.schema_path().as_str())?.as_array()?;
        let names: Option<Vec<String>> = branches
            .iter()
            .map(|branch| {
                let required = branch.as_object().filter(|object| object.len() == 1)?.get("required")?.as_array()?;
                let names: Vec<String> = required.iter().filter_map(Value::as_str).map(|n| format!("`{n}`")).collect();
                Some(names.join(" and "))
            })
            .collect();
        let names = names?;
        Some(match both {
            true => format!("give only one of {}", names.join(", ")),
            false => format!("needs {}", names.join(" or ")),
        })
    }
}

fn unexpected(kind: &ValidationErrorKind) -> Option<&[String]> {
    match kind {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => Some(unexpected),
        _ => None,
    }
}

fn none_or(details: Vec<Detail>) -> Result<(), Vec<Detail>> {
    if details.is_empty() { Ok(()) } else { Err(details) }
}

/// The path of a value within what is called `root`.
pub(super) fn field(location: &Location, root: &str) -> String {
    location.iter().fold(root.to_owned(), |path, segment| match segment {
        LocationSegment::Property(name) => join_key(&path, &name),
        LocationSegment::Index(index) => join_index(&path, index),
    })
}

/// Says what would be right. Values are left out: they may be long or private.
fn reason(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Type { kind } => format!("must be of type {}", types(kind)),
        Kind::Enum { options } => format!("must be one of {}", listed(options)),
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Minimum { limit } => format!("must be {limit} or more"),
        Kind::Maximum { limit } => format!("must be {limit} or less"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("must have {limit} characters or more"),
        Kind::MaxLength { limit } => format!("must have {limit} characters or less"),
        Kind::MinItems { limit } => format!("must have {limit} items or more"),
        Kind::MaxItems { limit } => format!("must have {limit} items or less"),
        Kind::UniqueItems => "must not have an item twice".to_owned(),
        Kind::Pattern { pattern } => format!("must match the pattern `{pattern}`"),
        Kind::FalseSchema => "is not allowed".to_owned(),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => either(context, error.instance_path().as_str()),
        _ => error.masked().to_string(),
    }
}

/// What each of several alternatives for the value at `place` asks for first.
fn either(alternatives: &[Vec<ValidationError<'static>>], place: &str) -> String {
    let reasons = alternatives.iter().filter_map(|errors| errors.first());
    let reasons: BTreeSet<String> = reasons
        .map(|error| match error.instance_path().as_str().strip_prefix(place).unwrap_or_default() {
            "" => reason(error),
            inner => format!("`{inner}` in it {}", reason(error)),
        })
        .collect();
    reasons.into_iter().collect::<Vec<_>>().join(", or ")
}

fn types(kind: &jsonschema::error::TypeKind) -> String {
    match kind {
        jsonschema::error::TypeKind::Single(kind) => kind.to_string(),
        jsonschema::error::TypeKind::Multiple(kinds) => {
            kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or ")
        }
    }
}

fn listed(options: &Value) -> String {
    let items = options.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
