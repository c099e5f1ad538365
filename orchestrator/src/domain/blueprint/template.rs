//! Templates: JSON of which parts are computed. In JSONPath a field `name.$` is replaced by what its path or call finds,
//! in JSONata a text `{% … %}` by what its expression gives.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    failure::{Failure, PARAMETER_PATH_FAILURE, QUERY_EVALUATION_ERROR, RUNTIME},
    fault::{Faults, join_index, join_key},
    intrinsic::Call,
    jsonata::Jsonata,
    path::Path,
    scope::Scope,
};

/// What a state computes its values with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    JsonPath,
    Jsonata,
}

/// A compiled template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Template {
    /// Holds nothing to replace.
    Literal(Value),
    Computed(Expression),
    Object(Vec<(String, Template)>),
    Array(Vec<Template>),
}

/// A path, a call of an intrinsic function, or a JSONata expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Path(Path),
    Call(Call),
    Jsonata(Jsonata),
}

/// Whether a text is to be an expression of JSONata: it begins or ends like one.
pub(super) fn is_jsonata(text: &str) -> bool {
    text.starts_with("{%") || text.ends_with("%}")
}

impl Expression {
    /// Compiles the text of a path that names one place.
    pub(super) fn place(text: &str) -> Result<Self, String> {
        Path::parse_single(text).map(Self::Path)
    }

    /// Compiles a text `{% … %}`.
    pub(super) fn jsonata(text: &str) -> Result<Self, String> {
        match text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")) {
            Some(inner) if inner.contains("$states.context.Task") => {
                Err(format!("`{text}`: there are no task tokens: a worker answers under its lease"))
            }
            Some(inner) => Jsonata::parse(inner).map(Self::Jsonata),
            None => Err(format!("`{text}` must begin with `{{%` and end with `%}}` to be an expression")),
        }
    }

    /// Compiles the text of a path or a call, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if Call::is_one(text) {
            Call::parse(text).map(Self::Call)
        } else if text.starts_with('$') {
            Path::parse(text).map(Self::Path)
        } else {
            Err(format!("`{text}` is neither a path (`$.name`) nor a call (`States.Format('{{}}', $.name)`)"))
        }
    }

    /// Computes the expression over a scope, for a value that becomes part of the data.
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        match self {
            Self::Call(call) => call.evaluate(scope),
            Self::Jsonata(expression) => expression.evaluate(scope),
            Self::Path(path) => {
                let found = path.find(scope).ok_or_else(|| {
                    let cause = format!("`{}` finds nothing in the input of state `{}`", path.text(), scope.here.state);
                    Failure::new(PARAMETER_PATH_FAILURE, cause)
                })?;
                scope.world.admit(&found, 0)?;
                Ok(found.into_owned())
            }
        }
    }

    /// Computes the expression over a scope, for a value that is only looked at; nothing where a path finds nothing.
    pub(super) fn seek<'v>(&self, scope: &Scope<'v>) -> Result<Option<Cow<'v, Value>>, Failure> {
        match self {
            Self::Path(path) => Ok(path.find(scope)),
            Self::Call(_) | Self::Jsonata(_) => self.evaluate(scope).map(Cow::Owned).map(Some),
        }
    }

    /// Calls `each` with every variable that the expression reads.
    pub(super) fn variables<'e>(&'e self, each: &mut impl FnMut(&'e str)) {
        match self {
            Self::Path(path) => path.variable().into_iter().for_each(each),
            Self::Jsonata(expression) => expression.reads().iter().map(String::as_str).for_each(each),
            Self::Call(call) => call.paths(&mut |path| path.variable().into_iter().for_each(&mut *each)),
        }
    }

    /// The failure of an expression that gives something else than what is `wanted`.
    pub(super) fn misfit(&self, wanted: &str, scope: &Scope<'_>) -> Failure {
        let error = match self {
            Self::Path(_) | Self::Call(_) => RUNTIME,
            Self::Jsonata(_) => QUERY_EVALUATION_ERROR,
        };
        Failure::new(error, format!("`{}` of state `{}` must find {wanted}", self.shown(), scope.here.state))
    }

    /// The expression as people should read it.
    fn shown(&self) -> &str {
        match self {
            Self::Path(path) => path.text(),
            Self::Call(call) => call.name(),
            Self::Jsonata(expression) => expression.text(),
        }
    }
}

