//! Who is asking. Only hashes of tokens are known here.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::App;
use crate::{
    error::{Error, Result},
    settings::{Settings, WorkerSettings},
};

type Hash = [u8; 32];

/// The hashes of all tokens.
#[derive(Debug)]
pub struct Tokens {
    clients: Vec<(Hash, String)>,
    workers: Vec<(Hash, WorkerSettings)>,
}

impl Tokens {
    /// The tokens of these settings, whose hashes have been checked.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let clients = settings.clients.iter().map(|client| (read_hash(&client.token_sha256), client.name.clone()));
        let workers = settings.workers.iter().map(|worker| (read_hash(&worker.token_sha256), worker.clone()));
        Self { clients: clients.collect(), workers: workers.collect() }
    }

    /// What the settings say of each token of workers.
    pub(super) fn workers(&self) -> impl Iterator<Item = &WorkerSettings> {
        self.workers.iter().map(|(_, settings)| settings)
    }
}

/// What the settings say of a worker's token.
pub(super) fn known_worker<'a>(tokens: &'a Tokens, token: &str) -> Option<&'a WorkerSettings> {
    owner(&tokens.workers, token)
}

fn read_hash(text: &str) -> Hash {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).expect("the settings were checked");
    hash
}

/// Whose token this is. Every hash is compared, and each in constant time, so that time tells nothing.
fn owner<'a, T>(known: &'a [(Hash, T)], token: &str) -> Option<&'a T> {
    let hash: Hash = Sha256::digest(token).into();
    known.iter().fold(None, |found, (other, owner)| if bool::from(hash.ct_eq(other)) { Some(owner) } else { found })
}

/// A client that has shown its token.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) name: String,
}

impl FromRequestParts<App> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let missing = || Error::Unauthorized("the X-Client-Token header");
        let token = client_token(&parts.headers).ok_or_else(missing)?;
        let name = owner(&app.tokens.clients, token).ok_or_else(missing)?.clone();
        Ok(Self { name })
    }
}

/// `X-Client-Token: T`, `Authorization: Bearer T` and `x-api-key: T` are the same credential.
fn client_token(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("x-client-token")
        .or_else(|| text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer ")))
        .or_else(|| text("x-api-key"))
}
