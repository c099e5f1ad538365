//! An orchestrator that does nothing but what a test needs: hands out tasks, notes what it is told, fails on demand.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use clap::Parser;
use relevo_shared::{
    JobId, TaskId,
    worker::{Heartbeat, ProgressReport, Registration, ResultBatch, TableCommit, Task, TaskResult},
};
use relevo_worker::{
    settings::{Given, Settings},
    skills::Registry,
    worker::{self, WorkerError},
};
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A result that holds this word is refused.
pub(crate) const INDIGESTIBLE: &str = "indigestible";

/// What the orchestrator was told, in order.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Registered(Registration),
    Beat(Heartbeat),
    Progress(TaskId, ProgressReport),
    Commit(TableCommit),
    Result(TaskResult),
}

#[derive(Default)]
pub(crate) struct Orchestrator {
    told: Mutex<Vec<Told>>,
    changed: Notify,
    queue: Mutex<VecDeque<Task>>,
    queued: Notify,
    /// Statuses that the next polls and posts of results answer instead of doing their work.
    pub(crate) poll_faults: Mutex<VecDeque<u16>>,
    pub(crate) result_faults: Mutex<VecDeque<u16>>,
    /// The same for reports.
    pub(crate) report_faults: Mutex<VecDeque<u16>>,
    /// How long a report waits for its answer.
    pub(crate) report_delay: Mutex<Duration>,
    /// The same for commits.
    pub(crate) commit_faults: Mutex<VecDeque<u16>>,
    /// Every post of results fails while this is set.
    pub(crate) results_closed: Mutex<bool>,
    /// Tasks that the next heartbeats ask to stop.
    pub(crate) cancelled: Mutex<Vec<TaskId>>,
}

impl Orchestrator {
    pub(crate) fn queue(&self, skill: &str, params: &Value) -> TaskId {
        self.queue_with(skill, params, &json!({}))
    }

    /// Queues a task that has more members than it needs.
    pub(crate) fn queue_with(&self, skill: &str, params: &Value, more: &Value) -> TaskId {
        let job_id = JobId::fresh();
        let task_id = TaskId { branch: job_id.into(), number: 1 };
        let mut task = json!({
            "job_id": job_id, "task_id": task_id, "type": skill, "params": params, "lease_token": 7, "attempt": 1,
        });
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.queue.lock().unwrap().push_back(serde_json::from_value(task).unwrap());
        self.queued.notify_one();
        task_id
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().unwrap().len()
    }

    pub(crate) fn results(&self) -> Vec<TaskResult> {
        self.told()
            .into_iter()
            .filter_map(|told| if let Told::Result(result) = told { Some(result) } else { None })
            .collect()
    }

    pub(crate) fn beats(&self) -> Vec<Heartbeat> {
        self.told().into_iter().filter_map(|told| if let Told::Beat(beat) = told { Some(beat) } else { None }).collect()
    }

    /// Waits until something holds of what was told.
    pub(crate) async fn until<T>(&self, mut holds: impl FnMut(&Self) -> Option<T>) -> T {
        let found = async {
            loop {
                let changed = self.changed.notified();
                if let Some(found) = holds(self) {
                    return found;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), found).await {
            Ok(found) => found,
            Err(_) => panic!("it never held; told was {:#?}", self.told()),
        }
    }

    pub(crate) async fn result_of(&self, task: TaskId) -> TaskResult {
        self.until(|orchestrator| orchestrator.results().into_iter().find(|result| result.task_id == task)).await
    }

    fn note(&self, told: Told) {
        self.told.lock().unwrap().push(told);
        self.changed.notify_waiters();
    }
}

/// A worker in this process that serves `orchestrator`.
pub(crate) struct Worker {
    pub(crate) shutdown: CancellationToken,
    pub(crate) ended: JoinHandle<Result<(), WorkerError>>,
    _work_dir: tempfile::TempDir,
}

#[derive(Parser)]
#[command(args_override_self = true)]
struct Line {
    #[command(flatten)]
    given: Given,
}

/// Starts both. `flags` are the worker's.
pub(crate) async fn start(registry: impl FnOnce() -> Registry, flags: &[&str]) -> (Arc<Orchestrator>, Worker) {
    let orchestrator = Arc::new(Orchestrator::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/_worker/workers/register", post(register))
        .route("/_worker/workers/{id}", patch(heartbeat))
        .route("/_worker/workers/{id}/tasks/next", get(next))
        .route("/_worker/tasks/results", post(results))
        .route("/_worker/tasks/{id}/progress", post(progress))
        .route("/_worker/tasks/{id}/commits", post(commit))
        .with_state(Arc::clone(&orchestrator));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });

