//! Where a job stands, what can happen to it, and what is to be done next.

use relevo_shared::problem::Detail;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::resource::{Requirements, Resource};

/// Where a branch of a job stands in its machine. It is stored as JSON between steps; only this module's functions look inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    pub(super) state: String,
    /// The state's input; absent where it is the job's own input, which is stored elsewhere.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Value>,
    pub(super) entered_ms: i64,
    /// How often each retrier of the state has retried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retries: Vec<u32>,
    #[serde(default, skip_serializing_if = "Awaits::is_task")]
    pub(super) awaits: Awaits,
    #[serde(default, skip_serializing_if = "Own::is_empty")]
    pub(super) own: Own,
}

/// A field that is there: without this, `null` would be read as none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What a branch has for itself from its beginning to its end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Own {
    /// The variables that its states have assigned.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) variables: Map<String, Value>,
    /// The item of the innermost Map around it, where its states may ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<Item>,
}

impl Own {
    fn is_empty(&self) -> bool {
        self.item.is_none() && self.variables.is_empty()
    }
}

/// An item of a Map state: `$$.Map.Item`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) value: Value,
}

/// Where a branch of a fan begins; it needs nothing else but the blueprint and the facts. It is stored as JSON until
/// the branch begins; only this module's functions look inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BranchStart {
    pub(super) state: String,
    pub(super) input: Value,
    #[serde(default, skip_serializing_if = "Own::is_empty")]
    pub(super) own: Own,
}

/// What must happen before the machine can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Awaits {
    /// The end of a task.
    #[default]
    Task,
    /// The end of all branches of a fan.
    Fan,
    /// The end of a pause before the task or fan is run again.
    Retry,
    /// The end of a Wait state.
    Timer,
    /// Nothing: the machine has ended.
    Nothing,
}

impl Awaits {
    fn is_task(&self) -> bool {
        *self == Self::Task
    }
}

impl Execution {
    /// The state it is in, or was in when it ended.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// How often the state's task or fan has been run again.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.retries.iter().sum()
    }
}

/// What has happened to a branch that waited.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Its task ended well.
    TaskSucceeded {
        /// The task's result.
        output: Value,
    },
    /// Its task did not end well.
    TaskFailed {
        /// The name that `Retry` and `Catch` look for, for example `Worker.Transient`.
        error: String,
        /// A sentence for people.
        cause: String,
        /// The fields that were at fault, where the worker named some.
        details: Vec<Detail>,
    },
    /// Its fan ended well.
    FanSucceeded {
        /// What the branches ended with, in the order of [`FanOrder::branches`]; tolerated failures are left out.
        outputs: Vec<Value>,
    },
    /// More branches of its fan failed than may: this says how the one that was too much ended.
    FanFailed {
        /// The name that `Retry` and `Catch` look for.
        error: String,
        /// A sentence for people.
        cause: String,
        /// The fields that were at fault.
        details: Vec<Detail>,
        /// Whether the branch asked to be kept whole.
        quarantine: bool,
    },
    /// The time that it waited for has come.
    TimerFired,
}

/// What one step has led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where the branch stands now.
    pub execution: Execution,
    /// The states that were entered in this step, in order.
    pub entered: Vec<String>,
    /// What is to be done.
    pub next: Next,
}

/// What is to be done for a job's own branch, or for a branch of a fan.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Queue a task and come back with how it ended.
    Task(TaskOrder),
    /// Open a fan and come back with how it ended.
    Fan(FanOrder),
    /// Come back with [`Event::TimerFired`].
    Wait {
        /// After so many milliseconds.
        for_ms: u64,
        /// The failure after which the task or the fan runs again; none where the machine itself says to wait.
        setback: Option<Setback>,
    },
    /// The branch has ended well, and with the job's own branch the job.
    Succeed {
        /// Its result.
        output: Value,
    },
    /// The branch has ended without a result, and with the job's own branch the job.
    Failed {
        /// The state that could not go on.
        state: Option<String>,
        /// The error's name.
        error: String,
        /// A sentence for people.
        cause: String,
        /// The fields that were at fault.
        details: Vec<Detail>,
        /// Whether the job is to be kept whole, so that a person can resume it.
        quarantine: bool,
    },
}

/// A failure that is not the end: what failed runs again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// The error's name.
    pub error: String,
    /// A sentence for people.
    pub cause: String,
}

/// Branches to begin, each with [`begin_branch`](super::begin_branch).
#[derive(Debug, Clone, PartialEq)]
pub struct FanOrder {
    /// The state that it belongs to.
    pub state: String,
    /// One or more, in the order of their outputs.
    pub branches: Vec<BranchStart>,
    /// How many may be open at once; all of them where there is no number.
    pub max_concurrency: Option<u32>,
    /// How many may fail before the fan does.
    pub tolerated_failures: u32,
    /// Every variable that the branches can see: their [`Facts::outer`](super::Facts::outer).
    pub variables: Map<String, Value>,
}

/// A task to queue.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskOrder {
    /// The state that it belongs to.
    pub state: String,
    /// What runs it.
    pub resource: Resource,
    /// What it gets.
    pub params: Value,
    /// What its worker must have.
    pub requirements: Requirements,
    /// How long it may run.
    pub timeout_seconds: Option<u32>,
    /// How long its worker may be silent.
    pub heartbeat_seconds: Option<u32>,
    /// Counts the runs of this task from 1.
    pub attempt: u32,
}