impl Template {
    /// Compiles the value of a field like `Parameters` or `Arguments`.
    pub(super) fn compile(value: &Value, language: Language, path: &str, faults: &mut Faults) -> Self {
        match value {
            Value::Object(object) => Self::compile_object(object, language, path, faults),
            Value::Array(items) => {
                let compiled: Vec<Self> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| Self::compile(item, language, &join_index(path, index), faults))
                    .collect();
                if compiled.iter().all(Self::is_literal) { Self::Literal(value.clone()) } else { Self::Array(compiled) }
            }
            Value::String(text) if language == Language::Jsonata && is_jsonata(text) => match Expression::jsonata(text)
            {
                Ok(expression) => {
                    expression.variables(&mut |variable| faults.reads(path, variable));
                    Self::Computed(expression)
                }
                Err(reason) => {
                    faults.add(path, reason);
                    Self::Literal(Value::Null)
                }
            },
            other => Self::Literal(other.clone()),
        }
    }

    fn compile_object(object: &Map<String, Value>, language: Language, path: &str, faults: &mut Faults) -> Self {
        let mut compiled = Vec::with_capacity(object.len());
        for (key, value) in object {
            let here = join_key(path, key);
            let Some(name) = key.strip_suffix(".$").filter(|_| language == Language::JsonPath) else {
                compiled.push((key.clone(), Self::compile(value, language, &here, faults)));
                continue;
            };
            if object.contains_key(name) {
                faults.add(&here, format!("`{name}` and `{key}` are the same field: keep one of them"));
            }
            match value.as_str().map(Expression::parse) {
                Some(Ok(expression)) => {
                    expression.variables(&mut |variable| faults.reads(&here, variable));
                    compiled.push((name.to_owned(), Self::Computed(expression)));
                }
                Some(Err(reason)) => faults.add(here, reason),
                None => faults.add(here, "must be text, a path or a call, because the name ends in `.$`"),
            }
        }
        if compiled.iter().all(|(_, template)| template.is_literal()) {
            return Self::Literal(object.clone().into());
        }
        Self::Object(compiled)
    }

    const fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    /// Calls `each` with every expression in the template.
    pub(super) fn expressions<'t>(&'t self, each: &mut dyn FnMut(&'t Expression)) {
        match self {
            Self::Literal(_) => {}
            Self::Computed(expression) => each(expression),
            Self::Object(fields) => fields.iter().for_each(|(_, field)| field.expressions(each)),
            Self::Array(items) => items.iter().for_each(|item| item.expressions(each)),
        }
    }

    /// Fills the template in over a scope, for a value that is only looked at; nothing where a path finds nothing.
    pub(super) fn seek<'v>(&'v self, scope: &Scope<'v>) -> Result<Option<Cow<'v, Value>>, Failure> {
        match self {
            Self::Literal(value) => Ok(Some(Cow::Borrowed(value))),
            Self::Computed(expression) => expression.seek(scope),
            Self::Object(_) | Self::Array(_) => self.fill(scope).map(Cow::Owned).map(Some),
        }
    }

    /// Fills the template in over a scope.
    pub(super) fn fill(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        match self {
            Self::Literal(value) => {
                scope.world.admit(value, 0)?;
                Ok(value.clone())
            }
            Self::Computed(expression) => expression.evaluate(scope),
            Self::Object(fields) => fields.iter().map(|(name, field)| Ok((name.clone(), field.fill(scope)?))).collect(),
            Self::Array(items) => items.iter().map(|item| item.fill(scope)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::blueprint::{fault::Places, scope::tests::with_scope};

    #[test]
    fn fields_with_a_dollar_are_filled_in_at_any_depth() {
        let mut faults = Faults::default();
        let text = json!({"a.$": "$.x", "b": [{"c.$": "States.MathAdd($.x, 1)"}, "$.x"], "d": {"e": 1}, "f.$": "$$.State.Name"});
        let template = Template::compile(&text, Language::JsonPath, "Parameters", &mut faults);

        let filled = with_scope(&json!({"x": 5}), |scope| template.fill(scope));

        assert!(faults.is_empty());
        assert_eq!(filled, Ok(json!({"a": 5, "b": [{"c": 6}, "$.x"], "d": {"e": 1}, "f": "Here"})));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let mut faults = Faults::default();
        let text = json!({"a.$": 1, "b": [{"c.$": "x"}], "d": 0, "d.$": "$.x", "e.$": "$.["});

        Template::compile(&text, Language::JsonPath, "P", &mut faults);

        let found: Vec<String> = faults.located(&Places::new()).into_iter().map(|fault| fault.path).collect();
        assert_eq!(found, ["P['a.$']", "P.b[0]['c.$']", "P['d.$']", "P['e.$']"]);
    }

    #[test]
    fn a_field_that_finds_nothing_is_a_path_failure() {
        let template = Template::compile(&json!({"a.$": "$.x"}), Language::JsonPath, "P", &mut Faults::default());

        let failure = with_scope(&json!({}), |scope| template.fill(scope)).expect_err("there is no x");

        assert_eq!(failure.error, PARAMETER_PATH_FAILURE);
        assert_eq!(failure.cause, "`$.x` finds nothing in the input of state `Here`");
    }

    #[test]
    fn texts_of_jsonata_are_computed_at_any_depth() {
        let mut faults = Faults::default();
        let text = json!({"a": "{% 1 + 1 %}", "b": [{"c.$": "{%$n%}"}, "plain"], "d": {"e": "50 %"}});
        let template = Template::compile(&text, Language::Jsonata, "Arguments", &mut faults);

        let filled = with_scope(&json!({}), |scope| template.fill(scope));

        assert!(faults.is_empty());
        assert_eq!(filled, Ok(json!({"a": 2, "b": [{"c.$": 3}, "plain"], "d": {"e": "50 %"}})));
    }

    #[test]
    fn every_wrong_expression_is_named() {
        let mut faults = Faults::default();
        let text = json!({"a": "{% 1 + %}", "b": ["{% 1", "1 %}"]});

        Template::compile(&text, Language::Jsonata, "A", &mut faults);

        let found: Vec<String> = faults.located(&Places::new()).into_iter().map(|fault| fault.path).collect();
        assert_eq!(found, ["A.a", "A.b[0]", "A.b[1]"]);
    }
}
