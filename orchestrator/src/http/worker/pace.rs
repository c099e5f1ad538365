//! Slows down refusals: workers of an early release ask again a hundred times a second after any answer but a task.

use std::time::Duration;

use axum::{extract::Request, middleware::Next, response::Response};
use tokio::time::sleep;

/// How long such a worker waits for a refusal, which sets how often it asks.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets every request through, and holds the refusal of such a worker's poll for a while.
pub(in crate::http) async fn refusals(request: Request, next: Next) -> Response {
    let is_hasty = request.headers().contains_key("x-rxon-version") && request.uri().path().ends_with("/tasks/next");
    let answer = next.run(request).await;
    if is_hasty && !answer.status().is_success() {
        sleep(PAUSE).await;
    }
    answer
}
