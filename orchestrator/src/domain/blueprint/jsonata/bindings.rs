//! What an expression sees: `$states` and the variables. Each value is converted at most once, however many expressions
//! look at it, so that a template costs as much as its data is long.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use jsonata_core::{
    evaluator::Context,
    value::{JMap, JValue},
};
use serde_json::Value;

use crate::domain::blueprint::{
    failure::Failure,
    scope::{Scope, World},
};

/// A value as expressions see it, once one has looked at it.
#[derive(Default)]
pub(in crate::domain::blueprint) struct Once(OnceCell<JValue>);

/// What is the same in every state of a step.
#[derive(Default)]
pub(in crate::domain::blueprint) struct Shown {
    input: Once,
    dataset: Once,
}

/// What is the same for every expression of one state.
#[derive(Default)]
pub(in crate::domain::blueprint) struct ShownInState {
    input: Once,
    /// The item of the Map around the state.
    pub(in crate::domain::blueprint) item: Once,
    /// The context object, but for an item.
    context: OnceCell<JMap>,
    variables: RefCell<HashMap<String, JValue>>,
}

impl Once {
    fn show(&self, value: &Value, world: &World<'_>) -> Result<JValue, Failure> {
        if let Some(shown) = self.0.get() {
            return Ok(shown.clone());
        }
        let shown = convert(value, world)?;
        Ok(self.0.get_or_init(|| shown).clone())
    }
}

fn convert(value: &Value, world: &World<'_>) -> Result<JValue, Failure> {
    world.admit(value, 0)?;
    Ok(JValue::from(value.clone()))
}

/// Whether a text may look at the context object: one that speaks of `$states` and not of another part of it.
pub(in crate::domain::blueprint) fn mentions_context(text: &str) -> bool {
    text.split("$states").skip(1).any(|rest| {
        let part = rest.trim_start().strip_prefix('.').map(str::trim_start);
        !part.is_some_and(|part| ["input", "result", "errorOutput"].iter().any(|other| part.starts_with(other)))
    })
}

/// Binds what `text` names.
pub(super) fn context(text: &str, scope: &Scope<'_>) -> Result<Context, Failure> {
    let mut context = Context::new();
    let outer = scope.world.facts.outer.into_iter().flatten();
    for (name, value) in outer.chain(scope.variables).filter(|(name, _)| text.contains(name.as_str())) {
        let shown = scope.stay.variables.borrow().get(name).cloned();
        let shown = match shown {
            Some(shown) => shown,
            None => {
                let shown = convert(value, scope.world)?;
                scope.stay.variables.borrow_mut().insert(name.clone(), shown.clone());
                shown
            }
        };
        context.bind(name.clone(), shown);
    }
    if text.contains("states") {
        context.bind("states".to_owned(), states(text, scope)?);
    }
    Ok(context)
}

fn states(text: &str, scope: &Scope<'_>) -> Result<JValue, Failure> {
    let mut states = JMap::default();
    states.insert("input".to_owned(), scope.stay.input.show(scope.data, scope.world)?);
    if let Some(outcome) = scope.outcome {
        states.insert(outcome.name.to_owned(), outcome.shown.show(outcome.value, scope.world)?);
    }
    if mentions_context(text) {
        states.insert("context".to_owned(), context_object(scope)?);
    }
    Ok(JValue::Object(Rc::new(states)))
}

fn context_object(scope: &Scope<'_>) -> Result<JValue, Failure> {
    let mut context = match scope.stay.context.get() {
        Some(context) => context.clone(),
        None => {
            let context = without_item(scope)?;
            scope.stay.context.get_or_init(|| context).clone()
        }
    };
    if let Some(seen) = scope.here.item {
        let mut item = JMap::default();
        item.insert("Index".to_owned(), seen.index.into());
        item.insert("Value".to_owned(), seen.shown.show(seen.value, scope.world)?);
        let mut map = JMap::default();
        map.insert("Item".to_owned(), JValue::Object(Rc::new(item)));
        context.insert("Map".to_owned(), JValue::Object(Rc::new(map)));
    }
    Ok(JValue::Object(Rc::new(context)))
}

fn without_item(scope: &Scope<'_>) -> Result<JMap, Failure> {
    let World { facts, shown, .. } = scope.world;
    let mut context = JMap::default();
    if let Value::Object(small) = scope.small_context() {
        context.extend(small.into_iter().map(|(name, part)| (name, JValue::from(part))));
    }
    if let Some(JValue::Object(execution)) = context.get_mut("Execution") {
        Rc::make_mut(execution).insert("Input".to_owned(), shown.input.show(facts.input, scope.world)?);
    }
    if let Some(dataset) = facts.dataset {
        context.insert("Dataset".to_owned(), shown.dataset.show(dataset, scope.world)?);
    }
    Ok(context)
}
