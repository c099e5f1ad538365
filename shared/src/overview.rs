//! What is going on: workers, skills, and the figures of a dashboard. Times are RFC 3339 in UTC with milliseconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    SkillName, WorkerId,
    worker::{Resources, Usage},
};

/// A worker that is alive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerView {
    /// Its id.
    pub worker_id: WorkerId,
    /// The same id under its other name.
    pub id: WorkerId,
    /// A word for people, for example `gpu` or `cpu`.
    pub worker_type: Option<String>,
    /// What it can do, in alphabetical order.
    pub skills: Vec<SkillName>,
    /// `idle`, `busy`, `full`, `draining` or `offline`, as it said last; `idle` until it says anything.
    pub status: String,
    /// How much work it has, by its own measure.
    pub load: f64,
    /// The tasks that it named in its latest heartbeat.
    pub current_tasks: Vec<String>,
    /// Models that are loaded.
    pub loaded_models: Vec<String>,
    /// What it runs on.
    pub resources: Option<Resources>,
    /// What its machine uses, as it said last; null until it says so.
    pub usage: Option<Usage>,
    /// Free labels that a blueprint's requirements may name.
    pub labels: Vec<String>,
    /// `pause` or `drain` while an operator lets it have no more tasks.
    pub paused: Option<String>,
    /// The share of its results that were good, 0 to 1; null before its first.
    pub reputation: Option<f64>,
    /// How long its leases last without a heartbeat.
    pub lease_seconds: f64,
    /// When it registered.
    pub registered_at: String,
    /// When it was last heard of.
    pub last_seen: String,
}

/// A skill that a worker has or a blueprint needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SkillView {
    /// Its name.
    pub name: SkillName,
    /// Workers alive that have it.
    pub workers: u64,
    /// Tasks that wait for a worker.
    pub queued: u64,
    /// Whether an operator lets no task of it be handed out.
    pub paused: bool,
    /// Blueprints that need it, in alphabetical order.
    pub blueprints: Vec<String>,
    /// What workers tell of it, for example the schema of its input; empty when they give its name alone.
    #[schema(value_type = Object)]
    pub facts: Map<String, Value>,
}

/// The figures of the whole deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dashboard {
    /// Jobs of all clients.
    pub jobs: JobTotals,
    /// Tasks of all jobs.
    pub tasks: TaskTotals,
    /// Workers alive.
    pub workers: WorkerTotals,
    /// Queues that are not empty, the longest first.
    pub queues: Vec<QueueLength>,
    /// Blueprints that jobs can be created of.
    pub blueprints: u64,
    /// The replica that answered.
    pub replica: ReplicaHealth,
    /// Redis.
    pub store: StoreHealth,
}

/// How many jobs there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobTotals {
    /// Jobs that have not ended.
    pub open: u64,
    /// Jobs that ended since this deployment began, by their last state.
    pub ended: BTreeMap<String, u64>,
}

/// How many tasks there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskTotals {
    /// Waiting for a worker.
    pub queued: u64,
    /// Held by a worker.
    pub held: u64,
}

/// How many workers there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerTotals {
    /// Heard of lately.
    pub alive: u64,
    /// The same, by what they last said of themselves.
    pub by_status: BTreeMap<String, u64>,
}

/// How long a queue is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueueLength {
    /// A skill, with a sign after `|` where its tasks ask for more than that.
    pub queue: String,
    /// Tasks in it.
    pub queued: u64,
}

/// How a replica is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaHealth {
    /// Its release.
    pub version: String,
    /// When it started.
    pub started_at: String,
    /// Long polls that wait here for a task.
    pub waiting_polls: i64,
}

/// How Redis is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoreHealth {
    /// Its release.
    pub version: String,
    /// Memory that its data take.
    pub used_memory_bytes: u64,
    /// How long it took to answer this question.
    pub latency_ms: f64,
}
