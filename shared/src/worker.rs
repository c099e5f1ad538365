//! What workers and orchestrators say to each other under `/_worker`.
//!
//! Readers are lenient (workers of several releases are in the field); writers send only what every release accepts:
//! whole numbers in `deadline`, strings in `tracing_context`, never a null id.

mod usage;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use self::usage::{DeviceUsage, Usage};
use crate::{
    JobId, SkillName, TaskId, WorkerId,
    dataset::{Column, CsvDialect, TableFormat},
    job::{LogLine, Stage},
    problem::Detail,
};

/// Body of `POST /_worker/workers/register`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Registration {
    /// Who registers.
    pub worker_id: WorkerId,
    /// A word for people, for example `gpu` or `cpu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_type: Option<String>,
    /// What it can do.
    #[serde(default)]
    pub supported_skills: Vec<Skill>,
    /// What it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Models that it has at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed_models: Option<Vec<InstalledModel>>,
    /// The same under the name that later releases give it; other things than models may be among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed_artifacts: Option<Vec<InstalledModel>>,
    /// Programs that it has at hand, by name, with their versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed_software: Option<Map<String, Value>>,
    /// Changes whenever its skills do: heartbeats repeat it in place of the skills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills_hash: Option<String>,
    /// Free labels that a blueprint's requirements may name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Anything else that it says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Value>,
    /// Seconds between its heartbeats; its leases last three times as long. 15 when absent.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3600)]
    pub heartbeat_seconds: Option<u32>,
}

impl Registration {
    /// A worker of which nothing but its skills is known.
    #[must_use]
    pub const fn of_skills(worker_id: WorkerId, supported_skills: Vec<Skill>) -> Self {
        Self {
            worker_id,
            worker_type: None,
            supported_skills,
            resources: None,
            installed_models: None,
            installed_artifacts: None,
            installed_software: None,
            skills_hash: None,
            labels: Vec::new(),
            capabilities: None,
            heartbeat_seconds: None,
        }
    }
}

/// A skill, by name alone or with a description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Skill {
    /// Just its name.
    Name(SkillName),
    /// Its name among other facts.
    Described {
        /// Its name.
        name: SkillName,
        /// The other facts.
        #[serde(flatten)]
        facts: Map<String, Value>,
    },
}

impl Skill {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &SkillName {
        match self {
            Self::Name(name) | Self::Described { name, .. } => name,
        }
    }
}

/// What a worker runs on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Resources {
    /// Tasks it runs at the same time; 1 when absent.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    pub max_concurrent_tasks: Option<u32>,
    /// Processor cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_cores: Option<f64>,
    /// Main memory, in GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ram_gb: Option<f64>,
    /// Its GPU, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_info: Option<GpuInfo>,
    /// Its devices, one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<Device>>,
    /// Anything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GpuInfo {
    /// For example `NVIDIA H100`.
    #[serde(default)]
    pub model: String,
    /// Its memory, in GiB.
    #[serde(default)]
    pub vram_gb: f64,
}

/// A device of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    /// `gpu` for a GPU; other words for other devices.
    #[serde(rename = "type")]
    pub kind: String,
    /// For example `NVIDIA H100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Which one it is, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,
    /// More about it; `memory_gb` is its memory, in GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Map<String, Value>>,
}

impl Device {
    /// Whether it is a GPU.
    #[must_use]
    pub fn is_gpu(&self) -> bool {
        self.kind.eq_ignore_ascii_case("gpu")
    }

    /// Its memory in GiB, where that is known.
    #[must_use]
    pub fn memory_gb(&self) -> Option<f64> {
        let properties = self.properties.as_ref()?;
        ["memory_gb", "vram_gb"].iter().find_map(|name| properties.get(*name)?.as_f64())
    }
}

/// A model that a worker has at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstalledModel {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Answer to a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// Always `registered`.
    pub status: String,
}

/// Body of `PATCH /_worker/workers/{worker_id}`; an empty body only refreshes the worker's time to live.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Heartbeat {
    /// `idle`, `busy`, `full`, `draining` or `offline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Tasks that are running, or any measure of work that the worker likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// The tasks that it holds: their leases are renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_tasks: Option<Vec<String>>,
    /// What it can do. Empty or absent while busy: not a deregistration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supported_skills: Option<Vec<Skill>>,
    /// Models that are loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_cache: Option<Vec<String>>,
    /// Skills that are ready to run without loading anything first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_skills: Option<Vec<String>>,
    /// That of the skills that it has now; see [`Registration::skills_hash`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills_hash: Option<String>,
    /// What its machine uses, as a `Usage`; absent when that has not changed, or is not known. Anything else is left aside.
    #[serde(default, deserialize_with = "usage::lenient", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub usage: Option<Usage>,
    /// Anything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Answer to a heartbeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeartbeatReply {
    /// Always `ttl_refreshed`.
    pub status: String,
    /// Tasks to stop, for either of two reasons: they are cancelled, or the worker does not hold them (any more).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancel_task_ids: Vec<String>,
    /// Those of them that are cancelled: the worker holds them still and says when it has stopped. A result of the others
    /// would be refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancelled_task_ids: Vec<String>,
    /// Whether the next heartbeat should name all skills: those that are known are not those that the worker has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_full_sync: bool,
    /// To be added once to the time until the next heartbeat, so that workers which began together drift apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_heartbeat_jitter_ms: Option<u64>,
}

