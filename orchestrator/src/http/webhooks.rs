//! Webhooks of a client: their log, another attempt, and what they are signed with.

use axum::{Json, extract::State, http::StatusCode};
use relevo_shared::webhook::{Deliveries, ReplayAccepted, WebhookSecrets};

use super::{App, auth::Client, body, jobs::own_job};
use crate::error::Result;

/// `GET /api/v1/jobs/{job_id}/deliveries`.
pub(super) async fn list(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Deliveries>> {
    let job = own_job(&app, &client, &id).await?;
    Ok(Json(Deliveries { deliveries: app.webhooks.deliveries(job).await? }))
}

/// `POST /api/v1/jobs/{job_id}/deliveries/{delivery_id}/replay`.
pub(super) async fn replay(
    State(app): State<App>,
    client: Client,
    body::Path((id, delivery_id)): body::Path<(String, String)>,
) -> Result<(StatusCode, Json<ReplayAccepted>)> {
    let job = own_job(&app, &client, &id).await?;
    app.webhooks.replay(job, &delivery_id).await?;
    Ok((StatusCode::ACCEPTED, Json(ReplayAccepted { status: "accepted".to_owned(), delivery_id })))
}

/// `GET /api/v1/webhooks/secret`.
pub(super) async fn secret(State(app): State<App>, client: Client) -> Result<Json<WebhookSecrets>> {
    Ok(Json(WebhookSecrets { secrets: app.webhooks.secrets(&client.name).await? }))
}
