//! What needs no token.

use axum::{Json, extract::State, http::header, response::IntoResponse};
use relevo_shared::{
    JobId,
    job::{ActionReply, DecideApproval},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{App, body};
use crate::error::{Error, Result};

/// `GET /_public/status`: this process serves. It says nothing of Redis.
pub(super) async fn status() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /_public/metrics`.
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}

#[derive(Debug, Deserialize)]
pub(super) struct ApprovalQuery {
    token: Option<String>,
}

/// `POST /_public/webhooks/approval/{job_id}`.
pub(super) async fn decide_approval(
    State(app): State<App>,
    body::Path(id): body::Path<String>,
    body::Query(query): body::Query<ApprovalQuery>,
    body::Json(mut decide): body::Json<DecideApproval>,
) -> Result<Json<ActionReply>> {
    let job_id: JobId = id.parse().map_err(|_| Error::JobNotFound(id))?;
    decide.token = decide.token.or(query.token);
    app.engine.decide_approval(job_id, &decide).await?;
    Ok(Json(ActionReply { status: "approval_received".to_owned(), job_id }))
}

/// `POST /_public/debug/flush_db`: there only when the setting `allow_flush` is on.
pub(super) async fn flush(State(app): State<App>) -> Result<Json<Value>> {
    if !app.may_flush {
        return Err(Error::NotFound("nothing is served at POST /_public/debug/flush_db".to_owned()));
    }
    app.store.flush().await?;
    Ok(Json(json!({"status": "db_flushed"})))
}
