//! What workers call: register, heartbeat, poll, progress, result; the rest of what they call is in the folder of this name.

mod access;
pub(super) mod commits;
pub(super) mod events;
pub(super) mod pace;
pub(super) mod socket;
pub(super) mod tokens;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use relevo_shared::{
    TaskId, WorkerId,
    worker::{
        Heartbeat, HeartbeatReply, ProgressReply, ProgressReport, Registered, Registration, ResultBatch, ResultReplies,
        ResultReply, Task, TaskBatch, TaskResult,
    },
};
use serde::Deserialize;
use serde_json::Map;
use tracing::error;
use utoipa::IntoParams;

use self::access::{MaybeSigned, Signed, WorkerAuth};
use super::{App, body, openapi};
use crate::{
    blobs::{MODELS, files_key},
    dispatch::Poll,
    domain::{dataset::TABLES, ranking::Candidate, task::speaks_well},
    engine::Accepted,
    error::{Error, Result},
    store::{ClaimedTask, LeaseAnswer, Renewed, WorkerRecord},
    traces::TRACE_PARENT,
};

const DEFAULT_WAIT_SECONDS: f64 = 30.0;
const LONGEST_WAIT_SECONDS: f64 = 60.0;
/// How long a poll waits that can do nothing at this moment.
const NOTHING_AVAILABLE: Duration = Duration::from_secs(1);
const MOST_TASKS: usize = 1000;
/// In characters.
const LONGEST_STATUS: usize = 128;

/// Registers a worker, or registers it anew.
#[utoipa::path(
    post,
    path = "/_worker/workers/register",
    tag = "workers",
    operation_id = "register_worker",
    request_body = Registration,
    responses((status = 200, description = "It is registered.", body = Registered), openapi::BadBody)
)]
pub(super) async fn register(
    State(app): State<App>,
    Signed(auth, registration): Signed<Registration>,
) -> Result<Json<Registered>> {
    auth.check(&registration.worker_id)?;
    app.registry.register(registration).await?;
    Ok(Json(Registered { status: "registered".to_owned() }))
}

/// Takes a worker's heartbeat, and renews the leases that it names.
///
/// An empty body only says that the worker lives. A worker that has been forgotten is registered from a heartbeat that
/// carries its skills, and answered 404 otherwise.
#[utoipa::path(
    patch,
    path = "/_worker/workers/{worker_id}",
    tag = "workers",
    operation_id = "heartbeat",
    params(("worker_id" = WorkerId, Path, description = "The worker.")),
    request_body = Option<Heartbeat>,
    responses(
        (status = 200, description = "It was heard.", body = HeartbeatReply),
        openapi::NotFound,
        openapi::BadBody,
    )
)]
pub(super) async fn heartbeat(
    State(app): State<App>,
    body::Path(worker): body::Path<String>,
    MaybeSigned(auth, heartbeat): MaybeSigned<Heartbeat>,
) -> Result<Json<HeartbeatReply>> {
    let worker = worker_id(&worker)?;
    auth.check(&worker)?;
    let mut reply = HeartbeatReply { status: "ttl_refreshed".to_owned(), ..HeartbeatReply::default() };
    let Some(heartbeat) = heartbeat else {
        app.registry.refresh(&worker).await?;
        return Ok(Json(reply));
    };
    let tasks: Vec<TaskId> = heartbeat.current_tasks.iter().flatten().filter_map(|id| id.parse().ok()).collect();
    let record = app.registry.heartbeat(&worker, heartbeat).await?;
    reply.require_full_sync = record.has_other_skills();
    reply.next_heartbeat_jitter_ms = record.heartbeat.skills_hash.is_some().then(|| jitter_ms(&record));
    let Renewed { mut lost, cancelled } = app.store.renew_leases(&worker, &tasks).await?;
    lost.extend_from_slice(&cancelled);
    reply.cancel_task_ids = lost;
    reply.cancelled_task_ids = cancelled;
    Ok(Json(reply))
}

/// Up to a tenth of the time between two heartbeats.
fn jitter_ms(record: &WorkerRecord) -> u64 {
    let most = u64::try_from(record.heartbeat_period().as_millis()).unwrap_or(u64::MAX) / 10;
    fastrand::u64(0..=most)
}

