//! A job in the words of `/v1/toolkit`: in an envelope with process ids and times.

use std::time::Duration;

use relevo_shared::{
    job::JobState,
    view::toolkit::{Envelope, ToolkitJob},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    View,
    job::{Job, seconds},
};

/// What is known beside a job, of the processes and queues around it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where jobs like it are created, for example `/api/v1/jobs/echo`.
    pub endpoint: String,
    /// Process id of the worker that has its task, or had the last one.
    pub worker_pid: Option<u32>,
    /// Tasks that wait in its queue.
    pub queue_length: u64,
}

/// An answer that is no job's outcome, wrapped. `took` is how long it took.
#[must_use]
pub fn envelope<T>(endpoint: &str, response: T, took: Duration) -> Envelope<T> {
    let took = i64::try_from(took.as_millis()).map_or(0.0, seconds);
    Envelope {
        endpoint: endpoint.to_owned(),
        code: 200,
        id: Value::Null,
        job_id: None,
        response,
        message: SUCCESS.to_owned(),
        pid: std::process::id(),
        queue_id: queue_id(""),
        run_time: took,
        queue_time: 0.0,
        total_time: took,
        queue_length: 0,
        build_number: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// How a job is, wrapped.
#[must_use]
pub fn job_status(endpoint: &str, job: &Job, around: &Surroundings, took: Duration) -> Envelope<ToolkitJob> {
    let queue = queue_id(job.skill.as_ref().map_or("", |skill| skill.as_str()));
    let status = ToolkitJob {
        job_status: View::Toolkit.word(job.state).to_owned(),
        job_id: job.id.to_string(),
        queue_id: queue,
        process_id: around.worker_pid.unwrap_or_else(std::process::id),
        response: job.state.is_terminal().then(|| outcome(job, around, queue)),
    };
    Envelope {
        job_id: Some(job.id.to_string()),
        queue_id: queue,
        queue_length: around.queue_length,
        ..envelope(endpoint, status, took)
    }
}

/// What became of a job that has ended.
fn outcome(job: &Job, around: &Surroundings, queue: u64) -> Envelope<Value> {
    let ended = job.ended_at.unwrap_or(job.created_at);
    let started = job.started_at.unwrap_or(ended);
    let code = code(job);
    let message = || job.error.as_ref().map_or_else(|| job.state.as_str().to_owned(), |error| error.message.clone());
    Envelope {
        code,
        id: job.parameter("id").filter(|id| id.is_string() || id.is_number()).cloned().unwrap_or_default(),
        job_id: Some(job.id.to_string()),
        message: if code == 200 { SUCCESS.to_owned() } else { message() },
        pid: around.worker_pid.unwrap_or_else(std::process::id),
        queue_id: queue,
        run_time: seconds(ended - started),
        queue_time: seconds(started - job.created_at),
        total_time: seconds(ended - job.created_at),
        queue_length: around.queue_length,
        ..envelope(&around.endpoint, job.result.clone().unwrap_or_default(), Duration::ZERO)
    }
}

const SUCCESS: &str = "success";

/// How a job ended, as a status of HTTP.
fn code(job: &Job) -> u16 {
    match (job.state, job.error.as_ref().map(|error| error.code.as_str())) {
        (JobState::Completed, _) => 200,
        (JobState::Cancelled, _) => 499,
        (JobState::Failed, Some("Worker.InvalidInput")) => 400,
        (JobState::Failed, Some("States.Timeout" | "Dispatch.Timeout")) => 504,
        _ => 500,
    }
}

/// A number that stays the same for a skill, and that every JSON reader reads exactly.
fn queue_id(skill: &str) -> u64 {
    let hash = Sha256::digest(format!("queue {skill}"));
    u64::from_be_bytes(*hash.first_chunk().expect("a hash is longer than that")) >> 16
}
