//! Who is asking, and whether they may. Only hashes of tokens are known here.

use std::{ops::Deref, sync::Arc};

use axum::{
    extract::{FromRequestParts, MatchedPath, Query},
    http::{HeaderMap, header, request::Parts},
};

use super::{App, address, limits, live};
use crate::{
    clients,
    domain::scope::Scope,
    error::{Error, Result},
};

/// A client that has shown its token, has not asked too often, and may do what it asks for.
#[derive(Debug, Clone)]
pub(super) struct Client(pub(super) Arc<clients::Client>);

impl Deref for Client {
    type Target = clients::Client;

    fn deref(&self) -> &clients::Client {
        &self.0
    }
}

impl FromRequestParts<App> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        // One request counts once, however many parts of its handling ask whose it is.
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let address = address::of(parts, &app.gate.trusted_proxies);
        limits::spend_for_address(app, &parts.extensions, address).await?;
        let token = client_token(&parts.headers).map(str::to_owned).or_else(|| browser_token(parts));
        let found = token.and_then(|token| app.directory.current().by_token(&token).cloned());
        let Some(client) = found else {
            limits::spend_for_unknown_token(app, &parts.extensions, address).await?;
            return Err(Error::Unauthorized("the X-Client-Token header"));
        };
        limits::spend_for_client(app, &parts.extensions, &client.name, client.plan.rate()).await?;
        let route = parts.extensions.get::<MatchedPath>().map_or(parts.uri.path(), MatchedPath::as_str);
        let needed = Scope::needed(parts.method.as_str(), route);
        if !client.has(needed) {
            return Err(Error::Forbidden(format!("this needs a token with the scope {needed}")));
        }
        let client = Self(client);
        parts.extensions.insert(client.clone());
        Ok(client)
    }
}

/// The token in the query of a request for the WebSocket of a job: a browser cannot send it in a header there.
fn browser_token(parts: &Parts) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Shown {
        token: String,
    }
    let is_socket = parts.headers.contains_key(header::SEC_WEBSOCKET_KEY)
        && parts.extensions.get::<MatchedPath>().is_some_and(|route| route.as_str() == live::STREAM);
    let shown = is_socket.then(|| Query::<Shown>::try_from_uri(&parts.uri).ok()).flatten();
    shown.map(|shown| shown.0.token)
}

/// `X-Client-Token: T`, `Authorization: Bearer T` and `x-api-key: T` are the same credential.
fn client_token(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("x-client-token")
        .or_else(|| text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer ")))
        .or_else(|| text("x-api-key"))
}