/// An id in a path. One that no worker can have is unknown, like one that no worker has.
pub(super) fn worker_id(text: &str) -> Result<WorkerId> {
    text.parse().map_err(|_| Error::WorkerNotFound)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NextQuery {
    /// Seconds to wait for a task; 30 when absent.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<f64>,
    /// The same under an older name.
    #[param(minimum = 0, maximum = 60)]
    timeout: Option<f64>,
    /// Tasks in one answer; 1 when absent.
    #[param(minimum = 1, maximum = 1000)]
    max: Option<usize>,
    /// Skills that can begin at once; all when absent.
    available_skills: Option<String>,
    hot_skills: Option<String>,
}

/// What `tasks/next` answers with.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes: a handler answers with one of the two")]
enum NextTasks {
    /// With `max` at 1: one task.
    One(Box<Task>),
    /// With `max` above 1: a list.
    Many(TaskBatch),
}

/// Waits for tasks that this worker can do, and leases them to it.
#[utoipa::path(
    get,
    path = "/_worker/workers/{worker_id}/tasks/next",
    tag = "workers",
    operation_id = "next_tasks",
    params(("worker_id" = WorkerId, Path, description = "The worker."), NextQuery),
    responses(
        (status = 200, description = "One task, or a list when `max` is above 1.", body = NextTasks),
        (status = 204, description = "There was none in time."),
        openapi::NotFound,
        openapi::BadQuery,
    )
)]
pub(super) async fn next_tasks(
    State(app): State<App>,
    auth: WorkerAuth,
    body::Path(worker): body::Path<String>,
    body::Query(query): body::Query<NextQuery>,
) -> Result<Response> {
    let worker = worker_id(&worker)?;
    auth.check(&worker)?;
    let record = app.registry.find(&worker).await?;
    let max = query.max.unwrap_or(1);
    if !(1..=MOST_TASKS).contains(&max) {
        return Err(Error::invalid("max", format!("must be 1 to {MOST_TASKS}")));
    }
    let wait = query.wait.or(query.timeout).unwrap_or(DEFAULT_WAIT_SECONDS);
    if !(0.0..=LONGEST_WAIT_SECONDS).contains(&wait) {
        return Err(Error::invalid("wait", format!("must be 0 to {LONGEST_WAIT_SECONDS} seconds")));
    }
    let polling = worker.clone();
    let mut poll = poll_of(worker, &record, max, Duration::from_secs_f64(wait));
    narrow(&mut poll, &query);
    let begun = Instant::now();
    let claimed = app.dispatch.next_tasks(poll).await?;
    app.metrics.poll_ended(!claimed.is_empty(), begun.elapsed());
    let mut tasks = Vec::new();
    for claimed in claimed {
        let id = claimed.id;
        match task_of(&app, &polling, claimed) {
            Ok(task) => tasks.push(task),
            // The others of the batch must not suffer for it; its lease ends by itself.
            Err(error) => error!(job = %id.job(), task = %id, %error, "a task cannot be handed out"),
        }
    }
    Ok(match (max, tasks.len()) {
        (_, 0) => StatusCode::NO_CONTENT.into_response(),
        (1, _) => Json(tasks.remove(0)).into_response(),
        _ => Json(TaskBatch { tasks }).into_response(),
    })
}

fn poll_of(worker: WorkerId, record: &WorkerRecord, max: usize, wait: Duration) -> Poll {
    let candidate = candidate_of(record);
    Poll { worker, profile: record.profile(), candidate, lease: record.lease(), max, wait }
}

/// How a worker stands among others, by what it said last.
fn candidate_of(record: &WorkerRecord) -> Candidate {
    let costs = record.registration.capabilities.as_ref().and_then(|said| said.get("cost_per_skill"));
    Candidate {
        load: record.heartbeat.load.unwrap_or(0.0),
        loaded: record.loaded_models().map(str::to_owned).collect(),
        hot_skills: record.heartbeat.hot_skills.iter().flatten().cloned().collect(),
        costs: costs.cloned().and_then(|costs| serde_json::from_value(costs).ok()).unwrap_or_default(),
        last_turn: 0,
    }
}

