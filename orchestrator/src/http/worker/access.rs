//! Which worker is asking: by a token of the settings, or by a short-lived one that was made from it.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
};
use relevo_shared::{WorkerId, secret::Secret};
use serde::de::DeserializeOwned;

use super::super::{App, address, body, limits};
use crate::{
    clients::{Fingerprint, Signatures, WorkerToken},
    domain::{
        seal::{Seal, seal},
        worker_token::{self, Claims},
    },
    error::{Error, Result},
    time::now_ms,
};

/// A worker that has shown its token.
#[derive(Debug, Clone)]
pub(in crate::http) struct WorkerAuth {
    /// The one worker that the token is for; any when `None`.
    only: Option<String>,
    /// As it was shown: the key of signatures.
    token: Secret,
    /// When it was made, for a short-lived one; in seconds since 1970.
    made_at: Option<i64>,
    signatures: Signatures,
    /// The settings' token that it is, or was made from.
    pub(super) parent: Fingerprint,
    /// Whether it is built on the SDK of the field, which takes any error for a reason to send a result again.
    pub(super) is_sdk: bool,
}

impl WorkerAuth {
    /// Makes sure that the token is for this worker.
    pub(in crate::http) fn check(&self, worker: &WorkerId) -> Result<()> {
        match &self.only {
            Some(only) if only != worker.as_str() => Err(Error::Unauthorized("a token for this worker")),
            _ => Ok(()),
        }
    }

    /// The one worker that the token is for, else the one that the request names.
    pub(super) fn worker(&self, headers: &HeaderMap) -> Option<WorkerId> {
        let named = || headers.get("x-worker-id").and_then(|value| value.to_str().ok());
        self.only.as_deref().or_else(named).and_then(|name| name.parse().ok())
    }

    /// Makes sure that a body is signed as the settings ask for.
    pub(super) fn verify(&self, body: &[u8]) -> Result<()> {
        if self.signatures == Signatures::Off {
            return Ok(());
        }
        let required = self.signatures == Signatures::Required;
        match seal(body, self.token.reveal()) {
            Seal::Right => Ok(()),
            Seal::Absent if !required => Ok(()),
            // Made with the token before this one, whose text is known no more.
            Seal::Wrong if !required && signed_at(body).zip(self.made_at).is_some_and(|(at, made)| at <= made) => {
                Ok(())
            }
            Seal::Absent | Seal::Wrong => Err(Error::Unauthorized("the body's signature by the worker's token")),
        }
    }

    fn of_settings(known: &WorkerToken, headers: &HeaderMap, token: &str) -> Self {
        Self {
            only: known.worker_id.clone(),
            token: Secret::new(token.to_owned()),
            made_at: None,
            signatures: known.signatures,
            parent: known.fingerprint,
            is_sdk: headers.contains_key("x-rxon-version"),
        }
    }
}

impl FromRequestParts<App> for WorkerAuth {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        counted(app, parts, shown(&parts.headers), Claims::is_fresh).await
    }
}

/// A worker whose token can be exchanged, though it may not open doors any more.
#[derive(Debug)]
pub(in crate::http) struct Exchange(pub(super) WorkerAuth);

impl FromRequestParts<App> for Exchange {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        Self::by(app, parts, shown(&parts.headers)).await
    }
}

impl Exchange {
    /// By a token that need not be the one in the header.
    pub(super) async fn by(app: &App, parts: &Parts, token: Option<&str>) -> Result<Self> {
        counted(app, parts, token, |_, _| true).await.map(Self)
    }
}

fn shown(headers: &HeaderMap) -> Option<&str> {
    headers.get("x-worker-token").and_then(|value| value.to_str().ok())
}

/// Finds out whose token this is. One that nobody has counts against the address that it came from.
async fn counted(
    app: &App,
    parts: &Parts,
    token: Option<&str>,
    may: impl Fn(&Claims, i64) -> bool,
) -> Result<WorkerAuth> {
    if let Some(token) = token
        && let Some(auth) = authenticate(app, &parts.headers, token, may).await?
    {
        return Ok(auth);
    }
    let address = address::of(parts, &app.gate.trusted_proxies);
    limits::spend_for_unknown_token(app, &parts.extensions, address).await?;
    Err(Error::Unauthorized("the X-Worker-Token header"))
}

async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    token: &str,
    may: impl Fn(&Claims, i64) -> bool,
) -> Result<Option<WorkerAuth>> {
    let known = app.directory.current();
    if !worker_token::is_one(token) {
        return Ok(known.worker(token).map(|known| WorkerAuth::of_settings(known, headers, token)));
    }
    let now = now_ms() / 1000;
    let Some(claims) = read_claims(app, token, now).await?.filter(|claims| may(claims, now)) else { return Ok(None) };
    let Some(parent) = known.worker_by_fingerprint(claims.parent) else { return Ok(None) };
    let auth = WorkerAuth::of_settings(parent, headers, token);
    let worker = claims.worker.map(String::from);
    // The settings may have bound the token to another worker since.
    let allowed = auth.only.is_none() || auth.only == worker;
    Ok(allowed.then_some(WorkerAuth { only: worker, made_at: Some(claims.made_at), ..auth }))
}

/// Reads a short-lived token with the secret in memory, and with Redis's when that does not fit.
async fn read_claims(app: &App, token: &str, now: i64) -> Result<Option<Claims>> {
    if let Some(claims) = Claims::read(token, &app.store.secret().await?, now) {
        return Ok(Some(claims));
    }
    Ok(Claims::read(token, &app.store.agree_on_secret().await?, now))
}

/// When a body says that it was signed, in seconds since 1970.
fn signed_at(body: &[u8]) -> Option<i64> {
    #[derive(serde::Deserialize)]
    struct Signed {
        timestamp: Option<i64>,
    }
    serde_json::from_slice::<Signed>(body).ok()?.timestamp
}

/// A JSON body and the worker that sent it, with its signature verified.
#[derive(Debug)]
pub(in crate::http) struct Signed<T>(pub(super) WorkerAuth, pub(super) T);

/// The same for a body that may be empty.
#[derive(Debug)]
pub(in crate::http) struct MaybeSigned<T>(pub(super) WorkerAuth, pub(super) Option<T>);

impl<T: DeserializeOwned> FromRequest<App> for Signed<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (auth, body) = verified(request, app).await?;
        Ok(Self(auth, body::parse(&body)?))
    }
}

impl<T: DeserializeOwned> FromRequest<App> for MaybeSigned<T> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (auth, body) = verified(request, app).await?;
        Ok(Self(auth, if body.is_empty() { None } else { body::parse(&body)? }))
    }
}

async fn verified(request: Request, app: &App) -> Result<(WorkerAuth, bytes::Bytes)> {
    let (mut parts, body) = request.into_parts();
    let auth = WorkerAuth::from_request_parts(&mut parts, app).await?;
    let body = body::read(&parts.headers, body, app).await?;
    auth.verify(&body)?;
    Ok((auth, body))
}
