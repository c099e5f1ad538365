//! A state machine as it runs: paths compiled, targets resolved to indices.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    choice::Rule,
    fan::{MapState, Parallel},
    path::{Path, ReferencePath},
    resource::{Requirements, Resource},
    template::{Expression, Template},
    work::Work,
};
use crate::domain::ranking::Placement;

/// A compiled state machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    pub(super) start: StateIndex,
    pub(super) states: Vec<State>,
    pub(super) index: HashMap<String, StateIndex>,
    pub(super) timeout_seconds: Option<u32>,
}

impl Machine {
    /// The names of its states, those of branches after the states that hold them.
    pub fn state_names(&self) -> impl Iterator<Item = &str> {
        self.states.iter().map(|state| state.name.as_str())
    }

    /// Chooses workers like this for every task of a skill that does not say how.
    pub(super) fn place_by(&mut self, placement: Placement) {
        for state in &mut self.states {
            if let Kind::Task(task) = &mut state.kind
                && matches!(task.resource, Resource::Skill(_))
            {
                task.requirements.placement.get_or_insert(placement);
            }
        }
    }

    /// What its tasks run and what they ask of a worker, in the order of [`Machine::state_names`].
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
    pub(super) flow: Flow,
    /// `Assign`: the variables that it gives a value when it ends well.
    pub(super) assign: Option<Template>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Task(Box<Task>),
    Parallel(Box<Parallel>),
    Map(Box<MapState>),
    Pass(Pass),
    Choice(Choice),
    Wait(Wait),
    Succeed,
    Fail(Fail),
}

impl Kind {
    /// What becomes of the state's work, where it is of a kind that orders some.
    pub(super) const fn work(&self) -> Option<&Work> {
        match self {
            Self::Task(task) => Some(&task.work),
            Self::Parallel(parallel) => Some(&parallel.work),
            Self::Map(map) => Some(&map.work),
            _ => None,
        }
    }
}

/// How data comes into a state and goes out of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Flow {
    JsonPath(Box<Paths>),
    /// `Output`; without it a result replaces the input, and where there is no result the input goes on.
    Jsonata(Option<Template>),
}

/// The fields by which data flows in the language JSONPath.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Paths {
    /// `InputPath`.
    pub(super) input: Selection,
    /// `ResultSelector`.
    pub(super) selector: Option<Template>,
    /// `ResultPath`.
    pub(super) result: ResultPath,
    /// `OutputPath`.
    pub(super) output: Selection,
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

/// The value of a field: written in the file, or computed when the state runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given<T> {
    Fixed(T),
    Computed(Expression),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub(super) resource: Resource,
    pub(super) requirements: Requirements,
    pub(super) parameters: Option<Template>,
    pub(super) timeout: Option<Given<u32>>,
    pub(super) heartbeat: Option<Given<u32>>,
    pub(super) work: Work,
}

/// A Pass state; in JSONata it has nothing of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pass {
    /// `Result`, which wins over `Parameters`.
    pub(super) literal: Option<Value>,
    pub(super) parameters: Option<Template>,
    pub(super) then: Then,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) branches: Vec<Branch>,
    pub(super) default: Option<StateIndex>,
}

/// A rule of a Choice, and what follows when it holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) rule: Rule,
    pub(super) assign: Option<Template>,
    /// How data goes out when it holds, where that is not as the state says.
    pub(super) flow: Option<Flow>,
    pub(super) next: StateIndex,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wait {
    pub(super) until: Until,
    pub(super) then: Then,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Until {
    Seconds(Given<u32>),
    /// Nanoseconds since 1970.
    Instant(Given<i128>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fail {
    pub(super) error: Option<Given<String>>,
    pub(super) cause: Option<Given<String>>,
}
