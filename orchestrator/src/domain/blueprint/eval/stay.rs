//! A machine's stay in one state, and what the state leads to.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::domain::blueprint::{
    execution::{Awaits, Execution, Item, Next, Own},
    failure::Failure,
    jsonata::ShownInState,
    model::StateIndex,
    scope::{Here, Seen},
};

/// The machine's stay in one state. Its data is borrowed as long as it is the job's own input.
pub(super) struct Stay<'a> {
    pub(super) state: &'a str,
    pub(super) entered_ms: i64,
    pub(super) retries: Vec<u32>,
    pub(super) data: Cow<'a, Value>,
    pub(super) own: Own,
    /// What expressions have seen of it.
    pub(super) shown: ShownInState,
}

/// What a state has led to.
// One lives at a time, on the stack: a box would cost every step an allocation and save nothing.
#[allow(clippy::large_enum_variant)]
pub(super) enum Move<'a> {
    /// Another state, with its input.
    Enter(StateIndex, Cow<'a, Value>, Own),
    /// A wait, or the end.
    Rest(Execution, Next),
}

impl<'a> Stay<'a> {
    /// A stay that begins now.
    pub(super) fn new(state: &'a str, entered_ms: i64, data: Cow<'a, Value>, own: Own) -> Self {
        Self { state, entered_ms, retries: Vec::new(), data, own, shown: ShownInState::default() }
    }

    pub(super) fn rest(self, awaits: Awaits, next: Next) -> Move<'a> {
        let data = match self.data {
            Cow::Borrowed(_) => None,
            Cow::Owned(data) => Some(data),
        };
        let Self { state, entered_ms, retries, own, .. } = self;
        Move::Rest(Execution { state: state.to_owned(), data, entered_ms, retries, awaits, own }, next)
    }

    /// Gives variables their new values, for the states to come.
    pub(super) fn assign(&mut self, assigned: Map<String, Value>) {
        self.own.variables.extend(assigned);
    }

    pub(super) fn enter(self, index: StateIndex) -> Move<'a> {
        Move::Enter(index, self.data, self.own)
    }

    /// The end of the branch; its data is kept, so that it can be looked at.
    pub(super) fn ended(self, failure: Failure, quarantine: bool) -> Move<'a> {
        let Failure { error, cause, details, .. } = failure;
        let state = Some(self.state.to_owned());
        self.rest(Awaits::Nothing, Next::Failed { state, error, cause, details, quarantine })
    }

    pub(super) fn failed(self, failure: Failure) -> Move<'a> {
        self.ended(failure, false)
    }

    /// The end of a stay in a state that the blueprint does not have.
    pub(super) fn unknown(self) -> Move<'a> {
        let cause = format!("the blueprint has no state `{}`", self.state);
        self.failed(Failure::runtime(cause))
    }

    pub(super) fn here(&self) -> Here<'_> {
        Here {
            state: self.state,
            entered_ms: self.entered_ms,
            retries: self.retries.iter().sum(),
            item: self.own.item.as_ref().map(|Item { index, value }| Seen {
                index: *index,
                value,
                shown: &self.shown.item,
            }),
        }
    }
}
