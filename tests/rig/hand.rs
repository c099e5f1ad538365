//! A worker that a test plays by hand, request by request.

use relevo_shared::worker::{HeartbeatReply, Task};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{Answer, Api};

/// A worker without a process: it does only what the test tells it to.
#[derive(Debug)]
pub struct Hand {
    api: Api,
    id: String,
}

impl Hand {
    /// Registers a worker that beats each second, so that its leases last three.
    pub(crate) fn register(api: Api, id: &str, skills: &[&str]) -> Self {
        let body = json!({ "worker_id": id, "supported_skills": skills, "heartbeat_seconds": 1 });
        let answer = api.post("/_worker/workers/register", &body);
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        Self { api, id: id.to_owned() }
    }

    /// Its connection, for requests that no worker should send.
    #[must_use]
    pub const fn api(&self) -> &Api {
        &self.api
    }

    /// Polls for a task, up to `wait` seconds.
    #[must_use]
    pub fn poll(&self, wait: u32) -> Option<Task> {
        let answer = self.api.get(&format!("/_worker/workers/{}/tasks/next?wait={wait}", self.id));
        match answer.status {
            StatusCode::NO_CONTENT => None,
            StatusCode::OK => Some(serde_json::from_value(answer.json()).expect("a task has the documented form")),
            _ => panic!("{}: {}", answer.status, answer.text()),
        }
    }

    /// Polls for a task that must come.
    #[must_use]
    pub fn claim(&self) -> Task {
        self.poll(20).expect("a task comes")
    }

    /// Says that it is alive and holds these tasks.
    #[must_use]
    pub fn beat(&self, tasks: &[&Task]) -> HeartbeatReply {
        let held = tasks.iter().map(|task| task.task_id.to_string()).collect::<Vec<_>>();
        let body = json!({ "status": "busy", "current_tasks": held });
        let answer = self.api.patch(&format!("/_worker/workers/{}", self.id), &body);
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        serde_json::from_value(answer.json()).expect("a heartbeat's answer has the documented form")
    }

    /// Tells how far a task is.
    #[must_use]
    pub fn report(&self, task: &Task, progress: f64, message: &str) -> Answer {
        self.tell(task, json!({ "progress": progress, "message": message }))
    }

    /// Tells anything of a task; the members that say who tells it are filled in.
    #[must_use]
    pub fn tell(&self, task: &Task, mut body: Value) -> Answer {
        (body["worker_id"], body["lease_token"]) = (json!(self.id), json!(task.lease_token));
        self.api.post(&format!("/_worker/tasks/{}/progress", task.task_id), &body)
    }

    /// Sends a result with the token that came with the task.
    #[must_use]
    pub fn succeed(&self, task: &Task, data: &Value) -> Answer {
        self.result(task, &json!({ "status": "success", "data": data }))
    }

    /// Sends a failure.
    #[must_use]
    pub fn fail(&self, task: &Task, code: &str) -> Answer {
        self.result(task, &json!({ "status": "failure", "error": { "code": code, "message": "as the test wants it" } }))
    }

    /// Sends any result; the members that name the task are filled in unless they are there.
    #[must_use]
    pub fn result(&self, task: &Task, body: &Value) -> Answer {
        let mut whole = json!({
            "job_id": task.job_id, "task_id": task.task_id, "worker_id": self.id, "lease_token": task.lease_token,
        });
        for (name, value) in body.as_object().expect("a result is an object") {
            whole[name] = value.clone();
        }
        self.api.post("/_worker/tasks/result", &whole)
    }
}
