//! What those who watch a job hear of it, made from what is kept. Pure: no clock, no Redis.

use bytes::Bytes;
use relevo_shared::{
    JobId,
    job::{JobError, JobState, LogLevel, StageStatus},
    live::JobMessage,
};
use serde_json::{Map, Value};

use crate::{
    domain::series::KeptPoint,
    store::{JobRecord, LiveEvent, LiveHead, LiveWhat},
    time::{now_ms, rfc3339},
};

/// What a job says that completed without a word of its task.
const DONE: &str = "Job completed";

/// A message as it is sent; many may share one.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its number.
    pub seq: u64,
    /// The word under `type`.
    pub kind: &'static str,
    /// How grave it is, for a line of the log.
    pub level: Option<LogLevel>,
    /// The whole, as JSON.
    pub text: Bytes,
}

impl From<JobMessage> for Message {
    fn from(message: JobMessage) -> Self {
        let level = match &message {
            JobMessage::Log { level, .. } => Some(*level),
            _ => None,
        };
        let text = serde_json::to_vec(&message).expect("a message has string keys only");
        Self { seq: message.seq(), kind: message.kind(), level, text: text.into() }
    }
}

/// An event between beginning and end.
pub(super) fn of_event(job_id: JobId, event: LiveEvent) -> JobMessage {
    let seq = event.seq;
    let timestamp = instant_of(seq);
    match event.what {
        LiveWhat::Progress(progress, message) => JobMessage::Progress {
            job_id,
            progress,
            message,
            timestamp,
            seq,
            snapshot: false,
            missed: false,
            stages: Vec::new(),
        },
        LiveWhat::Stage(stage) if stage.status == StageStatus::Completed => JobMessage::StageComplete {
            job_id,
            stage: stage.name,
            duration_seconds: stage.duration_seconds.unwrap_or_default(),
            timestamp,
            seq,
        },
        LiveWhat::Stage(stage) => JobMessage::Stage {
            job_id,
            stage: stage.name,
            status: stage.status,
            progress: stage.progress,
            duration_seconds: stage.duration_seconds,
            timestamp,
            seq,
        },
        LiveWhat::Setback(JobError { code, message, state, .. }) => {
            JobMessage::Error { job_id, error: message, code, fatal: false, status: None, state, timestamp, seq }
        }
        LiveWhat::Log(line) => JobMessage::Log {
            job_id,
            level: line.level,
            message: line.message,
            context: line.context,
            timestamp: line.timestamp.unwrap_or(timestamp),
            seq,
        },
        LiveWhat::Metric(KeptPoint { task, name, step, value, at }) => {
            JobMessage::Metric { job_id, task_id: task, name, step, value, timestamp: rfc3339(at), seq }
        }
    }
}

/// How a job stands, for those who come late: in place of all messages up to `seq`, or of some that are `missed`.
pub(super) fn snapshot(job_id: JobId, head: LiveHead, seq: u64, missed: bool) -> JobMessage {
    JobMessage::Progress {
        job_id,
        progress: head.progress,
        message: head.message.unwrap_or_default(),
        timestamp: rfc3339(now_ms()),
        seq,
        snapshot: true,
        missed,
        stages: head.stages,
    }
}

/// The last message about a job, from its record; none while it has not ended.
pub(super) fn of_end(job_id: JobId, record: Option<JobRecord>) -> Option<JobMessage> {
    let Some(JobRecord { mut fields, .. }) = record else { return Some(deleted(job_id)) };
    let mut text = |name: &str| fields.remove(name).filter(|value| !value.is_empty());
    let state = JobState::from_word(&text("state")?).filter(|state| state.is_terminal())?;
    let ended_at: i64 = text("ended_at")?.parse().ok()?;
    let last: u64 = text("seq").and_then(|seq| seq.parse().ok()).unwrap_or_default();
    // After all that came before, and the same whoever asks.
    let seq = u64::try_from(ended_at).unwrap_or_default().saturating_mul(1000).max(last + 1);
    let timestamp = rfc3339(ended_at);
    if state == JobState::Completed {
        let result = text("result").and_then(|result| serde_json::from_str(&result).ok()).unwrap_or(Value::Null);
        let message = text("message").unwrap_or_else(|| DONE.to_owned());
        return Some(JobMessage::Completed { job_id, message, metadata: as_object(result), timestamp, seq });
    }
    let status = if state == JobState::Cancelled { "cancelled" } else { "failed" };
    let error: Option<JobError> = text("error").and_then(|error| serde_json::from_str(&error).ok());
    let (code, error, at) = match error {
        Some(JobError { code, message, state, .. }) => (code, message, state),
        None => ("States.Runtime".to_owned(), format!("the job {status}"), None),
    };
    let status = Some(status.to_owned());
    Some(JobMessage::Error { job_id, error, code, fatal: true, status, state: at, timestamp, seq })
}

