//! Times every request and logs why one failed. The label is its route, never its path, which has ids in it; and nothing is
//! logged of its headers or its query, which have tokens in them.

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use relevo_shared::JobId;
use tokio::time::Instant;
use tracing::{error, field::display};

use super::{App, problem::Cause};

/// Waiting for a task is no latency.
const LONG_POLL: &str = "/_worker/workers/{worker_id}/tasks/next";

pub(super) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let uri = request.uri().clone();
    let begun = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    if let Some(cause) = response.extensions().get::<Cause>() {
        let (status, job) = (response.status().as_u16(), job_in(uri.path()).map(display));
        error!(status, job, route, code = cause.code, error = cause.text, "request failed");
    }
    if route != LONG_POLL {
        app.metrics.request_ended(route, response.status().as_u16(), begun.elapsed());
    }
    response
}

/// The job that a path names, by its own id or by that of a task.
fn job_in(path: &str) -> Option<JobId> {
    path.split('/').find_map(|part| part.split('.').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_of_a_request_is_found_in_its_path() {
        let job = JobId::fresh();

        assert_eq!(job_in(&format!("/api/v1/jobs/{job}/files/content/x")), Some(job));
        assert_eq!(job_in(&format!("/_worker/tasks/{job}.2.0.7/progress")), Some(job));
        assert_eq!(job_in("/api/v1/jobs/echo"), None);
    }
}
