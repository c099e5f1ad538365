//! Jobs as `/jobs` tells of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::JobId;

/// A job in a list. Times are RFC 3339 in UTC with milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreprocItem {
    /// The job.
    pub job_id: JobId,
    /// What kind of job it is, for example `preproc_beto` or `train_rbm`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `created`, `running`, `completed`, `failed` or `cancelled`.
    pub status: String,
    /// The dataset that it reads, a number when it was given as one.
    #[schema(value_type = Option<Value>)]
    pub dataset_id: Option<Value>,
    /// 0 to 1.
    pub progress: f64,
    /// Why it failed; null while it has not.
    pub error: Option<String>,
    /// When it was accepted.
    pub created_at: String,
    /// When a worker first claimed a task of it.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
}

/// A job, whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreprocJob {
    /// What lists tell of it.
    #[serde(flatten)]
    pub item: PreprocItem,
    /// The latest word on what is going on.
    pub message: Option<String>,
    /// Its input, with the defaults filled in.
    pub params: Value,
    /// What came out; null until it completes.
    pub result: Option<Value>,
    /// The same under its other name.
    pub output: Option<Value>,
}

/// `GET /jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PreprocList {
    /// The jobs of this page, newest first.
    pub items: Vec<PreprocItem>,
    /// How many jobs there are in all pages together.
    pub total: u64,
    /// Where the page after this one begins, for `cursor`; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `GET /jobs/preproc/beto/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BetoStatus {
    /// The latest jobs, newest first.
    pub jobs: Vec<PreprocJob>,
}

/// Body of `POST /jobs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreateByType {
    /// What kind of job: the `kind` of a blueprint, or its name, for example `train_rbm`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The dataset that it reads, where it reads one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub dataset_id: Option<Value>,
    /// The parameters, as the blueprint takes them. Without it, all other members are the parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub params: Option<Map<String, Value>>,
    /// More parameters, where there is no `params`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Answer to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreatedByType {
    /// The new job.
    pub job_id: JobId,
    /// What kind of job it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// Always `created`.
    pub status: String,
    /// The dataset, as it was given; null where there is none.
    #[schema(value_type = Option<Value>)]
    pub dataset_id: Value,
}

/// Body of `POST /jobs/preproc/beto/run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunBeto {
    /// The dataset whose comments are labelled.
    #[schema(value_type = Value)]
    pub dataset_id: Value,
    /// More parameters, as the blueprint `beto_sentiment` takes them, for example `text_col` or `keep_empty_text`.
    #[serde(flatten)]
    pub params: Map<String, Value>,
}

/// Answer to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BetoCreated {
    /// The new job.
    pub job_id: JobId,
    /// Always `created`.
    pub status: String,
    /// The dataset, as it was given.
    #[schema(value_type = Value)]
    pub dataset_id: Value,
}
