//! What a worker and its orchestrator say to each other over a WebSocket.
//!
//! Everything said here has a slower way too: a socket that breaks loses nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{JobId, TaskId, WorkerId};

/// What an orchestrator tells a worker to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// To stop a task and report it as `cancelled`.
    CancelTask {
        /// The task.
        task_id: TaskId,
        /// Its job.
        job_id: JobId,
    },
    /// To finish what it holds, claim nothing more, and end.
    Drain,
}

/// What a worker tells of its own accord: body of `POST /_worker/events`, or a message on its WebSocket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WorkerEvent {
    /// Who tells it.
    pub worker_id: WorkerId,
    /// `progress`, or any other word.
    pub event_type: String,
    /// What belongs to the word; of `progress`, the members `progress` and `message`.
    #[serde(default)]
    pub payload: Option<Map<String, Value>>,
    /// The task that it is about.
    #[serde(default)]
    pub target_task_id: Option<TaskId>,
}

/// The form in which early releases tell of progress on a WebSocket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProgressUpdate {
    /// Always `progress_update`.
    pub event: String,
    /// The task.
    pub task_id: TaskId,
    /// 0 to 1.
    #[serde(default)]
    pub progress: Option<f64>,
    /// What is going on.
    #[serde(default)]
    pub message: Option<String>,
}

/// A message of a worker on its WebSocket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum WorkerMessage {
    /// An event.
    Event(WorkerEvent),
    /// Progress, as early releases write it.
    Progress(ProgressUpdate),
}

/// Answer to an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventReply {
    /// `event_accepted`, or `ignored`.
    pub status: String,
    /// Why it was ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_has_the_form_that_workers_read() {
        let job_id = JobId::fresh();
        let task_id: TaskId = format!("{job_id}.1").parse().unwrap();

        let written = serde_json::to_value(Command::CancelTask { task_id, job_id }).unwrap();

        assert_eq!(written, json!({ "command": "cancel_task", "task_id": task_id, "job_id": job_id }));
        assert_eq!(serde_json::to_value(Command::Drain).unwrap(), json!({ "command": "drain" }));
    }

    #[test]
    fn progress_is_read_in_both_forms() {
        let task = format!("{}.1", JobId::fresh());
        let early =
            json!({ "event": "progress_update", "task_id": task, "job_id": "j", "progress": 0.5, "message": "half" });
        let late = json!({ "worker_id": "w", "event_type": "progress", "payload": { "progress": 0.5 }, "target_task_id": task });

        let [early, late] = [early, late].map(|text| serde_json::from_value::<WorkerMessage>(text).unwrap());

        assert!(matches!(early, WorkerMessage::Progress(update) if update.progress == Some(0.5)));
        assert!(matches!(late, WorkerMessage::Event(event) if event.target_task_id.is_some()));
    }
}
