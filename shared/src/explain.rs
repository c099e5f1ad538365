//! Why a job is where it is: what each of its branches waits for, and which workers could help.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{JobId, WorkerId};

/// What a job waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The job.
    pub job_id: JobId,
    /// Its status, as in the job itself.
    pub status: String,
    /// What its branches wait for; empty once it has ended. Of a large fan-out the first ten that are open are told.
    pub waits_for: Vec<Waiting>,
}

/// What one branch of a job waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// The branch: the job's id, or one with the place of an item.
    pub branch: String,
    /// The state of the blueprint that it is in.
    pub state: Option<String>,
    /// What it waits for.
    pub reason: WaitReason,
    /// The same in a sentence for people.
    pub message: String,
    /// When it has waited long enough, where that is known: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Its place in the queue, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueuePlace>,
    /// The workers that have the skill, where it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Candidates>,
}

/// What a branch can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// A worker that takes its task.
    Worker,
    /// A worker that runs its task.
    Result,
    /// Tasks of the same client or key that run already.
    ConcurrencyLimit,
    /// An operator who resumes its blueprint.
    PausedBlueprint,
    /// A person's decision.
    Approval,
    /// Another job.
    Child,
    /// Its fan-out.
    FanOut,
    /// An instant.
    Timer,
    /// A replica that takes its next step.
    NextStep,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueuePlace {
    /// Name of the queue: the skill, and a mark for what the task asks of a worker.
    pub name: String,
    /// Tasks before it.
    pub ahead: u64,
    /// Tasks in all.
    pub length: u64,
    /// Since when it is queued: RFC 3339.
    pub since: String,
}

/// The workers that have a skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Candidates {
    /// How many have it.
    pub with_skill: u64,
    /// How many of them could take the task now.
    pub able: u64,
    /// Why each of the others cannot, at most a hundred of them.
    pub unable: Vec<Unable>,
}

/// A worker that cannot take a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unable {
    /// The worker.
    pub worker_id: WorkerId,
    /// Why not: one sentence for each reason.
    pub reasons: Vec<String>,
}
