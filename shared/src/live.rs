//! What those hear who watch a job: the messages of its WebSocket and of its server-sent events.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    JobId, TaskId,
    job::{LogLevel, Stage, StageStatus},
};

/// A message about a job. Each carries `seq`, which grows; a reader passes over types that it does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum JobMessage {
    /// How far it is.
    Progress {
        /// The job.
        job_id: JobId,
        /// 0 to 1.
        progress: f64,
        /// What is going on; empty when nobody has said.
        message: String,
        /// When it was told, RFC 3339.
        timestamp: String,
        /// The number of this message.
        seq: u64,
        /// Whether this says how the job stands, in place of all messages up to `seq`.
        #[serde(default, skip_serializing_if = "is_false")]
        snapshot: bool,
        /// Whether messages after the `since` that was asked for are gone: a job keeps about a thousand.
        #[serde(default, skip_serializing_if = "is_false")]
        missed: bool,
        /// In a snapshot: the stages that its task has told of.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        stages: Vec<Stage>,
    },
    /// A stage is done.
    StageComplete {
        /// The job.
        job_id: JobId,
        /// Its name.
        stage: String,
        /// How long it took.
        duration_seconds: f64,
        /// When it was told, RFC 3339.
        timestamp: String,
        /// The number of this message.
        seq: u64,
    },
    /// A stage has changed in another way.
    Stage {
        /// The job.
        job_id: JobId,
        /// Its name.
        stage: String,
        /// How it stands.
        status: StageStatus,
        /// 0 to 1.
        progress: f64,
        /// Seconds spent in it so far, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_seconds: Option<f64>,
        /// When it was told, RFC 3339.
        timestamp: String,
        /// The number of this message.
        seq: u64,
    },
    /// A task wrote a line; only with `?logs=<level>`.
    Log {
        /// The job.
        job_id: JobId,
        /// How grave it is.
        level: LogLevel,
        /// The line.
        message: String,
        /// Facts beside it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<Value>,
        /// When it was written, RFC 3339.
        timestamp: String,
        /// The number of this message.
        seq: u64,
    },
    /// A task measured a figure: a point of a series; not with `?metrics=false`.
    Metric {
        /// The job.
        job_id: JobId,
        /// The task: several of one job may have series of the same name.
        task_id: TaskId,
        /// Which series.
        name: String,
        /// Where in the series.
        step: u64,
        /// The figure.
        value: f64,
        /// When it was measured, RFC 3339.
        timestamp: String,
        /// The number of this message.
        seq: u64,
    },
    /// It has ended well; the last message.
    Completed {
        /// The job.
        job_id: JobId,
        /// The last word of its task, or that it is done.
        message: String,
        /// Its result; one that is no object is the member `result`.
        metadata: Map<String, Value>,
        /// When it ended, RFC 3339.
        timestamp: String,
        /// The number of this message.
        seq: u64,
    },
    /// Something failed. When `fatal`, the job has ended, and this is the last message; else it is tried again.
    Error {
        /// The job.
        job_id: JobId,
        /// What failed, for people.
        error: String,
        /// Error name of the States Language, for example `Worker.Transient`.
        code: String,
        /// Whether the job has ended.
        fatal: bool,
        /// How it has ended, when it has: `failed`, `cancelled`, or `deleted`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
        /// The state of the blueprint that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// When it was told, RFC 3339.
        timestamp: String,
        /// The number of this message.
        seq: u64,
    },
}

impl JobMessage {
    /// The word under `type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Progress { .. } => "progress",
            Self::StageComplete { .. } => "stage_complete",
            Self::Stage { .. } => "stage",
            Self::Log { .. } => "log",
            Self::Metric { .. } => "metric",
            Self::Completed { .. } => "completed",
            Self::Error { .. } => "error",
        }
    }

    /// Its number.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        match self {
            Self::Progress { seq, .. }
            | Self::StageComplete { seq, .. }
            | Self::Stage { seq, .. }
            | Self::Log { seq, .. }
            | Self::Metric { seq, .. }
            | Self::Completed { seq, .. }
            | Self::Error { seq, .. } => *seq,
        }
    }

    /// Whether nothing follows it.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        matches!(self, Self::Completed { .. } | Self::Error { fatal: true, .. })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_false(value: &bool) -> bool {
    !*value
}
