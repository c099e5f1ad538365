//! How data flows through a state: what is selected of it, and where a result goes.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Run, stay::Stay};
use crate::domain::blueprint::{
    failure::{DATA_LIMIT_EXCEEDED, Failure},
    jsonata::Once,
    model::{Flow, Paths, ResultPath, Selection},
    scope::{Outcome, Scope},
    template::Template,
};

/// Bytes of the variables of one branch, written as JSON.
const MAX_VARIABLES: usize = 10 * 1024 * 1024;

/// What expressions call the result of a state's work.
pub(super) const RESULT: &str = "result";
/// What expressions call the error that a state's work ended with.
pub(super) const ERROR_OUTPUT: &str = "errorOutput";

impl Run<'_> {
    /// A state's input as its fields see it: in JSONPath, what `InputPath` selects.
    pub(super) fn effective<'d>(&self, flow: &Flow, stay: &'d Stay<'_>) -> Result<Cow<'d, Value>, Failure> {
        let selected = match flow {
            Flow::JsonPath(paths) => self.select(&paths.input, stay, &stay.data)?,
            Flow::Jsonata(_) => None,
        };
        Ok(selected.map_or(Cow::Borrowed(stay.data.as_ref()), Cow::Owned))
    }

    /// Makes the state's output of what its work has ended with, which expressions call `name`, and gives what is
    /// assigned.
    ///
    /// The data is untouched after an error, because a catcher goes on with it.
    pub(super) fn settle(
        &self,
        flow: &Flow,
        assign: Option<&Template>,
        stay: &mut Stay<'_>,
        (name, value): (&'static str, Value),
    ) -> Result<Map<String, Value>, Failure> {
        match flow {
            Flow::JsonPath(paths) => {
                let assigned = self.assigned(assign, &self.scope(stay, &value))?;
                let result = match &paths.selector {
                    Some(template) => template.fill(&self.scope(stay, &value))?,
                    None => value,
                };
                self.output(paths, stay, Some(result))?;
                Ok(assigned)
            }
            Flow::Jsonata(output) => {
                let shown = Once::default();
                let outcome = Some(Outcome { name, value: &value, shown: &shown });
                let scope = Scope { outcome, ..self.scope(stay, &stay.data) };
                let assigned = self.assigned(assign, &scope)?;
                let output = output.as_ref().map(|template| template.fill(&scope)).transpose()?;
                stay.data = Cow::Owned(output.unwrap_or(value));
                Ok(assigned)
            }
        }
    }

    /// Makes the output of a state that has no result, and gives what is assigned.
    pub(super) fn pass_on(
        &self,
        flow: &Flow,
        assign: Option<&Template>,
        stay: &mut Stay<'_>,
    ) -> Result<Map<String, Value>, Failure> {
        match flow {
            Flow::JsonPath(paths) => {
                if let Some(selected) = self.select(&paths.input, stay, &stay.data)? {
                    stay.data = Cow::Owned(selected);
                }
                let assigned = self.assigned(assign, &self.scope(stay, &stay.data))?;
                if let Some(selected) = self.select(&paths.output, stay, &stay.data)? {
                    stay.data = Cow::Owned(selected);
                }
                Ok(assigned)
            }
            Flow::Jsonata(output) => {
                let scope = self.scope(stay, &stay.data);
                let assigned = self.assigned(assign, &scope)?;
                if let Some(template) = output {
                    let output = template.fill(&scope)?;
                    stay.data = Cow::Owned(output);
                }
                Ok(assigned)
            }
        }
    }

    /// Makes the state's output of its result: `ResultPath`, then `OutputPath`. `None` stands for the data itself.
    pub(super) fn output(&self, paths: &Paths, stay: &mut Stay<'_>, result: Option<Value>) -> Result<(), Failure> {
        if paths.output == Selection::All {
            return self.combine(&paths.result, &mut stay.data, result);
        }
        let mut combined = stay.data.clone();
        self.combine(&paths.result, &mut combined, result)?;
        let selected = self.select(&paths.output, stay, &combined)?;
        stay.data = selected.map_or(combined, Cow::Owned);
        Ok(())
    }

    pub(super) fn combine(
        &self,
        to: &ResultPath,
        data: &mut Cow<'_, Value>,
        result: Option<Value>,
    ) -> Result<(), Failure> {
        match (to, result) {
            (ResultPath::Discard, _) | (ResultPath::Replace, None) => Ok(()),
            (ResultPath::Replace, Some(result)) => {
                self.world.admit(&result, 0)?;
                *data = Cow::Owned(result);
                Ok(())
            }
            (ResultPath::Into(path), result) => {
                let result = result.unwrap_or_else(|| data.as_ref().clone());
                self.world.admit(&result, path.depth())?;
                path.put(data.to_mut(), result)
            }
        }
    }

    /// Computes what an `Assign` gives its variables; they keep their old values until [`Stay::assign`].
    pub(super) fn assigned(&self, assign: Option<&Template>, scope: &Scope<'_>) -> Result<Map<String, Value>, Failure> {
        let Some(template) = assign else { return Ok(Map::new()) };
        let filled = template.fill(scope)?;
        let Value::Object(assigned) = filled else { return Ok(Map::new()) };
        let total = scope.variables.iter().filter(|(name, _)| !assigned.contains_key(*name)).chain(&assigned);
        let bytes: usize = total.map(|(name, value)| name.len() + value.to_string().len()).sum();
        if bytes > MAX_VARIABLES {
            let cause = format!("the variables together take more than the {MAX_VARIABLES} bytes allowed");
            return Err(Failure::new(DATA_LIMIT_EXCEEDED, cause));
        }
        Ok(assigned)
    }

    /// The part of `data` that goes on; `None` stands for all of it.
    pub(super) fn select(
        &self,
        selection: &Selection,
        stay: &Stay<'_>,
        data: &Value,
    ) -> Result<Option<Value>, Failure> {
        match selection {
            Selection::All => Ok(None),
            Selection::Nothing => Ok(Some(Value::Object(Map::new()))),
            Selection::Part(path) => {
                let scope = self.scope(stay, data);
                let found = path.find(&scope).ok_or_else(|| {
                    Failure::runtime(format!("`{}` finds nothing in the data of state `{}`", path.text(), stay.state))
                })?;
                self.world.admit(&found, 0)?;
                Ok(Some(found.into_owned()))
            }
        }
    }

    pub(super) fn scope<'s>(&'s self, stay: &'s Stay<'_>, data: &'s Value) -> Scope<'s> {
        Scope {
            data,
            world: &self.world,
            here: stay.here(),
            variables: &stay.own.variables,
            outcome: None,
            stay: &stay.shown,
        }
    }
}
