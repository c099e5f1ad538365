//! What needs no token.

use axum::{Json, extract::State, http::header, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;

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
