//! Sampling jobs as `/api/sampling` tells of them: how one is created, and the rows that it drew.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::JobId;

/// Answer to a new sampling job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SamplingCreated {
    /// The new job.
    pub job_id: JobId,
    /// Always `pending`.
    pub status: String,
    /// How many rounds it has, for people.
    pub message: String,
}

/// One page of the rows that a sampling job drew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SampleRows {
    /// The job.
    pub job_id: JobId,
    /// Which of its tables this is: `primary`, `sample` or `residual`, as it was asked for.
    pub table_key: String,
    /// The columns of each row, in order.
    pub columns: Vec<String>,
    /// How many rows the table has.
    pub total: u64,
    /// How many were skipped.
    pub offset: u64,
    /// How many a page has at most.
    pub limit: usize,
    /// Whether there are rows after these.
    pub has_more: bool,
    /// The rows, each with its columns by name; a missing value is null. The last member, so that it can be written while
    /// they are read.
    pub rows: Vec<Map<String, Value>>,
}
