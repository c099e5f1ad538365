//! A job in the words of `/api/jobs`.

use relevo_shared::{
    job::{JobError, LogLevel, LogLine},
    view::jobs::{JobDetail, JobFailure, JobItem, LogEntry},
};
use serde_json::{Map, Value};

use super::{
    View,
    job::{Job, number_or_text, seconds},
};
use crate::{store::EventRecord, time::rfc3339};

/// What lists tell of a job.
#[must_use]
pub fn job_item(job: &Job) -> JobItem {
    JobItem {
        id: job.id,
        job_id: job.id,
        run_type: job.kind.clone(),
        job_type: job.kind.clone(),
        status: View::Jobs.word(job.state).to_owned(),
        progress: job.progress,
        message: job.message.clone(),
        dataset_id: job.dataset_id().cloned(),
        dataset_name: job.dataset_name(),
        source_commit_id: job.of_source("commit_id"),
        user_id: job.user_id.as_deref().map(number_or_text),
        user_soeid: job.user_soeid.clone(),
        metadata: job.plain_facts(),
        error_message: job.error.as_ref().map(|error| error.message.clone()),
        created_at: rfc3339(job.created_at),
        started_at: job.started_at.map(rfc3339),
        completed_at: job.ended_at.map(rfc3339),
        duration_seconds: job.duration_ms().map(seconds),
    }
}

/// All that there is to tell of a job; `events` are its history.
#[must_use]
pub fn job_detail(job: Job, events: &[EventRecord]) -> JobDetail {
    JobDetail {
        item: job_item(&job),
        errors: failures(&job, events),
        run_parameters: job.input,
        output_summary: job.result,
        stages: job.stages,
    }
}

/// The lines of this level and graver, the latest `limit` of them, with how many there are in all.
#[must_use]
pub fn log_entries(mut lines: Vec<LogLine>, level: LogLevel, limit: usize) -> (Vec<LogEntry>, usize) {
    lines.retain(|line| line.level >= level);
    let total = lines.len();
    lines.drain(..total.saturating_sub(limit));
    let entry = |line: LogLine| LogEntry {
        timestamp: line.timestamp,
        level: line.level,
        message: line.message,
        context: line.context.unwrap_or_else(|| Value::Object(Map::new())),
    };
    (lines.into_iter().map(entry).collect(), total)
}

/// What has gone wrong so far, oldest first: what was tried again, and what ended the job.
fn failures(job: &Job, events: &[EventRecord]) -> Vec<JobFailure> {
    let error = |event: &EventRecord| serde_json::from_str(event.fields.get("error")?).ok();
    let setbacks = events.iter().filter_map(|event| Some(failure(error(event)?, false, Some(event.at))));
    let last = job.error.clone().map(|error| failure(error, true, job.ended_at));
    setbacks.chain(last).collect()
}

fn failure(error: JobError, fatal: bool, at: Option<i64>) -> JobFailure {
    let JobError { code, message, state, .. } = error;
    JobFailure { code, message, fatal, stage: state, timestamp: at.map(rfc3339) }
}
