//! Webhooks of a client: their log, another attempt, and what they are signed with.

use axum::{Json, extract::State, http::StatusCode};
use relevo_shared::{
    JobId,
    webhook::{Deliveries, ReplayAccepted, WebhookSecrets},
};

use super::{App, auth::Client, body, jobs::own_job, openapi};
use crate::error::Result;

/// Lists the webhooks of a job, with every attempt to deliver them.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job_id}/deliveries",
    tag = "webhooks",
    operation_id = "list_deliveries",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The deliveries, oldest first.", body = Deliveries), openapi::NotFound)
)]
pub(super) async fn list(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Deliveries>> {
    let job = own_job(&app, &client, &id).await?;
    Ok(Json(Deliveries { deliveries: app.webhooks.deliveries(job).await? }))
}

/// Sends a webhook again.
///
/// It goes out under the same `webhook-id`, whatever became of it before, with attempts for another day.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{job_id}/deliveries/{delivery_id}/replay",
    tag = "webhooks",
    operation_id = "replay_delivery",
    params(
        ("job_id" = JobId, Path, description = "The job."),
        ("delivery_id" = String, Path, description = "The `id` of the delivery, which is its `webhook-id`."),
    ),
    responses((status = 202, description = "It is due now.", body = ReplayAccepted), openapi::NotFound)
)]
pub(super) async fn replay(
    State(app): State<App>,
    client: Client,
    body::Path((id, delivery_id)): body::Path<(String, String)>,
) -> Result<(StatusCode, Json<ReplayAccepted>)> {
    let job = own_job(&app, &client, &id).await?;
    app.webhooks.replay(job, &delivery_id).await?;
    Ok((StatusCode::ACCEPTED, Json(ReplayAccepted { status: "accepted".to_owned(), delivery_id })))
}

/// Gives what the caller's webhooks are signed with.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/secret",
    tag = "webhooks",
    operation_id = "get_webhook_secrets",
    responses((status = 200, description = "One secret, or several while they change.", body = WebhookSecrets))
)]
pub(super) async fn secret(State(app): State<App>, client: Client) -> Result<Json<WebhookSecrets>> {
    Ok(Json(WebhookSecrets { secrets: app.webhooks.secrets(&client.name).await? }))
}
