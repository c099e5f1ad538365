//! Jobs as `/v1/toolkit` tells of them: in an envelope with process ids and times.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What every answer is wrapped in. Times are seconds with three decimals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Envelope<T> {
    /// The endpoint that was asked.
    pub endpoint: String,
    /// The status of the answer; in the outcome of a job, 200 when it completed and 400 or more when it did not.
    pub code: u16,
    /// What the client itself calls the request, where its parameters had an `id`.
    #[schema(value_type = Value)]
    pub id: Value,
    /// The job that is told of; null where there is none.
    pub job_id: Option<String>,
    /// The answer itself.
    pub response: T,
    /// `success`, or why it failed.
    pub message: String,
    /// Process id of the orchestrator.
    pub pid: u32,
    /// Which queue its tasks go to: a number that stays the same.
    pub queue_id: u64,
    /// How long it took.
    pub run_time: f64,
    /// How long it waited before.
    pub queue_time: f64,
    /// Both together.
    pub total_time: f64,
    /// Tasks that wait in this queue now.
    pub queue_length: u64,
    /// Release of the orchestrator.
    pub build_number: String,
}

/// How a job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ToolkitJob {
    /// `queued`, `running` or `done`.
    pub job_status: String,
    /// The job.
    pub job_id: String,
    /// Which queue its tasks go to.
    pub queue_id: u64,
    /// Process id of the worker that ran it, where that is known, else of the orchestrator.
    pub process_id: u32,
    /// Its outcome; null until it is done.
    pub response: Option<Envelope<Value>>,
}

/// Body of `POST /v1/toolkit/job/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AskStatus {
    /// The job.
    pub job_id: String,
}

/// Body of `POST /v1/toolkit/jobs/status`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AskStatuses {
    /// Jobs that were created in so many seconds up to now are told of; 600 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 31_622_400)]
    pub since_seconds: Option<f64>,
}
