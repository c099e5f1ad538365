//! `Idempotency-Key`: the same POST under the same key is served once, and its answer given again.

use std::panic;

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use relevo_shared::JobId;
use sha2::{Digest, Sha256};
use tracing::warn;

use super::{App, auth::Client, body};
use crate::{
    error::{Error, Result},
    store::{AnswerPlace, Reservation, Turn},
};

const KEY: &str = "idempotency-key";
/// Characters of a key.
pub(super) const LONGEST: usize = 255;

/// Serves a client's POST that comes with a key once; any other request is none of its business.
pub(super) async fn once(State(app): State<App>, request: Request, next: Next) -> Result<Response> {
    // Workers and the public have other ways of saying a thing twice; what no route takes does nothing.
    let is_clients = !request.uri().path().starts_with("/_") && request.extensions().get::<MatchedPath>().is_some();
    if request.method() != Method::POST || !is_clients || !request.headers().contains_key(KEY) {
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let client = Client::from_request_parts(&mut parts, &app).await?;
    let key = hex::encode(Sha256::digest(key(&parts.headers)?));
    let body = body::read(&parts.headers, body, &app).await?;
    let place = AnswerPlace { client: &client.name, key: &key };
    match app.store.reserve_answer(place, &digest(&parts, &body)).await? {
        Reservation::Held(turn) => {
            parts.extensions.insert(DerivedId(derived_id(place, turn)));
            let request = Request::from_parts(parts, Body::from(body));
            // A client that hangs up must not leave the work half done.
            let serving = tokio::spawn(serve(app, client, key, turn, request, next));
            serving.await.unwrap_or_else(|ended| match ended.try_into_panic() {
                Ok(panic) => panic::resume_unwind(panic),
                Err(ended) => Err(Error::Panicked(ended.to_string())),
            })
        }
        Reservation::Answered { status, body } => Ok(again(status, body)),
        Reservation::InProgress => Err(Error::IdempotencyInProgress),
        Reservation::Reused => Err(Error::IdempotencyKeyReused),
    }
}

/// Serves a request and keeps its answer when it is a success.
async fn serve(app: App, client: Client, key: String, turn: Turn, request: Request, next: Next) -> Result<Response> {
    let (parts, body) = next.run(request).await.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|error| Error::Panicked(error.to_string()))?;
    let place = AnswerPlace { client: &client.name, key: &key };
    let written = if parts.status.is_success() {
        app.store.keep_answer(place, turn, parts.status.as_u16(), &body).await
    } else {
        app.store.leave_answer(place, turn, parts.status.is_client_error()).await
    };
    if let Err(error) = written {
        // The lock ends by itself; then the same request leads to the same job.
        warn!(%error, client = client.name, "an answer could not be kept under its idempotency key");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn again(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true")),
    ];
    (status, headers, body).into_response()
}

/// The key of a request: one header of printable ASCII.
fn key(headers: &HeaderMap) -> Result<&str> {
    let wrong = || Error::invalid("Idempotency-Key", format!("must be one header of 1 to {LONGEST} printable ASCII"));
    let mut values = headers.get_all(KEY).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(key), None)
            if (1..=LONGEST).contains(&key.len()) && key.bytes().all(|byte| matches!(byte, b' '..=b'~')) =>
        {
            Ok(key)
        }
        _ => Err(wrong()),
    }
}

/// Tells the same request from another one.
fn digest(parts: &Parts, body: &[u8]) -> String {
    let path = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), |path| path.as_str());
    hex::encode(Sha256::new().chain_update(path).chain_update([0]).chain_update(body).finalize())
}

/// The id of the job that a request under a key creates: the same in every turn, so that one who takes over from a replica
/// that died submits the job that may be there already.
fn derived_id(place: AnswerPlace<'_>, turn: Turn) -> JobId {
    let AnswerPlace { client, key } = place;
    let seed = Sha256::digest(format!("{client}\0{key}\0{}", turn.made_at));
    JobId::derived(turn.made_at, seed.first_chunk().expect("a hash is longer than that"))
}

#[derive(Debug, Clone, Copy)]
struct DerivedId(JobId);

/// The id for a job that this request creates, where its idempotency key gives one.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewId(pub(super) Option<JobId>);

impl<S: Sync> FromRequestParts<S> for NewId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<DerivedId>().map(|derived| derived.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(KEY, HeaderValue::from_bytes(value).expect("a header may hold it"));
        }
        key(&headers).ok().map(str::to_owned)
    }

    #[test]
    fn a_key_is_one_header_of_printable_ascii() {
        let longest = "k".repeat(LONGEST);

        assert_eq!(read(&[b"order 7!"]), Some("order 7!".to_owned()));
        assert_eq!(read(&[longest.as_bytes()]), Some(longest.clone()));
        let wrong: [&[&[u8]]; 5] = [&[], &[b""], &[b"a\tb"], &["a\u{f1}o".as_bytes()], &[b"one", b"two"]];
        for wrong in wrong {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert_eq!(read(&[format!("{longest}k").as_bytes()]), None);
    }

    #[test]
    fn every_turn_of_a_key_leads_to_the_same_job() {
        let id = |client, key, number, made_at| derived_id(AnswerPlace { client, key }, Turn { number, made_at });

        assert_eq!(id("shop", "k", 1, 1_700_000_000_000), id("shop", "k", 2, 1_700_000_000_000));
        assert_ne!(id("shop", "k", 1, 1_700_000_000_000), id("bank", "k", 1, 1_700_000_000_000));
        assert_ne!(id("shop", "k", 1, 1_700_000_000_000), id("shop", "k", 1, 1_700_000_000_001));
    }
}
