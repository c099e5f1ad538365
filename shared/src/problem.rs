//! The body of every refusal: a sentence for people, a code for programs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a client gets instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What went wrong, in one sentence.
    pub error: String,
    /// A stable word for programs, in snake case.
    pub code: String,
    /// The same sentence again, for clients that look for it under this name.
    pub message: String,
    /// One entry for each field that is wrong; present on 422 only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// The job that the request named, where it named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The same sentence once more; under `/jobs` only, whose clients look for it under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a client of `/v1/toolkit` gets instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToolkitProblem {
    /// What went wrong, in one sentence.
    pub error: String,
    /// The status of the answer; absent where a job is not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The job that the request named, where it is not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
}

/// One field that is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Detail {
    /// Where, for example `initial_data.text_col` or `rounds[0].parameters.sample_size`.
    pub field: String,
    /// Why it was refused and what would be accepted.
    pub reason: String,
}

impl Detail {
    /// A detail from its two parts.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}
