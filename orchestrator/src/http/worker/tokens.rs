//! Short-lived tokens for workers, in exchange for the one of the settings or for one that has ended.

use axum::{
    Json,
    extract::{Request, State},
    http::HeaderMap,
};
use relevo_shared::{
    WorkerId,
    secret::Secret,
    token::{IssuedToken, RefreshToken},
};

use super::{
    super::{App, body, openapi},
    access::{Exchange, WorkerAuth},
};
use crate::{
    domain::worker_token::{ACCESS_SECONDS, Claims, Kind},
    error::Result,
    time::now_ms,
};

/// Exchanges a worker's token for short-lived ones.
///
/// The token in `X-Worker-Token` says it all; a body is not looked at. An access token that has ended is exchanged too, for
/// seven days from its making. With a token for any worker, `X-Worker-ID` names the one that the new tokens are for.
#[utoipa::path(
    post,
    path = "/_worker/auth/token",
    tag = "workers",
    operation_id = "exchange_token",
    params(("X-Worker-ID" = Option<String>, Header, description = "The worker.")),
    responses((status = 200, description = "The new tokens.", body = IssuedToken))
)]
pub(in crate::http) async fn exchange(
    State(app): State<App>,
    headers: HeaderMap,
    Exchange(auth): Exchange,
) -> Result<Json<IssuedToken>> {
    issue(&app, &auth, auth.worker(&headers)).await
}

/// Exchanges a refresh token for new tokens.
#[utoipa::path(
    post,
    path = "/_worker/auth/token/refresh",
    tag = "workers",
    operation_id = "refresh_token",
    request_body = RefreshToken,
    security(()),
    responses((status = 200, description = "The new tokens.", body = IssuedToken), openapi::BadBody)
)]
pub(in crate::http) async fn refresh(State(app): State<App>, request: Request) -> Result<Json<IssuedToken>> {
    let (parts, body) = request.into_parts();
    let old: RefreshToken = body::parse(&body::read(&parts.headers, body, &app).await?)?;
    let Exchange(auth) = Exchange::by(&app, &parts, Some(old.refresh_token.reveal())).await?;
    issue(&app, &auth, auth.worker(&parts.headers)).await
}

async fn issue(app: &App, auth: &WorkerAuth, worker: Option<WorkerId>) -> Result<Json<IssuedToken>> {
    let secret = app.store.agree_on_secret().await?;
    let made_at = now_ms() / 1000;
    let token = |kind| {
        let claims = Claims { kind, worker: worker.clone(), parent: auth.parent, made_at };
        Secret::new(claims.sign(&secret))
    };
    Ok(Json(IssuedToken {
        access_token: token(Kind::Access),
        refresh_token: token(Kind::Refresh),
        expires_in: ACCESS_SECONDS.unsigned_abs(),
        worker_id: worker.map_or_else(String::new, String::from),
    }))
}
