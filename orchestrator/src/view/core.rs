//! A job in the words of `/api/v1`: all that is known of it.

use relevo_shared::{
    JobId,
    job::{ApprovalView, HistoryEvent, JobView, StateVisit, WAITING_FOR_HUMAN},
};
use serde::de::DeserializeOwned;

use super::job::{Job, seconds};
use crate::{
    error::Result,
    store::{EventRecord, JobRecord},
    time::rfc3339,
};

/// The view of a job; `approval` is what it asks of a person.
///
/// # Errors
/// [`crate::error::Error::Broken`] when a field is not what the scripts write.
pub fn job_view(id: JobId, record: JobRecord, approval: Option<ApprovalView>) -> Result<JobView> {
    let job = Job::read(id, record)?;
    let (started_at, ended_at) = (job.started_at.map(rfc3339), job.ended_at.map(rfc3339));
    Ok(JobView {
        job_id: id,
        id,
        status: if approval.is_some() { WAITING_FOR_HUMAN } else { job.state.as_str() }.to_owned(),
        approval,
        duration_seconds: job.duration_ms().map(seconds),
        blueprint_name: job.blueprint,
        blueprint_hash: job.hash,
        client: job.client,
        initial_data: job.input,
        current_state: job.current,
        state_history: job
            .visits
            .into_iter()
            .map(|(state, at)| StateVisit { state, entered_at: rfc3339(at) })
            .collect(),
        progress: job.progress,
        message: job.message,
        stages: job.stages,
        result: job.result,
        error: job.error,
        source: job.source,
        priority: job.priority,
        parent: job.parent,
        created_at: rfc3339(job.created_at),
        started_at,
        completed_at: ended_at.clone(),
        finished_at: ended_at,
    })
}

/// One event of a job's history.
#[must_use]
pub fn history_event(record: EventRecord) -> HistoryEvent {
    let EventRecord { id, at, mut fields } = record;
    let mut text = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
    HistoryEvent {
        id,
        time: rfc3339(at),
        event: text("event").unwrap_or_default(),
        actor: text("actor").or_else(|| text("worker")),
        attempt: text("attempt").and_then(|attempt| attempt.parse().ok()),
        task_id: text("task"),
        branch: text("branch"),
        entered: json(text("entered")).unwrap_or_default(),
        decision: text("decision"),
        comment: text("comment"),
        error: json(text("error")),
    }
}

fn json<T: DeserializeOwned>(text: Option<String>) -> Option<T> {
    serde_json::from_str(&text?).ok()
}
