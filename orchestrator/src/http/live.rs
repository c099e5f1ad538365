//! Watch a job while it runs: over a WebSocket, or as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{
        State,
        ws::{
            CloseFrame, Message as Frame, Utf8Bytes, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection,
        },
    },
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use relevo_shared::{JobId, job::LogLevel, live::JobMessage};
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{Instant, interval, timeout},
};
use utoipa::IntoParams;

use super::{App, auth::Client, body, jobs::own_job, openapi};
use crate::{
    error::{Error, Result},
    live::{Feed, Message, Transport, Watchers, Wish},
};

/// The route on which the query may have the token.
pub(super) const STREAM: &str = "/api/jobs/{job_id}/stream";

/// How often the other end of a WebSocket must show that it is there.
const PING: Duration = Duration::from_secs(20);
/// After this long without a word or a pong it is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// How often server-sent events say that nothing has happened.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long the last word may wait for the other end to read what came before it.
const LAST_WORD: Duration = Duration::from_secs(10);
/// How long the other end may take to close after this one.
const FAREWELL: Duration = Duration::from_secs(2);
/// A watcher has nothing to say; what it says is read for its pongs and its farewell.
const HEARD: usize = 4 * 1024;

/// Why a WebSocket is closed, by the codes of RFC 6455 and its registry.
const DONE: u16 = 1000;
const AWAY: u16 = 1001;
const TRY_AGAIN_LATER: u16 = 1013;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LiveQuery {
    /// The `seq` of the last message that is known: those after it come. When absent, first comes how the job stands.
    since: Option<u64>,
    /// The lines of the job's log too, from this gravity on.
    #[param(inline)]
    logs: Option<LogLevel>,
    /// `false` leaves out the figures that the job's tasks measure.
    metrics: Option<bool>,
    /// Read where the client is made out.
    #[param(ignore)]
    #[expect(dead_code, reason = "it is named so that it is not unknown")]
    token: Option<serde::de::IgnoredAny>,
}

