//! A job as clients see it, and what a running task tells about itself.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{JobId, id::InvalidId, problem::Detail};

/// The canonical states. The last four are terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Accepted; no worker has claimed anything yet.
    Pending,
    /// A worker has claimed a task, or the job is between two tasks.
    Running,
    /// For a timer, a retry or a person.
    Waiting,
    /// Ended with a result.
    Completed,
    /// Ended with an error that a retry would not mend.
    Failed,
    /// Ended by its client.
    Cancelled,
    /// Ended with an error, kept whole, and can be resumed.
    Quarantined,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Quarantined,
    ];

    /// The word that is stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Quarantined => "quarantined",
        }
    }

    /// The state that a word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing that a worker, a timer or a late message does can change the job any more.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Quarantined)
    }
}

impl FromStr for JobState {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::from_word(text).ok_or(InvalidId { what: "state", form: "a canonical state" })
    }
}

/// Body of `POST /api/{version}/{endpoint}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateJob {
    /// The input of the blueprint; an empty object when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_data: Option<serde_json::Map<String, Value>>,
    /// Told when the job ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// Seconds a task may wait in its queue for a worker.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31_622_400)]
    pub dispatch_timeout: Option<u32>,
    /// Seconds from creation within which the job must end.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31_622_400)]
    pub result_timeout: Option<u32>,
    /// -1000 to 1000; higher goes first. 0 when absent.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = -1000, maximum = 1000)]
    pub priority: Option<i32>,
    /// RFC 3339; the job starts then, at most a year ahead. At once when absent or past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub run_at: Option<String>,
    /// While a job of this client with the same key is unfinished, that one is answered and none is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256)]
    pub unique_key: Option<String>,
    /// Jobs of this client with the same key run at most `concurrency_limit` tasks at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 256)]
    pub concurrency_key: Option<String>,
    /// 1 when absent.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub concurrency_limit: Option<u32>,
}

/// Answer to a creation: 202.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobAccepted {
    /// Always `accepted`.
    pub status: String,
    /// The new job.
    pub job_id: JobId,
}

/// A job, whole, as `GET /api/v1/jobs/{job_id}` answers it. Times are RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// The job.
    pub job_id: JobId,
    /// The same id under its other name.
    pub id: JobId,
    /// Which blueprint it runs.
    pub blueprint_name: String,
    /// SHA-256 of the definition that the job is pinned to, in hex.
    pub blueprint_hash: String,
    /// Canonical state, or `waiting_for_human`.
    pub status: String,
    /// Which client created it.
    pub client: String,
    /// The input, with the blueprint's defaults filled in.
    pub initial_data: Value,
    /// The state of the blueprint that the job is in; null once it has ended.
    pub current_state: Option<String>,
    /// States entered so far, oldest first.
    pub state_history: Vec<StateVisit>,
    /// 0 to 1.
    pub progress: f64,
    /// The latest word on what is going on.
    pub message: Option<String>,
    /// The stages that the running task told of, in order.
    pub stages: Vec<Stage>,
    /// The output of the last state; null until the job completes.
    pub result: Option<Value>,
    /// Why it failed; null while it has not.
    pub error: Option<JobError>,
    /// What the job asks of a person; null while it asks nothing.
    pub approval: Option<ApprovalView>,
    /// The table that the job reads, pinned when the job was created.
    pub source: Option<Value>,
    /// Higher goes first: -1000 to 1000.
    pub priority: i32,
    /// The branch of another job that waits for this one: the job's id, perhaps with the place of an item.
    pub parent: Option<String>,
    /// When it was accepted.
    pub created_at: String,
    /// When a worker first claimed a task of it.
    pub started_at: Option<String>,
    /// When it ended.
    pub completed_at: Option<String>,
    /// The same instant under its other name.
    pub finished_at: Option<String>,
    /// From start to end, in seconds.
    pub duration_seconds: Option<f64>,
}

/// What a job asks of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalView {
    /// Who is asked.
    pub group: String,
    /// The state of the blueprint that waits.
    pub state: String,
    /// What the blueprint says about it.
    pub params: Value,
    /// When it was asked.
    pub requested_at: String,
    /// When the answer comes too late; null for never.
    pub expires_at: Option<String>,
    /// Where the decision is sent with POST; with a token when the state asks for one.
    pub link: String,
}

/// Body of `POST /_public/webhooks/approval/{job_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideApproval {
    /// `approved` or `rejected`.
    pub decision: Decision,
    /// Kept in the job's history, and handed to the blueprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The state that is meant, where more than one waits; the oldest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The token of the signed link, where the state asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Yes.
    Approved,
    /// No.
    Rejected,
}

impl Decision {
    /// The word that is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

/// Answer to an action on a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionReply {
    /// A word for what was done.
    pub status: String,
    /// The job.
    pub job_id: JobId,
}

/// One event of a job's history, oldest first. Members that do not apply are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryEvent {
    /// Grows with time; unique within the job.
    pub id: String,
    /// When it happened.
    pub time: String,
    /// For example `submitted`, `leased`, `advanced`, `set_back`, `retried` or `completed`.
    pub event: String,
    /// Who did it: a client, a worker or a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Which attempt of the task it was, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The branch, where it is one of a fan-out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// States of the blueprint that were entered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entered: Vec<String>,
    /// What a person decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// What they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What failed and was tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
}

impl JobView {
    /// Its canonical state: a job that waits for a person is waiting. `None` when the status is no word that is known.
    #[must_use]
    pub fn state(&self) -> Option<JobState> {
        match self.status.as_str() {
            WAITING_FOR_HUMAN => Some(JobState::Waiting),
            word => JobState::from_word(word),
        }
    }
}

/// The status of a job that waits for a person.
pub const WAITING_FOR_HUMAN: &str = "waiting_for_human";

/// One state that a job entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateVisit {
    /// Name of the state.
    pub state: String,
    /// When it was entered.
    pub entered_at: String,
}

/// Why a job did not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobError {
    /// Error name of the States Language, for example `Worker.Permanent` or `States.Timeout`.
    pub code: String,
    /// What happened, for people.
    pub message: String,
    /// The state that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Fields that were wrong, where the worker named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
}

/// A named part of a task's work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stage {
    /// For example `embedding`.
    pub name: String,
    /// How far it is.
    pub status: StageStatus,
    /// 0 to 1.
    #[serde(default)]
    pub progress: f64,
    /// Seconds spent in it so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageStatus {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Done.
    Completed,
    /// Ended with an error.
    Failed,
}

/// One line that a task wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When it was written, RFC 3339; filled in by the orchestrator when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// How grave it is.
    pub level: LogLevel,
    /// The line.
    pub message: String,
    /// Facts beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
}

/// How grave a log line is, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For developers.
    Debug,
    /// The ordinary course of things.
    Info,
    /// Odd, but the work goes on.
    Warning,
    /// Something failed.
    Error,
}

impl LogLevel {
    /// The level that a word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        serde_json::from_value(Value::from(word)).ok()
    }
}