    let work_dir = tempfile::tempdir().unwrap();
    let fixed =
        ["relevo-worker", "--url", &url, "--worker-token", "secret", "--worker-id", "w1", "--heartbeat-seconds", "1"];
    let place = ["--work-dir", work_dir.path().to_str().unwrap()];
    let line = Line::try_parse_from(fixed.iter().chain(&place).chain(flags)).unwrap();
    let settings = Settings::load(None, &line.given).unwrap();
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(worker::work(settings, registry(), shutdown.clone()));
    (orchestrator, Worker { shutdown, ended, _work_dir: work_dir })
}

type App = State<Arc<Orchestrator>>;

async fn register(State(app): App, headers: HeaderMap, Json(registration): Json<Registration>) -> Response {
    if headers.get("x-worker-token").is_none_or(|token| token != "secret") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    app.note(Told::Registered(registration));
    Json(json!({ "status": "registered" })).into_response()
}

async fn heartbeat(State(app): App, Json(beat): Json<Heartbeat>) -> Json<Value> {
    app.note(Told::Beat(beat));
    let cancelled = std::mem::take(&mut *app.cancelled.lock().unwrap());
    Json(json!({ "status": "ttl_refreshed", "cancel_task_ids": cancelled }))
}

#[derive(serde::Deserialize)]
struct Poll {
    wait: u64,
    max: usize,
}

async fn next(State(app): App, Query(poll): Query<Poll>) -> Response {
    if let Some(fault) = fault(&app.poll_faults) {
        return fault;
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(poll.wait);
    loop {
        let tasks: Vec<Task> = {
            let mut queue = app.queue.lock().unwrap();
            let count = poll.max.min(queue.len());
            queue.drain(..count).collect()
        };
        match tasks.as_slice() {
            [] if tokio::time::timeout_at(until, app.queued.notified()).await.is_err() => {
                return StatusCode::NO_CONTENT.into_response();
            }
            [] => {}
            [task] if poll.max == 1 => return Json(task).into_response(),
            tasks => return Json(json!({ "tasks": tasks })).into_response(),
        }
    }
}

async fn results(State(app): App, body: Bytes) -> Response {
    if *app.results_closed.lock().unwrap() {
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response();
    }
    if let Some(fault) = fault(&app.result_faults) {
        return fault;
    }
    if body.windows(INDIGESTIBLE.len()).any(|part| part == INDIGESTIBLE.as_bytes()) {
        return (StatusCode::PAYLOAD_TOO_LARGE, "too much").into_response();
    }
    let batch: ResultBatch = serde_json::from_slice(&body).unwrap();
    let replies: Vec<_> =
        batch.results.iter().map(|result| json!({ "status": format!("result_accepted_{}", result.status) })).collect();
    for result in batch.results {
        app.note(Told::Result(result));
    }
    Json(json!({ "results": replies })).into_response()
}

async fn progress(State(app): App, Path(task): Path<TaskId>, Json(report): Json<ProgressReport>) -> Response {
    if let Some(fault) = fault(&app.report_faults) {
        return fault;
    }
    let delay = *app.report_delay.lock().unwrap();
    tokio::time::sleep(delay).await;
    app.note(Told::Progress(task, report));
    Json(json!({ "status": "progress_accepted", "cancelled": false })).into_response()
}

async fn commit(State(app): App, Json(commit): Json<TableCommit>) -> Response {
    if let Some(fault) = fault(&app.commit_faults) {
        return fault;
    }
    let mut kept = serde_json::to_value(&commit).unwrap();
    kept["created_at"] = json!("2026-01-01T00:00:00.000Z");
    app.note(Told::Commit(commit));
    Json(kept).into_response()
}

/// The next planned fault, if any; 0 breaks the answer off in the middle of its body.
fn fault(planned: &Mutex<VecDeque<u16>>) -> Option<Response> {
    let status = planned.lock().unwrap().pop_front()?;
    if status == 0 {
        return Some(([("content-length", "1000")], "{").into_response());
    }
    Some((StatusCode::from_u16(status).unwrap(), [(RETRY_AFTER, "0")], "planned").into_response())
}