/// Opens a WebSocket on which all comes that happens to a job.
///
/// Each message is a JSON object with `type` and `seq`. It is closed with 1000 after `completed` or a fatal `error`, with
/// 1001 when the server stops, and with 1013 when messages are not taken; after the last two, connect again with
/// `?since=<seq>`. A browser, which cannot send a header here, may send its token as `?token=`.
#[utoipa::path(
    get,
    path = "/api/jobs/{job_id}/stream",
    tag = "jobs",
    operation_id = "stream_job",
    params(
        ("job_id" = JobId, Path, description = "The job."),
        LiveQuery,
        ("token" = Option<String>, Query, description = "The token of the client, where no header can be sent."),
    ),
    responses(
        (status = 101, description = "The WebSocket is open.", body = JobMessage),
        openapi::NotFound,
        openapi::BadQuery,
    )
)]
pub(super) async fn stream(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
    body::Query(query): body::Query<LiveQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response> {
    let job = own_job(&app, &client, &id).await?;
    let upgrade = upgrade.map_err(|_| Error::invalid("Upgrade", "must be websocket: nothing else is served here"))?;
    let wish = Wish {
        transport: Transport::WebSocket,
        since: query.since,
        logs: query.logs,
        metrics: query.metrics != Some(false),
    };
    let feed = Feed::begin(&app.watchers, job, &client.name, wish).await?;
    let upgrade = upgrade.max_message_size(HEARD).read_buffer_size(HEARD).write_buffer_size(0);
    Ok(upgrade.on_upgrade(async move |socket| {
        let watchers = Arc::clone(&app.watchers);
        app.watchers.spawn(converse(watchers, feed, socket));
    }))
}

/// Sends messages until one side has had enough, and says why it is this one.
async fn converse(watchers: Arc<Watchers>, mut feed: Feed, mut socket: WebSocket) {
    let farewell = send_all(&watchers, &mut feed, &mut socket).await;
    // Whoever watches no more is not counted while it takes its time to go.
    drop(feed);
    let Some((code, reason)) = farewell else { return };
    let close = Frame::Close(Some(CloseFrame { code, reason: reason.into() }));
    if let Ok(Ok(())) = timeout(LAST_WORD, socket.send(close)).await {
        // The other end closes too, and has then read all that was said.
        let _ = timeout(FAREWELL, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}

/// Answers what to close with, where there is still somebody to hear it.
async fn send_all(watchers: &Watchers, feed: &mut Feed, socket: &mut WebSocket) -> Option<(u16, String)> {
    let mut ping = interval(PING);
    let mut heard = Instant::now();
    loop {
        let frame = tokio::select! {
            () = watchers.stopping() => {
                let seq = feed.seq();
                return Some((AWAY, format!("the orchestrator is stopping: reconnect with ?since={seq}")));
            }
            message = feed.next() => match message {
                Some(message) => Frame::Text(text_of(message)),
                None => return Some((DONE, "that was all".to_owned())),
            },
            said = socket.recv() => {
                said?.ok()?;
                heard = Instant::now();
                continue;
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE {
                    return None;
                }
                Frame::Ping(bytes::Bytes::new())
            }
        };
        match timeout(watchers.patience(), socket.send(frame)).await {
            Ok(sent) => sent.ok()?,
            Err(_) => {
                watchers.dropped(Transport::WebSocket);
                // The message that was being sent arrives whole before this, or not at all.
                return Some((TRY_AGAIN_LATER, format!("too slow: reconnect with ?since={}", feed.seq())));
            }
        }
    }
}

fn text_of(message: Message) -> Utf8Bytes {
    Utf8Bytes::try_from(message.text).expect("JSON is UTF-8")
}

/// An event of the stream.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it only describes: events are written as text")]
struct JobEvent {
    /// The `seq` of the message.
    #[schema(pattern = "^[0-9]+$")]
    id: String,
    /// Its `type`.
    event: String,
    /// The message, as JSON: a `JobMessage`.
    data: String,
}

/// Tells all that happens to a job as server-sent events.
///
/// Each event has the `seq` of its message as `id`, its `type` as `event`, and the whole message as `data`: those of the WebSocket.
/// A reader that is cut off connects again with `Last-Event-ID`, as browsers do by themselves, and misses nothing; 204 tells
/// it that it has had the last one.
#[utoipa::path(
    get,
    path = "/api/jobs/{job_id}/events",
    tag = "jobs",
    operation_id = "get_job_events",
    params(
        ("job_id" = JobId, Path, description = "The job."),
        LiveQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "As `since`, and goes before it.", nullable = false),
    ),
    responses(
        (status = 200, description = "Events until the job ends.", body = JobEvent, content_type = "text/event-stream"),
        (status = 204, description = "The event that `Last-Event-ID` names was the last one."),
        openapi::NotFound,
        openapi::BadQuery,
    )
)]
pub(super) async fn events(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
    body::Query(query): body::Query<LiveQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let last = last_event(&headers)?;
    let job = own_job(&app, &client, &id).await?;
    if let Some(last) = last
        && app.watchers.is_over_at(job, last).await?
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let wish = Wish {
        transport: Transport::Sse,
        since: last.or(query.since),
        logs: query.logs,
        metrics: query.metrics != Some(false),
    };
    let feed = Feed::begin(&app.watchers, job, &client.name, wish).await?;
    let (events, mut taken) = mpsc::channel(1);
    app.watchers.spawn(pass_on(Arc::clone(&app.watchers), feed, events));
    let events = stream::poll_fn(move |context| taken.poll_recv(context));
    // Proxies keep back what they may keep.
    Ok(([("x-accel-buffering", "no")], Sse::new(events)).into_response())
}

fn last_event(headers: &HeaderMap) -> Result<Option<u64>> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let seq = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    seq.map(Some).ok_or_else(|| Error::invalid("Last-Event-ID", "must be the id of an event: a whole number"))
}

/// Passes messages on until one side has had enough. A reader that takes none for too long finds the end of the stream.
async fn pass_on(watchers: Arc<Watchers>, mut feed: Feed, events: mpsc::Sender<Result<Event, Infallible>>) {
    let mut heartbeat = interval(HEARTBEAT);
    loop {
        let event = tokio::select! {
            () = watchers.stopping() => return,
            () = events.closed() => return,
            message = feed.next() => match message {
                Some(message) => {
                    heartbeat.reset();
                    let (id, kind) = (message.seq.to_string(), message.kind);
                    Event::default().id(id).event(kind).data(text_of(message).as_str())
                }
                None => return,
            },
            _ = heartbeat.tick() => Event::default().comment("still here"),
        };
        match timeout(watchers.patience(), events.send(Ok(event))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => return watchers.dropped(Transport::Sse),
        }
    }
}
