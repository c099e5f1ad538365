//! Where a job stands, what can happen to it, and what is to be done next.

use relevo_shared::problem::Detail;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource::{Requirements, Resource};

/// Where a job stands in its machine. It is stored as JSON between steps; only this module's functions look inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    pub(super) state: String,
    /// The state's input; absent while it is still the job's own input, which is stored elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Value>,
    pub(super) entered_ms: i64,
    /// How often each retrier of the state has retried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retries: Vec<u32>,
    #[serde(default, skip_serializing_if = "Awaits::is_task")]
    pub(super) awaits: Awaits,
}

/// What must happen before the machine can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Awaits {
    /// The end of a task.
    #[default]
    Task,
    /// The end of a pause before the task is run again.
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

    /// How often the state's task has been run again.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.retries.iter().sum()
    }
}

/// What has happened to a job that waited.
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
    /// The time that it waited for has come.
    TimerFired,
}

/// What one step has led to.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where the job stands now.
    pub execution: Execution,
    /// The states that were entered in this step, in order.
    pub entered: Vec<String>,
    /// What is to be done.
    pub next: Next,
}

/// What is to be done for a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Queue a task and come back with how it ended.
    Task(TaskOrder),
    /// Come back with [`Event::TimerFired`].
    Wait {
        /// After so many milliseconds.
        for_ms: u64,
        /// What the wait is for.
        reason: WaitReason,
    },
    /// The job has completed.
    Succeed {
        /// Its result.
        output: Value,
    },
    /// The job has ended without a result.
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

/// Why a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// A Wait state says so.
    Timer,
    /// A task failed and is to run again.
    Retry,
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
