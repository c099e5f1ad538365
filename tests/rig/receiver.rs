//! A receiver of webhooks that a test plays: it keeps what it gets, and answers as it is told.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Response, Uri},
};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime};

use crate::{SOON, until};

/// What a receiver does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with this status.
    Status(u16),
    /// Answers with this status and one header.
    With(u16, &'static str, String),
    /// Never answers.
    Silence,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// When it came.
    pub at: Instant,
}

impl Received {
    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a webhook is JSON")
    }

    /// One header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("{name} is missing: {:?}", self.headers));
        value.to_str().expect("a webhook's headers are text")
    }
}

type Inbox = Arc<Mutex<Vec<Received>>>;

/// A running receiver.
#[derive(Debug)]
pub struct Receiver {
    url: String,
    inbox: Inbox,
    _runtime: Runtime,
}

impl Receiver {
    /// Starts one on loopback that answers each request, of which `nth` came before, as `answer` says.
    #[must_use]
    pub fn start(answer: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, answer)
    }

    /// Starts one on this address.
    #[must_use]
    pub fn start_at(address: Ipv4Addr, answer: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime needs no outside help");
        let listener = runtime.block_on(TcpListener::bind((address, 0))).expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
        let (inbox, answer) = (Inbox::default(), Arc::new(answer));
        let kept = Arc::clone(&inbox);
        let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let received = Received { path: uri.path().to_owned(), headers, body: body.to_vec(), at: Instant::now() };
            let reply = {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let reply = answer(kept.len(), &received);
                kept.push(received);
                reply
            };
            respond(reply)
        });
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, inbox, _runtime: runtime }
    }

    /// The URL of a path here.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What has come so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many requests have come, and gives them.
    #[must_use]
    pub fn wait(&self, count: usize) -> Vec<Received> {
        until(&format!("{count} webhooks to arrive"), SOON, || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
    }
}

async fn respond(reply: Reply) -> Response<String> {
    let answer = match reply {
        Reply::Status(status) => Response::builder().status(status),
        Reply::With(status, name, value) => Response::builder().status(status).header(name, value),
        Reply::Silence => std::future::pending().await,
    };
    answer.body(String::new()).expect("the test names a status and a header that exist")
}
