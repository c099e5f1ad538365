//! Times every request and logs why one failed. The label is its route, never its path, which has ids in it.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;
use tracing::error;

use super::{App, problem::Cause};

/// Waiting for a task is no latency.
const LONG_POLL: &str = "/_worker/workers/{worker_id}/tasks/next";

pub(super) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let begun = Instant::now();
    let response = next.run(request).await;
    if let Some(cause) = response.extensions().get::<Cause>() {
        let status = response.status().as_u16();
        error!(status, code = cause.code, error = cause.text, "request failed");
    }
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    if route != LONG_POLL {
        app.metrics.request_ended(route, response.status().as_u16(), begun.elapsed());
    }
    response
}
