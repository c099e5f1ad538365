//! What Task, Parallel and Map states have in common: they can fail, be retried and be caught.

use super::{
    model::{Flow, StateIndex, Then},
    template::Template,
};
use crate::domain::retry::Backoff;

/// What becomes of a state's work when it ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Work {
    pub(super) retry: Vec<Retrier>,
    pub(super) catch: Vec<Catcher>,
    /// Whether the state has a `Retry` or `Catch`, even an empty one.
    pub(super) has_policy: bool,
    pub(super) then: Then,
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
    pub(super) flow: Flow,
    pub(super) assign: Option<Template>,
    pub(super) next: StateIndex,
}