/// The last message about a job that is no longer there.
fn deleted(job_id: JobId) -> JobMessage {
    let now = now_ms();
    JobMessage::Error {
        job_id,
        error: "the job was deleted".to_owned(),
        code: "job_not_found".to_owned(),
        fatal: true,
        status: Some("deleted".to_owned()),
        state: None,
        timestamp: rfc3339(now),
        seq: u64::try_from(now).unwrap_or_default().saturating_mul(1000),
    }
}

fn as_object(result: Value) -> Map<String, Value> {
    match result {
        Value::Object(members) => members,
        other => Map::from_iter([("result".to_owned(), other)]),
    }
}

/// A number grows by a thousand in each millisecond.
fn instant_of(seq: u64) -> String {
    rfc3339(i64::try_from(seq / 1000).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use relevo_shared::job::Stage;
    use serde_json::json;

    use super::*;

    const SEQ: u64 = 1_751_856_347_569_004;

    fn id() -> JobId {
        "0198c0de-0000-7000-8000-000000000000".parse().unwrap()
    }

    fn sent(what: LiveWhat) -> Value {
        serde_json::to_value(of_event(id(), LiveEvent { seq: SEQ, what })).unwrap()
    }

    fn end(fields: &[(&str, &str)]) -> Value {
        let fields: HashMap<_, _> = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let record = JobRecord { fields, visits: Vec::new(), approvals: HashMap::new() };
        serde_json::to_value(of_end(id(), Some(record))).unwrap()
    }

    fn stage(status: StageStatus) -> LiveWhat {
        LiveWhat::Stage(Stage { name: "embedding".into(), status, progress: 0.5, duration_seconds: Some(15.2) })
    }

    #[test]
    fn messages_have_the_members_that_are_documented() {
        let timestamp = "2025-07-07T02:45:47.569Z";
        let common = |kind: &str, mut more: Value| {
            more["type"] = json!(kind);
            (more["job_id"], more["timestamp"], more["seq"]) = (json!(id()), json!(timestamp), json!(SEQ));
            more
        };

        let progress = sent(LiveWhat::Progress(0.67, "98/147".into()));
        assert_eq!(progress, common("progress", json!({ "progress": 0.67, "message": "98/147" })));
        let done = sent(stage(StageStatus::Completed));
        assert_eq!(done, common("stage_complete", json!({ "stage": "embedding", "duration_seconds": 15.2 })));
        let other = json!({ "stage": "embedding", "status": "running", "progress": 0.5, "duration_seconds": 15.2 });
        assert_eq!(sent(stage(StageStatus::Running)), common("stage", other));
        let error = JobError { code: "Worker.Transient".into(), message: "m".into(), state: None, details: Vec::new() };
        let setback = json!({ "error": "m", "code": "Worker.Transient", "fatal": false });
        assert_eq!(sent(LiveWhat::Setback(error)), common("error", setback));
        let task = format!("{}.1", id()).parse().unwrap();
        let point = KeptPoint { task, name: "loss".into(), step: 7, value: 0.5, at: 1_751_856_347_569 };
        let metric = json!({ "task_id": task, "name": "loss", "step": 7, "value": 0.5 });
        assert_eq!(sent(LiveWhat::Metric(point)), common("metric", metric));
    }

    #[test]
    fn the_end_is_made_from_the_record() {
        let at = ("ended_at", "1751856347569");

        let done = end(&[("state", "completed"), at, ("result", r#"{"chunks":147}"#)]);
        assert_eq!((&done["type"], &done["message"]), (&json!("completed"), &json!(DONE)));
        assert_eq!((&done["metadata"], &done["seq"]), (&json!({ "chunks": 147 }), &json!(1_751_856_347_569_000_u64)));
        let list = end(&[("state", "completed"), at, ("result", "[1]"), ("message", "all read")]);
        assert_eq!((&list["metadata"], &list["message"]), (&json!({ "result": [1] }), &json!("all read")));

        let error = r#"{"code":"Worker.Permanent","message":"broken","state":"S"}"#;
        let failed = end(&[("state", "quarantined"), at, ("error", error), ("seq", &SEQ.to_string())]);
        assert_eq!((&failed["status"], &failed["fatal"]), (&json!("failed"), &json!(true)));
        assert_eq!((&failed["error"], &failed["seq"]), (&json!("broken"), &json!(SEQ + 1)));
        assert_eq!(end(&[("state", "cancelled"), at])["status"], "cancelled");
        assert_eq!(end(&[("state", "running")]), Value::Null);
    }
}
