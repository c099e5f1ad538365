//! What needs no token.

use axum::{Json, extract::State, http::header, response::IntoResponse};
use serde_json::{Value, json};

use super::App;

/// `GET /_public/status`: this process serves. It says nothing of Redis.
pub(super) async fn status() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /_public/metrics`.
pub(super) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}
