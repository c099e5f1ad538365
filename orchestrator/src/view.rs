//! A job as it is kept, made into a job as clients see it.

use relevo_shared::{
    JobId,
    job::{ApprovalView, HistoryEvent, JobState, JobView, StateVisit, WAITING_FOR_HUMAN},
};
use serde::de::DeserializeOwned;

use crate::{
    error::{Error, Result},
    store::{EventRecord, JobRecord},
    time::rfc3339,
};

/// The view of a job; `approval` is what it asks of a person.
///
/// # Errors
/// [`Error::Broken`] when a field is not what the scripts write.
pub fn job_view(id: JobId, record: JobRecord, approval: Option<ApprovalView>) -> Result<JobView> {
    let JobRecord { mut fields, visits, .. } = record;
    let broken = |name: &str| Error::Broken(id, format!("field {name}"));
    let mut text = |name: &str| fields.remove(name).filter(|value| !value.is_empty());

    let state = text("state").and_then(|word| JobState::from_word(&word)).ok_or_else(|| broken("state"))?;
    let created_at = instant(text("created_at")).ok_or_else(|| broken("created_at"))?;
    let started_at = instant(text("started_at"));
    let ended_at = instant(text("ended_at"));
    let reported = text("progress").and_then(|fraction| fraction.parse().ok());

    Ok(JobView {
        job_id: id,
        id,
        blueprint_name: text("blueprint").ok_or_else(|| broken("blueprint"))?,
        blueprint_hash: text("hash").ok_or_else(|| broken("hash"))?,
        status: if approval.is_some() { WAITING_FOR_HUMAN } else { state.as_str() }.to_owned(),
        approval,
        client: text("client").ok_or_else(|| broken("client"))?,
        initial_data: json(text("input")).ok_or_else(|| broken("input"))?,
        current_state: text("current"),
        state_history: visits.into_iter().map(|(state, at)| StateVisit { state, entered_at: rfc3339(at) }).collect(),
        progress: if state == JobState::Completed { 1.0 } else { reported.unwrap_or(0.0) },
        message: text("message"),
        stages: json(text("stages")).unwrap_or_default(),
        result: json(text("result")),
        error: json(text("error")),
        source: json(text("source")),
        priority: text("priority").and_then(|priority| priority.parse().ok()).unwrap_or_default(),
        parent: text("parent"),
        created_at: rfc3339(created_at),
        started_at: started_at.map(rfc3339),
        completed_at: ended_at.map(rfc3339),
        finished_at: ended_at.map(rfc3339),
        duration_seconds: started_at.zip(ended_at).map(|(start, end)| seconds_between(start, end)),
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
    }
}

fn instant(text: Option<String>) -> Option<i64> {
    text?.parse().ok()
}

fn json<T: DeserializeOwned>(text: Option<String>) -> Option<T> {
    serde_json::from_str(&text?).ok()
}

#[expect(clippy::cast_precision_loss, reason = "no job runs for 285,000 years")]
fn seconds_between(start: i64, end: i64) -> f64 {
    (end - start) as f64 / 1000.0
}
