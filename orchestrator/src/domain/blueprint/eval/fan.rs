//! The branches that Parallel and Map states open. One pass over the items, however many there are.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Run,
    numbers::{percentage, whole},
    stay::Stay,
};
use crate::domain::blueprint::{
    execution::{BranchStart, FanOrder, Item, Own},
    failure::{DATA_LIMIT_EXCEEDED, Failure},
    fan::{Batcher, MapState, Parallel, Processor, Tolerated},
    jsonata::Once,
    model::State,
    scope::{Scope, Seen},
    template::Template,
};

impl Run<'_> {
    pub(super) fn parallel_order(
        &self,
        state: &State,
        parallel: &Parallel,
        stay: &Stay<'_>,
    ) -> Result<FanOrder, Failure> {
        let input = self.effective(&state.flow, stay)?;
        let filled =
            parallel.parameters.as_ref().map(|template| template.fill(&self.scope(stay, &input))).transpose()?;
        let input = filled.as_ref().unwrap_or(&input);
        let mut branches = Vec::with_capacity(parallel.branches.len());
        for processor in &parallel.branches {
            self.world.admit(input, 0)?;
            let item = stay.own.item.as_ref().filter(|_| processor.wants_item).cloned();
            branches.push(self.branch(*processor, input.clone(), item));
        }
        Ok(self.fan(state, stay, branches))
    }

    pub(super) fn map_order(&self, state: &State, map: &MapState, stay: &Stay<'_>) -> Result<FanOrder, Failure> {
        let input = self.effective(&state.flow, stay)?;
        let scope = self.scope(stay, &input);
        let found = match &map.items {
            Some(template) => template.seek(&scope)?,
            None => Some(Cow::Borrowed(input.as_ref())),
        };
        let Some(Value::Array(items)) = found.as_deref() else {
            const WANTED: &str = "an array of items";
            return Err(match &map.items {
                Some(Template::Computed(expression)) => expression.misfit(WANTED, &scope),
                _ => Failure::runtime(format!("the input of state `{}` must be {WANTED}", state.name)),
            });
        };
        let branches = match &map.batcher {
            Some(batcher) => self.batches(map, batcher, items, &scope)?,
            None => self.items(map, items, &scope)?,
        };
        let max_concurrency = match &map.max_concurrency {
            Some(given) => Some(whole(given, 0..=u32::MAX, &scope)?).filter(|limit| *limit > 0),
            None => None,
        };
        let tolerated_failures = tolerated(&map.tolerated, branches.len(), &scope)?;
        Ok(FanOrder { max_concurrency, tolerated_failures, ..self.fan(state, stay, branches) })
    }

    /// A branch for each item.
    fn items(&self, map: &MapState, items: &[Value], scope: &Scope<'_>) -> Result<Vec<BranchStart>, Failure> {
        let mut branches = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            let input = self.input_of(map, index, value, scope)?;
            let item = if map.processor.wants_item {
                self.world.admit(value, 0)?;
                Some(Item { index, value: value.clone() })
            } else {
                None
            };
            branches.push(self.branch(map.processor, input, item));
        }
        Ok(branches)
    }

    /// A branch for each batch of items: as many as fit, one after the other.
    fn batches(
        &self,
        map: &MapState,
        batcher: &Batcher,
        items: &[Value],
        scope: &Scope<'_>,
    ) -> Result<Vec<BranchStart>, Failure> {
        let max_items = batcher.max_items.as_ref().map(|given| whole(given, 1..=u32::MAX, scope)).transpose()?;
        let max_bytes = batcher.max_bytes.as_ref().map(|given| whole(given, 1..=u32::MAX, scope)).transpose()?;
        let [max_items, max_bytes] =
            [max_items, max_bytes].map(|limit| limit.map_or(usize::MAX, |limit| limit as usize));
        let shared = batcher.input.as_ref().map(|template| template.fill(scope)).transpose()?;
        let input_of = |items: Vec<Value>| {
            let mut input = Map::new();
            input.extend(shared.clone().map(|shared| ("BatchInput".to_owned(), shared)));
            input.insert("Items".to_owned(), Value::Array(items));
            Value::Object(input)
        };
        let empty = input_of(Vec::new()).to_string().len();
        let mut branches = Vec::new();
        let mut batch = Vec::new();
        let mut bytes = empty;
        for (index, value) in items.iter().enumerate() {
            let item = self.input_of(map, index, value, scope)?;
            // The comma between two items, and none before the first.
            let more = item.to_string().len() + 1;
            if empty + more > max_bytes.saturating_add(1) {
                let cause = format!("item {index} of state `{}` is larger than a batch may be", scope.here.state);
                return Err(Failure::new(DATA_LIMIT_EXCEEDED, cause));
            }
            if batch.len() == max_items || bytes + more > max_bytes.saturating_add(1) {
                branches.push(self.batch(map, input_of, std::mem::take(&mut batch))?);
                bytes = empty;
            }
            bytes += more;
            batch.push(item);
        }
        if !batch.is_empty() {
            branches.push(self.batch(map, input_of, batch)?);
        }
        Ok(branches)
    }

    fn batch(
        &self,
        map: &MapState,
        input_of: impl Fn(Vec<Value>) -> Value,
        items: Vec<Value>,
    ) -> Result<BranchStart, Failure> {
        let input = input_of(items);
        self.world.admit(&input, 0)?;
        Ok(self.branch(map.processor, input, None))
    }

    /// What a branch gets for an item: what `ItemSelector` makes of it, or the item itself.
    fn input_of(&self, map: &MapState, index: usize, value: &Value, scope: &Scope<'_>) -> Result<Value, Failure> {
        match &map.selector {
            Some(template) => {
                let shown = Once::default();
                let mut scope = *scope;
                scope.here.item = Some(Seen { index, value, shown: &shown });
                template.fill(&scope)
            }
            None => {
                self.world.admit(value, 0)?;
                Ok(value.clone())
            }
        }
    }

    fn branch(&self, processor: Processor, input: Value, item: Option<Item>) -> BranchStart {
        let state = self.machine.states[processor.start].name.clone();
        BranchStart { state, input, own: Own { item, ..Own::default() } }
    }

    /// A fan without limits that fails with its first branch.
    fn fan(&self, state: &State, stay: &Stay<'_>, branches: Vec<BranchStart>) -> FanOrder {
        let mut variables = self.world.facts.outer.cloned().unwrap_or_default();
        variables.extend(stay.own.variables.clone());
        FanOrder { state: state.name.clone(), branches, max_concurrency: None, tolerated_failures: 0, variables }
    }
}

/// How many of `branches` may fail: the smaller number where the state gives a count and a percentage.
fn tolerated(tolerated: &Tolerated, branches: usize, scope: &Scope<'_>) -> Result<u32, Failure> {
    let Tolerated { count, percentage: share } = tolerated;
    let count = count.as_ref().map(|given| whole(given, 0..=u32::MAX, scope)).transpose()?;
    let share = share.as_ref().map(|given| percentage(given, scope)).transpose()?;
    // A file and its data are far too small for a number of branches that a float could not hold.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let of_share = share.map(|share| (branches as f64 * share / 100.0) as u32);
    Ok(match (count, of_share) {
        (Some(count), Some(of_share)) => count.min(of_share),
        (count, of_share) => count.or(of_share).unwrap_or(0),
    })
}
