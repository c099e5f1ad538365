//! Which worker is asking: by a token of the settings, or by a short-lived one that was made from it.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
};
use relevo_shared::{WorkerId, secret::Secret};
use serde::de::DeserializeOwned;

use super::super::{App, auth::known_worker, body};
use crate::{
    domain::{
        seal::{Seal, seal},
        worker_token::{self, Claims},
    },
    error::{Error, Result},
    settings::{Signatures, WorkerSettings},
    time::now_ms,
};

/// Digits of a token's hash that a token made from it repeats.
const PARENT_DIGITS: usize = 16;

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
    /// The start of the hash of the settings' token.
    pub(super) parent: String,
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

    fn of_settings(settings: &WorkerSettings, headers: &HeaderMap, token: &str) -> Self {
        Self {
            only: settings.worker_id.clone(),
            token: Secret::new(token.to_owned()),
            made_at: None,
            signatures: settings.signatures,
            parent: settings.token_sha256[..PARENT_DIGITS].to_ascii_lowercase(),
            is_sdk: headers.contains_key("x-rxon-version"),
        }
    }
}

impl FromRequestParts<App> for WorkerAuth {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        authenticate(app, &parts.headers, shown(&parts.headers)?, Claims::is_fresh).await
    }
}

/// A worker whose token can be exchanged, though it may not open doors any more.
#[derive(Debug)]
pub(in crate::http) struct Exchange(pub(super) WorkerAuth);

impl FromRequestParts<App> for Exchange {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        Self::by(app, &parts.headers, shown(&parts.headers)?).await
    }
}

impl Exchange {
    /// By a token that need not be the one in the header.
    pub(super) async fn by(app: &App, headers: &HeaderMap, token: &str) -> Result<Self> {
        authenticate(app, headers, token, |_, _| true).await.map(Self)
    }
}

fn shown(headers: &HeaderMap) -> Result<&str> {
    headers.get("x-worker-token").and_then(|value| value.to_str().ok()).ok_or(MISSING)
}

const MISSING: Error = Error::Unauthorized("the X-Worker-Token header");

async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    token: &str,
    may: impl Fn(&Claims, i64) -> bool,
) -> Result<WorkerAuth> {
    if !worker_token::is_one(token) {
        let settings = known_worker(&app.tokens, token).ok_or(MISSING)?;
        return Ok(WorkerAuth::of_settings(settings, headers, token));
    }
    let now = now_ms() / 1000;
    let claims = read_claims(app, token, now).await?.ok_or(MISSING)?;
    if !may(&claims, now) {
        return Err(MISSING);
    }
    let mut parents = app.tokens.workers();
    let parent = parents.find(|settings| settings.token_sha256.to_ascii_lowercase().starts_with(&claims.parent));
    let auth = WorkerAuth::of_settings(parent.ok_or(MISSING)?, headers, token);
    let worker = claims.worker.map(String::from);
    if auth.only.is_some() && auth.only != worker {
        return Err(MISSING);
    }
    Ok(WorkerAuth { only: worker, made_at: Some(claims.made_at), ..auth })
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
        Ok(Self(auth, if body.is_empty() { None } else { Some(body::parse(&body)?) }))
    }
}

async fn verified(request: Request, app: &App) -> Result<(WorkerAuth, bytes::Bytes)> {
    let (mut parts, body) = request.into_parts();
    let auth = WorkerAuth::from_request_parts(&mut parts, app).await?;
    let body = body::read(Request::from_parts(parts, body), app).await?;
    auth.verify(&body)?;
    Ok((auth, body))
}
