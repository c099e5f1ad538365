//! The calls to the orchestrator: one method per route, one request per call. Never retries; callers know what waiting means.

use std::time::Duration;

use bytes::Bytes;
use relevo_shared::{
    TaskId,
    dataset::TableRef,
    problem::Problem,
    worker::{
        Heartbeat, HeartbeatReply, ProgressReply, ProgressReport, Registration, ResultReplies, TableCommit, Task,
        TaskBatch,
    },
};
use reqwest::{
    Method, RequestBuilder, StatusCode, Url,
    header::{
        CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{client::generate_key, derive_accept_key},
        protocol::Role,
    },
};

use crate::settings::Settings;

/// How long a poll waits at the orchestrator when there is nothing to do.
const WAIT: Duration = Duration::from_secs(30);
/// What any call may take beyond the time that it asked the orchestrator to wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// A WebSocket to the orchestrator.
pub type Socket = WebSocketStream<reqwest::Upgraded>;

/// Why a call gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody answered, or somebody answered that it is not the time. To be tried again.
    #[error("the orchestrator is away: {reason}")]
    Away {
        /// What happened.
        reason: String,
        /// How long the orchestrator asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The orchestrator does not know what the path names: the worker, or the task.
    #[error("the orchestrator does not know {0}")]
    Unknown(String),
    /// The token is not one of the orchestrator's.
    #[error("the orchestrator refused worker_token ({0})")]
    Unauthorized(StatusCode),
    /// Another worker holds the task.
    #[error("the lease is lost")]
    LeaseLost,
    /// The task is cancelled.
    #[error("the task is cancelled")]
    Cancelled,
    /// The request itself was refused; sending it again would not help.
    #[error("the orchestrator refused the request: {status} {reason}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// The reason that it gave.
        reason: String,
    },
}

impl CallError {
    /// How long the orchestrator asked to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Away { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn away(reason: impl Into<String>) -> Self {
        Self::Away { reason: reason.into(), retry_after: None }
    }
}

/// A connection pool to one orchestrator.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    register: Url,
    worker: Url,
    next: Url,
    socket: Url,
    results: Url,
    tasks: Url,
}

impl Client {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// The TLS library of this machine cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, reqwest::Error> {
        let mut token =
            HeaderValue::from_str(settings.worker_token.reveal()).expect("settings allow only printable ASCII");
        token.set_sensitive(true);
        let http = reqwest::Client::builder()
            .user_agent(concat!("relevo-worker/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([("x-worker-token".parse().expect("a header name"), token)]))
            .connect_timeout(Duration::from_secs(5))
            // A parked poll is silent for half a minute: probes tell a cut line from a quiet one.
            .tcp_keepalive(Duration::from_secs(10))
            .build()?;
        let route = |path: &str| settings.url.join(path).expect("fixed words and a checked worker id make a path");

        Ok(Self {
            http,
            register: route("_worker/workers/register"),
            worker: route(&format!("_worker/workers/{}", settings.worker_id)),
            next: route(&format!("_worker/workers/{}/tasks/next", settings.worker_id)),
            socket: route(&format!("_worker/ws/{}", settings.worker_id)),
            results: route("_worker/tasks/results"),
            tasks: route("_worker/tasks/"),
        })
    }

    /// Tells the orchestrator who this worker is and what it can do.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn register(&self, registration: &Registration) -> Result<(), CallError> {
        send(self.json(Method::POST, self.register.clone(), registration)).await?;
        Ok(())
    }

    /// Says that this worker lives and which tasks it holds.
    ///
    /// # Errors
    /// Any [`CallError`]; [`CallError::Unknown`] asks for a new registration.
    pub async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<HeartbeatReply, CallError> {
        read(&send(self.json(Method::PATCH, self.worker.clone(), heartbeat)).await?)
    }

    /// Waits for up to `max` tasks; none came when the list is empty.
    ///
    /// # Errors
    /// Any [`CallError`]; [`CallError::Unknown`] asks for a new registration.
    pub async fn next_tasks(&self, max: usize) -> Result<Vec<Task>, CallError> {
        let mut url = self.next.clone();
        url.set_query(Some(&format!("wait={}&max={max}", WAIT.as_secs())));
        let body = send(self.http.get(url).timeout(WAIT + PATIENCE)).await?;

        if body.is_empty() {
            Ok(Vec::new())
        } else if max > 1 {
            read(&body).map(|batch: TaskBatch| batch.tasks)
        } else {
            read(&body).map(|task: Task| vec![task])
        }
    }

