//! What workers tell of their own accord: progress, and anything else that is worth a line in the job's log.

use axum::{Json, extract::State};
use relevo_shared::{
    TaskId, WorkerId,
    command::{EventReply, WorkerEvent},
    job::{LogLevel, LogLine},
    worker::ProgressReport,
};
use serde_json::Value;
use tracing::debug;

use super::{
    super::{App, openapi},
    access::Signed,
};
use crate::{error::Result, store::LeaseAnswer, time};

/// Takes what a worker tells of its own accord.
///
/// `progress` becomes the progress of the job; any other event about a task becomes a line of the job's log.
#[utoipa::path(
    post,
    path = "/_worker/events",
    tag = "workers",
    operation_id = "send_event",
    request_body = WorkerEvent,
    responses((status = 200, description = "It was heard, or it is ignored.", body = EventReply), openapi::BadBody)
)]
pub(in crate::http) async fn event(
    State(app): State<App>,
    Signed(auth, event): Signed<WorkerEvent>,
) -> Result<Json<EventReply>> {
    auth.check(&event.worker_id)?;
    let reason = match told(event) {
        None => None,
        Some((task, report)) => refusal(app.reports.take(task, report).await?),
    };
    let status = if reason.is_none() { "event_accepted" } else { "ignored" };
    Ok(Json(EventReply { status: status.to_owned(), reason: reason.map(str::to_owned) }))
}

/// What an event tells of a task; none when it names no task.
pub(super) fn told(event: WorkerEvent) -> Option<(TaskId, ProgressReport)> {
    let Some(task) = event.target_task_id else {
        debug!(worker = %event.worker_id, event = event.event_type, "an event that names no task");
        return None;
    };
    Some((task, report_of(event)))
}

/// Why a report was not taken, if it was not.
const fn refusal(answer: LeaseAnswer) -> Option<&'static str> {
    match answer {
        LeaseAnswer::Accepted => None,
        LeaseAnswer::Cancelled => Some("job_cancelled"),
        LeaseAnswer::LeaseLost | LeaseAnswer::Missing => Some("stale_task"),
    }
}

/// A report of progress alone.
pub(super) const fn progress(worker_id: WorkerId, progress: Option<f64>, message: Option<String>) -> ProgressReport {
    ProgressReport {
        worker_id,
        lease_token: None,
        progress,
        message,
        stages: Vec::new(),
        logs: Vec::new(),
        metrics: Vec::new(),
    }
}

fn report_of(event: WorkerEvent) -> ProgressReport {
    let payload = event.payload.unwrap_or_default();
    if event.event_type == "progress" {
        let message = payload.get("message").and_then(Value::as_str).filter(|message| !message.is_empty());
        return progress(event.worker_id, payload.get("progress").and_then(Value::as_f64), message.map(str::to_owned));
    }
    let line = LogLine {
        timestamp: Some(time::rfc3339(time::now_ms())),
        level: LogLevel::Info,
        message: event.event_type,
        context: Some(Value::Object(payload)),
    };
    ProgressReport { logs: vec![line], ..progress(event.worker_id, None, None) }
}
