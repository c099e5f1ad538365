//! A state machine as it runs: paths compiled, targets resolved to indices.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    choice::Rule,
    path::{Path, ReferencePath},
    resource::{Requirements, Resource},
    template::{Expression, Template},
};
use crate::domain::retry::Backoff;

/// A compiled state machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    pub(super) start: StateIndex,
    pub(super) states: Vec<State>,
    pub(super) index: HashMap<String, StateIndex>,
}

impl Machine {
    /// The names of its states, in the order of the file.
    pub fn state_names(&self) -> impl Iterator<Item = &str> {
        self.states.iter().map(|state| state.name.as_str())
    }

    /// What its tasks run and what they ask of a worker, in the order of the file.
    pub fn tasks(&self) -> impl Iterator<Item = (&Resource, &Requirements)> {
        self.states.iter().filter_map(|state| match &state.kind {
            Kind::Task(task) => Some((&task.resource, &task.requirements)),
            _ => None,
        })
    }
}

/// The place of a state in its machine.
pub(super) type StateIndex = usize;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) name: String,
    /// `InputPath`.
    pub(super) input: Selection,
    /// `OutputPath`.
    pub(super) output: Selection,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Task(Box<Task>),
    Pass(Pass),
    Choice(Choice),
    Wait(Wait),
    Succeed,
    Fail(Fail),
}

/// Which part of the data goes on.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Selection {
    /// `$`: all of it.
    All,
    /// `null`: an empty object instead of it.
    Nothing,
    Part(Path),
}

/// Where a result goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ResultPath {
    /// `$`: it replaces the input.
    Replace,
    /// `null`: it is dropped and the input goes on.
    Discard,
    Into(ReferencePath),
}

/// What comes after a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Next(StateIndex),
    End,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub(super) resource: Resource,
    pub(super) requirements: Requirements,
    pub(super) parameters: Option<Template>,
    pub(super) result_selector: Option<Template>,
    pub(super) result: ResultPath,
    pub(super) timeout: Option<Seconds>,
    pub(super) heartbeat: Option<Seconds>,
    pub(super) retry: Vec<Retrier>,
    pub(super) catch: Vec<Catcher>,
    /// Whether the state has a `Retry` or `Catch`, even an empty one.
    pub(super) has_policy: bool,
    pub(super) then: Then,
}

/// A number of seconds, given or found in the data.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seconds {
    Fixed(u32),
    At(Path),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Retrier {
    pub(super) errors: Vec<String>,
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Catcher {
    pub(super) errors: Vec<String>,
    pub(super) result: ResultPath,
    pub(super) next: StateIndex,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pass {
    /// `Result`, which wins over `Parameters`.
    pub(super) literal: Option<Value>,
    pub(super) parameters: Option<Template>,
    pub(super) result: ResultPath,
    pub(super) then: Then,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) branches: Vec<(Rule, StateIndex)>,
    pub(super) default: Option<StateIndex>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wait {
    pub(super) until: Until,
    pub(super) then: Then,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Until {
    Seconds(Seconds),
    /// Nanoseconds since 1970.
    Instant(i128),
    InstantAt(Path),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fail {
    pub(super) error: Option<Words>,
    pub(super) cause: Option<Words>,
}

/// A text, given or computed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Words {
    Fixed(String),
    Computed(Expression),
}
