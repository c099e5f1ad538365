//! The WebSocket of a worker: commands go out on it, progress and events come in.

use std::time::Duration;

use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::Response,
};
use relevo_shared::{
    WorkerId,
    command::{Command, ProgressUpdate, WorkerMessage},
};
use tokio::time::{Instant, interval, timeout};
use tracing::debug;

use super::{
    super::{App, body, openapi},
    access::WorkerAuth,
    events, worker_id,
};
use crate::{
    dispatch::Line,
    error::{Error, Result},
};

/// How often the other end must show that it is there, and the note of the open WebSocket is renewed.
const PING: Duration = Duration::from_secs(10);
/// After this long without a word or a pong the other end is gone.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a message may take to be taken in.
const PATIENCE: Duration = Duration::from_secs(5);

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// Opens the WebSocket of a worker.
///
/// Commands come on it: `{"command": "cancel_task", "task_id", "job_id"}` and `{"command": "drain"}`. Events may be sent on
/// it in place of `POST /_worker/events`. A second one of the same worker closes the first with 1008; a server that stops
/// closes with 1001.
#[utoipa::path(
    get,
    path = "/_worker/ws/{worker_id}",
    tag = "workers",
    operation_id = "open_worker_socket",
    params(("worker_id" = WorkerId, Path, description = "The worker.")),
    responses((status = 101, description = "The WebSocket is open."), openapi::NotFound, openapi::BadQuery)
)]
pub(in crate::http) async fn of_worker(
    State(app): State<App>,
    auth: WorkerAuth,
    body::Path(worker): body::Path<String>,
    upgrade: Upgrade,
) -> Result<Response> {
    let worker = worker_id(&worker)?;
    auth.check(&worker)?;
    open(app, auth, Some(worker), upgrade)
}

/// Opens the WebSocket of a worker that does not say who it is.
///
/// Its token or `X-Worker-ID` may say so; else its first message about a task does.
#[utoipa::path(
    get,
    path = "/_worker/ws",
    tag = "workers",
    operation_id = "open_socket",
    params(("X-Worker-ID" = Option<String>, Header, description = "The worker.")),
    responses((status = 101, description = "The WebSocket is open."), openapi::BadQuery)
)]
pub(in crate::http) async fn of_somebody(
    State(app): State<App>,
    auth: WorkerAuth,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response> {
    let worker = auth.worker(&headers);
    open(app, auth, worker, upgrade)
}

fn open(app: App, auth: WorkerAuth, worker: Option<WorkerId>, upgrade: Upgrade) -> Result<Response> {
    let upgrade = upgrade.map_err(|_| Error::invalid("Upgrade", "must be websocket: nothing else is served here"))?;
    let upgrade = upgrade.max_message_size(app.limits.json);
    Ok(upgrade.on_upgrade(async move |socket| {
        let commands = std::sync::Arc::clone(&app.commands);
        // Waited for when the server stops, so that its last words are said.
        commands.spawn(async move {
            let line = match worker {
                Some(worker) => app.commands.open(worker).await.map(Some),
                None => Ok(None),
            };
            match line {
                Ok(line) => Conversation { app, auth, socket, line }.run().await,
                Err(error) => debug!(%error, "a websocket is closed at once"),
            }
        });
    }))
}

struct Conversation {
    app: App,
    auth: WorkerAuth,
    socket: WebSocket,
    /// None until it is known whose it is.
    line: Option<Line>,
}

impl Conversation {
    async fn run(mut self) {
        let farewell = self.talk().await;
        if let Some(line) = self.line.take() {
            self.app.commands.close(line).await;
        }
        if let Some((code, reason)) = farewell {
            let _ = self.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
            // The other end closes too, and has then read all that was said.
            let _ = timeout(PATIENCE, async { while let Some(Ok(_)) = self.socket.recv().await {} }).await;
        }
    }

    /// Talks until either end has had enough. Answers what to close with, where there is still somebody to hear it.
    async fn talk(&mut self) -> Option<(u16, &'static str)> {
        let mut ping = interval(PING);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                () = self.app.commands.stopping() => return Some((close_code::AWAY, "the orchestrator is stopping")),
                command = next_command(&mut self.line) => match command {
                    Some(command) => self.send(Message::text(text(&command))).await.ok()?,
                    None => return Some((close_code::POLICY, "this worker has connected again")),
                },
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE {
                        return None;
                    }
                    self.send(Message::Ping(bytes::Bytes::new())).await.ok()?;
                    if let Some(line) = &self.line
                        && let Err(error) = self.app.commands.renew(line).await
                    {
                        debug!(worker = %line.worker, %error, "the note of an open websocket is not renewed");
                    }
                }
                message = self.socket.recv() => {
                    let message = message?.ok()?;
                    heard = Instant::now();
                    if let Message::Text(said) = message
                        && let Err(error) = self.hear(said.as_str()).await
                    {
                        debug!(%error, "a message on a websocket is ignored");
                    }
                }
            }
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), axum::Error> {
        timeout(PATIENCE, self.socket.send(message)).await.map_err(axum::Error::new)?
    }

    async fn hear(&mut self, said: &str) -> Result<()> {
        self.auth.verify(said.as_bytes())?;
        match body::parse(said.as_bytes())? {
            WorkerMessage::Event(event) => {
                self.auth.check(&event.worker_id)?;
                self.is_of(&event.worker_id).await?;
                if let Some((task, report)) = events::told(event) {
                    self.app.reports.note(task, report)?;
                }
            }
            WorkerMessage::Progress(update) => {
                let worker = self.teller(&update).await?;
                let report = events::progress(worker, update.progress, update.message);
                self.app.reports.note(update.task_id, report)?;
            }
        }
        Ok(())
    }

    /// Who tells of progress: whose WebSocket this is, or else who holds the task.
    async fn teller(&mut self, update: &ProgressUpdate) -> Result<WorkerId> {
        if let Some(line) = &self.line {
            return Ok(line.worker.clone());
        }
        let holder = self.app.store.holder(update.task_id).await?;
        let holder = holder.ok_or_else(|| Error::LeaseLost(update.task_id.to_string()))?;
        self.auth.check(&holder)?;
        self.is_of(&holder).await?;
        Ok(holder)
    }

    /// Notes whose WebSocket this is, when that was not known before.
    async fn is_of(&mut self, worker: &WorkerId) -> Result<()> {
        if self.line.is_none() {
            self.line = Some(self.app.commands.open(worker.clone()).await?);
        }
        Ok(())
    }
}

/// Waits for ever while it is not known whose WebSocket it is.
async fn next_command(line: &mut Option<Line>) -> Option<Command> {
    match line {
        Some(line) => line.next().await,
        None => std::future::pending().await,
    }
}

fn text(command: &Command) -> String {
    serde_json::to_string(command).expect("a command has string keys only")
}