/// Takes what a poll says of this moment over what the worker said before.
fn narrow(poll: &mut Poll, query: &NextQuery) {
    let names = |list: &Option<String>| -> Option<BTreeSet<String>> {
        Some(list.as_ref()?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    };
    if let Some(available) = names(&query.available_skills) {
        poll.profile.skills.retain(|skill| available.contains(skill.as_str()));
        if poll.profile.skills.is_empty() {
            // Soon it can do something, and says so in another poll.
            poll.wait = poll.wait.min(NOTHING_AVAILABLE);
        }
    }
    if let Some(hot) = names(&query.hot_skills) {
        poll.candidate.hot_skills = hot;
    }
}

fn task_of(app: &App, worker: &WorkerId, claimed: ClaimedTask) -> Result<Task> {
    let params: Map<_, _> = serde_json::from_str(&claimed.params)
        .map_err(|error| Error::Broken(claimed.id.job(), format!("parameters of a task: {error}")))?;
    let trace = claimed.trace.map(|trace| app.traces.handed_out(trace, claimed.id, worker));
    Ok(Task {
        job_id: claimed.id.job(),
        task_id: claimed.id,
        skill: claimed.skill,
        params,
        tracing_context: trace.map(|trace| (TRACE_PARENT.to_owned(), trace)).into_iter().collect(),
        priority: claimed.priority,
        // Rounded up: the lease ends the task in time, and one second may be all it has.
        deadline: claimed.deadline.map(|ms| (ms + 999) / 1000),
        lease_token: Some(claimed.token),
        heartbeat_seconds: claimed.heartbeat_seconds,
        attempt: claimed.attempt,
        files_prefix: app.blobs.as_ref().map(|blobs| blobs.uri(&files_key(claimed.id.job()))),
        datasets_prefix: app.blobs.as_ref().map(|blobs| blobs.uri(TABLES)),
        models_prefix: app.blobs.as_ref().map(|blobs| blobs.uri(MODELS)),
    })
}

/// Takes the result of a task.
#[utoipa::path(
    post,
    path = "/_worker/tasks/result",
    tag = "workers",
    operation_id = "send_result",
    request_body = TaskResult,
    responses(
        (status = 200, description = "It counts, or it is the one that counted before.", body = ResultReply),
        openapi::LeaseLost,
        openapi::BadBody,
    )
)]
pub(super) async fn result(
    State(app): State<App>,
    Signed(auth, result): Signed<TaskResult>,
) -> Result<Json<ResultReply>> {
    let knows_leases = result.lease_token.is_some();
    match accept(&app, &auth, result).await {
        // It would take a refusal for a reason to send the result again, and hold up all others meanwhile.
        Err(Error::LeaseLost(_)) if auth.is_sdk && !knows_leases => {
            Ok(Json(ResultReply { status: "ignored".to_owned(), reason: Some("stale_task".to_owned()) }))
        }
        answer => answer.map(Json),
    }
}

/// Takes many results; each is judged by itself.
#[utoipa::path(
    post,
    path = "/_worker/tasks/results",
    tag = "workers",
    operation_id = "send_results",
    request_body = ResultBatch,
    responses((status = 200, description = "One answer for each.", body = ResultReplies), openapi::BadBody)
)]
pub(super) async fn results(
    State(app): State<App>,
    Signed(auth, batch): Signed<ResultBatch>,
) -> Result<Json<ResultReplies>> {
    let each = batch.results.into_iter().map(|result| async {
        match accept(&app, &auth, result).await {
            Err(Error::LeaseLost(_)) => Ok(ResultReply { status: "lease_lost".to_owned(), reason: None }),
            other => other,
        }
    });
    // All are awaited before one of them may fail the call, so that none is cut between its two scripts.
    let results = futures_util::future::join_all(each).await.into_iter().collect::<Result<_>>()?;
    Ok(Json(ResultReplies { results }))
}

async fn accept(app: &App, auth: &WorkerAuth, result: TaskResult) -> Result<ResultReply> {
    auth.check(&result.worker_id)?;
    if result.status.chars().count() > LONGEST_STATUS {
        return Err(Error::invalid("status", format!("must be a word of at most {LONGEST_STATUS} characters")));
    }
    app.reports.settle(result.task_id).await;
    let (word, worker, well) = (result.status.clone(), result.worker_id.clone(), speaks_well(&result));
    let accepted = app.engine.finish_task(result).await?;
    if let (Accepted::Result, Some(well)) = (&accepted, well) {
        app.ratings.count(&worker, well);
    }
    let status = match accepted {
        Accepted::Result | Accepted::Released => format!("result_accepted_{word}"),
        Accepted::Duplicate => "result_ignored_duplicate".to_owned(),
    };
    Ok(ResultReply { status, reason: None })
}

/// Takes what a running task tells of itself, and says whether it should stop.
#[utoipa::path(
    post,
    path = "/_worker/tasks/{task_id}/progress",
    tag = "workers",
    operation_id = "report_progress",
    params(("task_id" = TaskId, Path, description = "The task.")),
    request_body = ProgressReport,
    responses(
        (status = 200, description = "It was heard.", body = ProgressReply),
        openapi::NotFound,
        openapi::BadBody,
    )
)]
pub(super) async fn progress(
    State(app): State<App>,
    body::Path(task): body::Path<String>,
    Signed(auth, report): Signed<ProgressReport>,
) -> Result<Json<ProgressReply>> {
    auth.check(&report.worker_id)?;
    let task: TaskId = task.parse().map_err(|_| Error::NotFound(format!("there is no task {task:?}")))?;
    let cancelled = app.reports.take(task, report).await? != LeaseAnswer::Accepted;
    Ok(Json(ProgressReply { status: "progress_accepted".to_owned(), cancelled }))
}
