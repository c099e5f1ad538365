//! Jobs as `/api/jobs` tells of them: one object with the names of both documents that describe it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    JobId, TaskId,
    job::{JobState, LogLevel, Stage},
};

/// A job in a list. Times are RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobItem {
    /// The job.
    pub id: JobId,
    /// The same id under its other name.
    pub job_id: JobId,
    /// What kind of job it is.
    pub run_type: String,
    /// The same kind under its other name.
    pub job_type: String,
    /// `pending`, `running`, `completed`, `failed` or `cancelled`.
    pub status: String,
    /// 0 to 1.
    pub progress: f64,
    /// The latest word on what is going on.
    pub message: Option<String>,
    /// The dataset that it reads, a number when it was given as one.
    #[schema(value_type = Option<Value>)]
    pub dataset_id: Option<Value>,
    /// The dataset's name for people.
    pub dataset_name: Option<String>,
    /// The commit of the table that it reads.
    pub source_commit_id: Option<String>,
    /// The user that it is recorded under, a number when it has digits only.
    #[schema(value_type = Option<Value>)]
    pub user_id: Option<Value>,
    /// The same user's name in another directory.
    pub user_soeid: Option<String>,
    /// The plain members of its parameters, overlaid by those of its result: no lists, objects or long texts.
    pub metadata: Map<String, Value>,
    /// Why it failed; null while it has not.
    pub error_message: Option<String>,
    /// When it was accepted.
    pub created_at: String,
    /// When a worker first claimed a task of it.
    pub started_at: Option<String>,
    /// When it ended.
    pub completed_at: Option<String>,
    /// From start to end, in seconds.
    pub duration_seconds: Option<f64>,
}

/// A job, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobDetail {
    /// What lists tell of it.
    #[serde(flatten)]
    pub item: JobItem,
    /// Its input, with the defaults filled in.
    pub run_parameters: Value,
    /// What came out; null until it completes.
    pub output_summary: Option<Value>,
    /// The stages that its task told of, in order.
    pub stages: Vec<Stage>,
    /// What has gone wrong so far, oldest first: attempts that were tried again, and what ended the job.
    pub errors: Vec<JobFailure>,
}

/// Something that went wrong in a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobFailure {
    /// Error name of the States Language, for example `Worker.Transient` or `States.Timeout`.
    pub code: String,
    /// What happened, for people.
    pub message: String,
    /// Whether it ended the job; otherwise it was tried again.
    pub fatal: bool,
    /// The state of the blueprint in which it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

/// `GET /api/jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The jobs of this page, newest first.
    pub jobs: Vec<JobItem>,
    /// How many jobs there are in all pages together.
    pub total: u64,
    /// How many a page has at most.
    pub limit: usize,
    /// How many were skipped.
    pub offset: u64,
    /// Whether there is a page after this one.
    pub has_more: bool,
    /// Where the page after this one begins, for `cursor`; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Answer to a cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobCancelled {
    /// The job.
    pub job_id: JobId,
    /// Always `cancelled`: nothing that happens from now on changes that, though its worker may need a while to stop.
    pub status: String,
    /// The same for people.
    pub message: String,
}

/// Answer to a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobDeleted {
    /// That it is gone, for people.
    pub message: String,
    /// The job.
    pub job_id: JobId,
}

/// `GET /api/jobs/{job_id}/logs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobLogs {
    /// The job.
    pub job_id: JobId,
    /// The latest lines, oldest first.
    pub logs: Vec<LogEntry>,
    /// How many lines there are of this level and graver.
    pub total: usize,
}

/// One line that a task wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// When it was written.
    pub timestamp: Option<String>,
    /// How grave it is.
    pub level: LogLevel,
    /// The line.
    pub message: String,
    /// Facts beside it; an empty object when there are none.
    #[schema(value_type = Value)]
    pub context: Value,
}

/// `GET /api/jobs/{job_id}/metrics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobMetrics {
    /// The job.
    pub job_id: JobId,
    /// One for each name and task, in the order in which they began.
    pub series: Vec<MetricSeries>,
    /// Points that the job's tasks told and that are not kept: it had more of them, or more names, than a job may have.
    pub dropped: u64,
}

/// A figure over the steps of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricSeries {
    /// What is measured.
    pub name: String,
    /// By which task.
    pub task_id: TaskId,
    /// The latest points, in the order in which they were told.
    pub points: Vec<SeriesPoint>,
    /// How many points there are, those among them that `limit` leaves out.
    pub total: usize,
}

/// A point of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SeriesPoint {
    /// Where in the series, for example the number of the epoch.
    pub step: u64,
    /// The figure.
    pub value: f64,
    /// When it was measured, RFC 3339.
    pub timestamp: String,
}

/// Body of `POST /api/jobs/cleanup`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanUp {
    /// Jobs that ended so many days ago or earlier are deleted; 7 when absent.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 36_500)]
    pub older_than_days: Option<u32>,
    /// With which status; `["completed", "failed"]` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1)]
    pub status: Option<Vec<EndedStatus>>,
}

/// What a job may be called that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndedStatus {
    /// It has a result.
    Completed,
    /// It has none; a quarantined job is one of these.
    Failed,
    /// Its client wanted it to end.
    Cancelled,
    /// It failed, and can go on from there.
    Quarantined,
}

impl EndedStatus {
    /// What is meant when nobody says.
    pub const USUAL: [Self; 2] = [Self::Completed, Self::Failed];

    /// The states of the jobs that are called so.
    #[must_use]
    pub const fn states(self) -> &'static [JobState] {
        match self {
            Self::Completed => &[JobState::Completed],
            Self::Failed => &[JobState::Failed, JobState::Quarantined],
            Self::Cancelled => &[JobState::Cancelled],
            Self::Quarantined => &[JobState::Quarantined],
        }
    }
}

/// Answer to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CleanedUp {
    /// That it is done, for people.
    pub message: String,
    /// How many jobs were deleted.
    pub jobs_deleted: u64,
    /// What that freed in Redis and in S3 together, in millions of bytes.
    pub space_freed_mb: f64,
}