    /// Posts a serialised `ResultBatch`.
    ///
    /// # Errors
    /// Any [`CallError`]; nothing in the batch was taken then, or it will be ignored as a duplicate.
    pub async fn post_results(&self, batch: Bytes) -> Result<ResultReplies, CallError> {
        let request = self.http.post(self.results.clone()).header(CONTENT_TYPE, "application/json").body(batch);
        read(&send(request.timeout(PATIENCE)).await?)
    }

    /// Opens the WebSocket on which commands come. The request is an ordinary one, so that whatever holds for the others,
    /// such as the trusted certificates, holds for it too.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn open_socket(&self) -> Result<Socket, CallError> {
        let key = generate_key();
        let request = self.http.get(self.socket.clone()).header(CONNECTION, "Upgrade").header(UPGRADE, "websocket");
        let request = request.header(SEC_WEBSOCKET_VERSION, "13").header(SEC_WEBSOCKET_KEY, &key);
        let answer = timeout(PATIENCE, request.send()).await.map_err(|_| CallError::away("no answer in time"))?;
        let answer = answer.map_err(|fault| CallError::away(whole(&fault)))?;
        let (status, accept) = (answer.status(), answer.headers().get(SEC_WEBSOCKET_ACCEPT));
        let accepted = accept.is_some_and(|accept| accept.as_bytes() == derive_accept_key(key.as_bytes()).as_bytes());
        if status != StatusCode::SWITCHING_PROTOCOLS || !accepted {
            return Err(CallError::Refused { status, reason: "no WebSocket is served".to_owned() });
        }
        let stream = answer.upgrade().await.map_err(|fault| CallError::away(whole(&fault)))?;
        Ok(Socket::from_raw_socket(stream, Role::Client, None).await)
    }

    /// Tells how far a task is.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn report_progress(&self, task: TaskId, report: &ProgressReport) -> Result<ProgressReply, CallError> {
        let url = self.tasks.join(&format!("{task}/progress")).expect("a task id is a path segment");
        read(&send(self.json(Method::POST, url, report)).await?)
    }

    /// Makes a table that lies in S3 a commit of a dataset.
    ///
    /// # Errors
    /// Any [`CallError`].
    pub async fn commit_table(&self, task: TaskId, commit: &TableCommit) -> Result<TableRef, CallError> {
        let url = self.tasks.join(&format!("{task}/commits")).expect("a task id is a path segment");
        read(&send(self.json(Method::POST, url, commit)).await?)
    }

    fn json(&self, method: Method, url: Url, body: &impl Serialize) -> RequestBuilder {
        self.http.request(method, url).json(body).timeout(PATIENCE)
    }
}

/// Sends a request and gives the body of a 2xx answer.
async fn send(request: RequestBuilder) -> Result<Bytes, CallError> {
    let answer = request.send().await.map_err(|fault| CallError::away(whole(&fault)))?;
    let status = answer.status();
    let retry_after =
        answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let path = answer.url().path().to_owned();
    let body = answer.bytes().await.map_err(|fault| CallError::away(whole(&fault)))?;
    if status.is_success() {
        return Ok(body);
    }
    let problem: Option<Problem> = serde_json::from_slice(&body).ok();
    let cancelled = problem.as_ref().is_some_and(|problem| problem.code == "task_cancelled");
    let reason = problem.map(|problem| problem.error);
    let reason = reason.unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned());
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => CallError::Unauthorized(status),
        StatusCode::NOT_FOUND => CallError::Unknown(path),
        StatusCode::CONFLICT if cancelled => CallError::Cancelled,
        StatusCode::CONFLICT => CallError::LeaseLost,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            CallError::Away { reason: format!("{status} {reason}"), retry_after }
        }
        status if status.is_server_error() => CallError::Away { reason: format!("{status} {reason}"), retry_after },
        status => CallError::Refused { status, reason },
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|fault| CallError::away(format!("its answer cannot be read: {fault}")))
}

/// An error with its causes: the cause is what a person needs ("connection refused"), and the outermost hides it.
fn whole(fault: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(fault.source(), |cause| cause.source());
    causes.fold(fault.to_string(), |text, cause| format!("{text}: {cause}"))
}
