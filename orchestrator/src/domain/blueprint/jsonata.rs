//! JSONata expressions (<https://docs.jsonata.org>), compiled once, with what the States Language adds to them.
//!
//! An expression never asks the machine it runs on for anything: time and chance come from [`World`].

mod bindings;
mod functions;
mod names;

use std::sync::Arc;

use jsonata_core::{
    ast::AstNode,
    evaluator::{Evaluator, EvaluatorOptions},
    parser,
    value::JValue,
};
use serde_json::{Map, Number, Value};

use super::{
    failure::{DATA_LIMIT_EXCEEDED, Failure, QUERY_EVALUATION_ERROR},
    scope::Scope,
};

pub(super) use bindings::{Once, Shown, ShownInState, mentions_context};

/// How long one expression may take. Checked at each of its steps; one call of a built-in function counts as a step.
const MAX_MS: u64 = 1000;
/// Steps within each other: about a third as many calls of a function by itself.
const MAX_DEPTH: usize = 3000;
/// Items of any sequence that an expression makes on its way.
const MAX_ITEMS: usize = 100_000;
/// Levels of a result.
const MAX_LEVELS: usize = 100;
/// Bytes of a result, counted as it is written out: parts that the expression shares count each time.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Whole numbers beyond this are not exact, here as in every JSONata.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A compiled expression.
#[derive(Debug, Clone)]
pub(super) struct Jsonata {
    text: Arc<str>,
    ast: Arc<AstNode>,
    /// The variables of the machine that it reads, as far as its text shows.
    reads: Arc<[String]>,
}

impl PartialEq for Jsonata {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Jsonata {
    /// Compiles the text that stands between `{%` and `%}`, or says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let ast = parser::parse(text).map_err(|e| format!("is no JSONata: {e}"))?;
        Ok(Self { text: text.into(), ast: Arc::new(ast), reads: names::read_by(text).into() })
    }

    /// The text between `{%` and `%}`.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The variables of the machine that it reads, as far as its text shows.
    pub(super) fn reads(&self) -> &[String] {
        &self.reads
    }

    /// Computes the expression, in which `$states` and each variable go by their names.
    ///
    /// It fails with `States.QueryEvaluationError` when it goes wrong, runs for too long or gives nothing, and with
    /// `States.DataLimitExceeded` when its result is too large to keep.
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        let context = bindings::context(&self.text, scope)?;
        let options = EvaluatorOptions {
            timeout_ms: Some(MAX_MS),
            max_stack_depth: Some(MAX_DEPTH),
            max_sequence_length: Some(MAX_ITEMS),
            cancel: None,
        };
        let mut evaluator = Evaluator::with_options(context, options);
        functions::register(&mut evaluator, scope.world);
        let result = evaluator.evaluate(&self.ast, &JValue::Undefined).map_err(|e| self.failed(e.message()))?;
        let value = Outcome { left: MAX_BYTES }.value(&result, MAX_LEVELS).map_err(|wrong| match wrong {
            Wrong::Nothing => self.failed("it gives nothing"),
            Wrong::Function => self.failed("it gives a function, which is no JSON"),
            Wrong::Infinite => self.failed("it gives a number that is not finite"),
            Wrong::TooLarge => {
                let limits = format!("more than {MAX_BYTES} bytes or {MAX_LEVELS} levels");
                Failure::new(DATA_LIMIT_EXCEEDED, format!("`{}` gives {limits}", self.text))
            }
        })?;
        scope.world.admit(&value, 0)?;
        Ok(value)
    }

    fn failed(&self, reason: &str) -> Failure {
        Failure::new(QUERY_EVALUATION_ERROR, format!("`{}`: {reason}", self.text))
    }
}

/// Why a result is none.
enum Wrong {
    Nothing,
    Function,
    Infinite,
    TooLarge,
}

/// Writes a result out, as long as it stays within its size.
struct Outcome {
    left: usize,
}

impl Outcome {
    fn value(&mut self, value: &JValue, levels: usize) -> Result<Value, Wrong> {
        self.take(size_of::<Value>())?;
        match value {
            JValue::Undefined => Err(Wrong::Nothing),
            JValue::Null => Ok(Value::Null),
            JValue::Bool(truth) => Ok(Value::Bool(*truth)),
            JValue::Number(number) => number_of(*number).map(Value::Number).ok_or(Wrong::Infinite),
            JValue::String(text) => {
                self.take(text.len())?;
                Ok(Value::String(text.to_string()))
            }
            JValue::Array(items) => {
                let below = levels.checked_sub(1).ok_or(Wrong::TooLarge)?;
                items.iter().map(|item| self.value(item, below)).collect()
            }
            JValue::Object(fields) => {
                let below = levels.checked_sub(1).ok_or(Wrong::TooLarge)?;
                let mut object = Map::new();
                for (key, field) in fields.iter() {
                    self.take(key.len())?;
                    object.insert(key.clone(), self.value(field, below)?);
                }
                Ok(Value::Object(object))
            }
            JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => Err(Wrong::Function),
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Wrong> {
        self.left = self.left.checked_sub(bytes).ok_or(Wrong::TooLarge)?;
        Ok(())
    }
}

/// A number as JSON has it: whole ones without a fraction.
fn number_of(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() <= MAX_EXACT {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;
