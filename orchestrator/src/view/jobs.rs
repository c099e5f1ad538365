//! A job in the words of `/api/jobs`.

use relevo_shared::{
    job::{LogLevel, LogLine},
    view::jobs::{JobDetail, JobFailure, JobItem, LogEntry},
};
use serde_json::{Map, Value};

use super::{
    View,
    job::{Job, number_or_text, seconds},
};
use crate::{domain::task::Outcome, store::EventRecord, time::rfc3339};

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

/// What has gone wrong so far, oldest first.
fn failures(job: &Job, events: &[EventRecord]) -> Vec<JobFailure> {
    let mut failures: Vec<_> = events.iter().filter_map(failed_attempt).collect();
    let Some(error) = &job.error else { return failures };
    let last = JobFailure {
        code: error.code.clone(),
        message: error.message.clone(),
        fatal: true,
        stage: error.state.clone(),
        task_id: None,
        timestamp: job.ended_at.map(rfc3339),
    };
    // The attempt that ended the job is told of once.
    match failures.last_mut().filter(|attempt| attempt.code == last.code) {
        Some(attempt) => *attempt = JobFailure { task_id: attempt.task_id.take(), ..last },
        None => failures.push(last),
    }
    failures
}

/// An attempt that ended without its worker saying so.
fn failed_attempt(event: &EventRecord) -> Option<JobFailure> {
    let Outcome::Failed { error, cause, .. } = Outcome::of_event(event.fields.get("event")?)? else { return None };
    Some(JobFailure {
        code: error,
        message: cause,
        fatal: false,
        stage: None,
        task_id: event.fields.get("task").cloned(),
        timestamp: Some(rfc3339(event.at)),
    })
}
