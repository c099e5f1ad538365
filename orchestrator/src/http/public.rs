//! What needs no token.

use axum::{Json, extract::State, http::header, response::IntoResponse};
use relevo_shared::{
    JobId,
    job::{ActionReply, DecideApproval},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{App, body, openapi};
use crate::error::{Error, Result};

/// A process that serves.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Alive {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Says that this process serves.
///
/// It says nothing of Redis.
#[utoipa::path(
    get,
    path = "/_public/status",
    tag = "service",
    operation_id = "get_status",
    responses((status = 200, description = "It serves.", body = Alive))
)]
pub(super) async fn status() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// Says whether this process can do its work: Redis answers.
#[utoipa::path(
    get,
    path = "/_public/ready",
    tag = "service",
    operation_id = "get_readiness",
    responses((status = 200, description = "It can.", body = Alive), openapi::Failing)
)]
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Alive>> {
    app.store.ping().await?;
    Ok(Json(Alive { status: "ok" }))
}

/// Gives the metrics of this process, as Prometheus reads them.
#[utoipa::path(
    get,
    path = "/_public/metrics",
    tag = "service",
    operation_id = "get_metrics",
    responses((status = 200, description = "Prometheus' text format.", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ApprovalQuery {
    /// The token of the signed link, where the state asks for one.
    token: Option<String>,
}

/// Decides what a job waits for.
#[utoipa::path(
    post,
    path = "/_public/webhooks/approval/{job_id}",
    tag = "jobs",
    operation_id = "decide_approval",
    params(("job_id" = JobId, Path, description = "The job."), ApprovalQuery),
    responses(
        (status = 200, description = "`approval_received`.", body = ActionReply),
        openapi::NotFound,
        openapi::Forbidden,
        openapi::NotWaiting,
        openapi::BadBody,
        openapi::Failing,
    )
)]
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

/// An empty Redis.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Flushed {
    /// Always `db_flushed`.
    #[schema(example = "db_flushed")]
    status: &'static str,
}

/// Deletes every job.
///
/// It is there only when the setting `allow_flush` is on, which is for development.
#[utoipa::path(
    post,
    path = "/_public/debug/flush_db",
    tag = "service",
    operation_id = "flush_db",
    responses((status = 200, description = "Everything is deleted.", body = Flushed), openapi::NotFound, openapi::Failing)
)]
pub(super) async fn flush(State(app): State<App>) -> Result<Json<Flushed>> {
    if !app.may_flush {
        return Err(Error::NotFound("nothing is served at POST /_public/debug/flush_db".to_owned()));
    }
    app.store.flush().await?;
    Ok(Json(Flushed { status: "db_flushed" }))
}