/// A task as it is handed to a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// The job it belongs to.
    pub job_id: JobId,
    /// Its id.
    pub task_id: TaskId,
    /// The skill to run.
    #[serde(rename = "type")]
    pub skill: SkillName,
    /// The skill's parameters: always an object.
    pub params: Map<String, Value>,
    /// W3C trace context; empty when tracing is off.
    #[serde(default)]
    pub tracing_context: BTreeMap<String, String>,
    /// Higher goes first.
    #[serde(default)]
    pub priority: i32,
    /// Seconds since 1970 by which it must be done; whole, because some workers read nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
    /// Seconds between two signs of life that the blueprint asks for; the worker beats at least three times in that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u32>,
    /// The fencing number of this claim: to be sent back with progress and result.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 18_446_744_073_709_551_615_u64)]
    pub lease_token: Option<u64>,
    /// Which attempt this is, from 1.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// `s3://bucket/prefix/` under which the job's files lie; absent when S3 is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_prefix: Option<String>,
    /// `s3://bucket/prefix/` under which the tables of datasets lie; absent when S3 is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datasets_prefix: Option<String>,
    /// `s3://bucket/prefix/` under which models lie that have a name; absent when S3 is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_prefix: Option<String>,
}

const fn first_attempt() -> u32 {
    1
}

/// Answer to `tasks/next` when `max` is above 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskBatch {
    /// At most `max` tasks.
    pub tasks: Vec<Task>,
}

/// Body of `POST /_worker/tasks/result`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskResult {
    /// The job; must be the one that the task belongs to.
    pub job_id: JobId,
    /// The task.
    pub task_id: TaskId,
    /// Who ran it.
    pub worker_id: WorkerId,
    /// `success`, `failure`, `cancelled`, or any other word for the blueprint to branch on. Success when absent.
    #[serde(default = "success")]
    #[schema(max_length = 128)]
    pub status: String,
    /// The output.
    #[serde(default)]
    pub data: Option<Value>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<TaskError>,
    /// The token that came with the task.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 18_446_744_073_709_551_615_u64)]
    pub lease_token: Option<u64>,
}

fn success() -> String {
    "success".to_owned()
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskError {
    /// `TRANSIENT`, `PERMANENT`, `INVALID_INPUT`, `RESOURCE_EXHAUSTED`, `TIMEOUT`, `CANCELLED`; a `_ERROR` suffix is ignored.
    pub code: String,
    /// What happened, for people.
    #[serde(default)]
    pub message: String,
    /// Fields that were wrong, where the skill can name them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl TaskError {
    /// The details as fields and reasons; empty when they have another shape.
    #[must_use]
    pub fn fields(&self) -> Vec<Detail> {
        self.details.clone().and_then(|details| serde_json::from_value(details).ok()).unwrap_or_default()
    }
}

/// Body of `POST /_worker/tasks/results`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResultBatch {
    /// Results of any tasks, each judged by itself.
    pub results: Vec<TaskResult>,
}

/// Answer to one result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResultReply {
    /// `result_accepted_success`, `result_ignored_duplicate`, `lease_lost`, or `ignored` for workers that take an error for a
    /// reason to send the result again.
    pub status: String,
    /// Why it was ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answer to many results, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResultReplies {
    /// One for each result.
    pub results: Vec<ResultReply>,
}

/// Body of `POST /_worker/tasks/{task_id}/progress`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProgressReport {
    /// Who reports.
    pub worker_id: WorkerId,
    /// The token that came with the task.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 18_446_744_073_709_551_615_u64)]
    pub lease_token: Option<u64>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// What is going on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Stages that changed; others stay as they were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// Lines written since the last report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogLine>,
    /// Figures measured since the last report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000)]
    pub metrics: Vec<MetricPoint>,
}

/// One figure of a running task at one step: a point of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricPoint {
    /// Which series.
    #[schema(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_][A-Za-z0-9_./:@-]*$")]
    pub name: String,
    /// Where in the series, for example the number of the epoch.
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    #[serde(deserialize_with = "crate::whole::required")]
    pub step: u64,
    /// The figure; never NaN or infinite, which JSON cannot say.
    pub value: f64,
    /// When it was measured, RFC 3339; when the report came where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}

impl ProgressReport {
    /// Says no more than that the task is still held.
    #[must_use]
    pub const fn of_life(worker_id: WorkerId, lease_token: Option<u64>) -> Self {
        Self {
            worker_id,
            lease_token,
            progress: None,
            message: None,
            stages: Vec::new(),
            logs: Vec::new(),
            metrics: Vec::new(),
        }
    }
}

/// Answer to a progress report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressReply {
    /// Always `progress_accepted`.
    pub status: String,
    /// Whether the worker should stop: it does not hold the task (any more), and a result would be refused.
    pub cancelled: bool,
}

/// Body of `POST /_worker/tasks/{task_id}/commits`: a table that the worker has put in S3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TableCommit {
    /// Who commits.
    pub worker_id: WorkerId,
    /// The token that came with the task.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 18_446_744_073_709_551_615_u64)]
    pub lease_token: Option<u64>,
    /// The dataset, made when it is new.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$")]
    pub dataset_id: String,
    /// The table within it.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$")]
    pub table_key: String,
    /// The ref that will point at the commit; `main` when absent.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$")]
    pub reference: Option<String>,
    /// SHA-256 of the format's name, a line feed and the bytes, in hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub commit_id: String,
    /// Where the bytes lie: the task's `datasets_prefix`, then `<dataset_id>/<table_key>/<commit_id>`.
    pub uri: String,
    /// How the bytes are laid out.
    pub format: TableFormat,
    /// Only for CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvDialect>,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Rows, the header not counted.
    #[serde(deserialize_with = "crate::whole::required")]
    pub rows: u64,
    /// Size in bytes.
    #[serde(deserialize_with = "crate::whole::required")]
    pub bytes: u64,
}
