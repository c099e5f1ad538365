//! Create a job, read a job.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
};
use relevo_shared::{
    JobId,
    job::{ActionReply, CreateJob, HistoryEvent, JobAccepted, JobView},
};

use super::{App, auth::Client, body};
use crate::{
    engine::{Cancelled, Creation},
    error::{Error, Result},
    view::{history_event, job_view},
};

/// `POST /api/{version}/{endpoint}`.
pub(super) async fn create(
    State(app): State<App>,
    client: Client,
    uri: Uri,
    body::MaybeJson(request): body::MaybeJson<CreateJob>,
) -> Result<(StatusCode, Json<JobAccepted>)> {
    let endpoint = endpoint(uri.path())?;
    let creation = Creation { client: client.name, ..Creation::default() };
    let created = app.engine.create_job(&creation, endpoint, request.unwrap_or_default()).await?;
    let (code, status) = if created.existing { (StatusCode::OK, "exists") } else { (StatusCode::ACCEPTED, "accepted") };
    Ok((code, Json(JobAccepted { status: status.to_owned(), job_id: created.id })))
}

/// The blueprint's endpoint in a path such as `/api/v1/jobs/simple_flow`.
fn endpoint(path: &str) -> Result<&str> {
    let no_route = || Error::NotFound(format!("nothing is served at POST {path}"));
    let rest = path.strip_prefix("/api/v").ok_or_else(no_route)?;
    let version = rest.split('/').next().unwrap_or_default();
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(no_route());
    }
    Ok(&rest[version.len()..])
}

/// `GET /api/v1/jobs/{job_id}`.
pub(super) async fn show(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<JobView>> {
    let job: JobId = id.parse().map_err(|_| Error::JobNotFound(id.clone()))?;
    let record = app.store.read_job(job).await?.filter(|record| record.client() == Some(client.name.as_str()));
    let record = record.ok_or(Error::JobNotFound(id))?;
    let approval = app.engine.wanted_approval(job, &record).await?;
    Ok(Json(job_view(job, record, approval)?))
}

/// `POST /api/v1/jobs/{job_id}/cancel`.
pub(super) async fn cancel(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<ActionReply>> {
    let job_id = own_job(&app, &client, &id).await?;
    let status = match app.engine.cancel_job(job_id, &client.name).await? {
        Cancelled::Told => "cancellation_request_sent",
        Cancelled::Noted => "cancellation_request_accepted",
    };
    Ok(Json(ActionReply { status: status.to_owned(), job_id }))
}

/// `POST /api/v1/jobs/{job_id}/retry`.
pub(super) async fn retry(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<ActionReply>> {
    let job_id = own_job(&app, &client, &id).await?;
    app.engine.retry_job(job_id, &client.name).await?;
    Ok(Json(ActionReply { status: "retry_accepted".to_owned(), job_id }))
}

/// `GET /api/v1/jobs/{job_id}/history`.
pub(super) async fn history(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Vec<HistoryEvent>>> {
    let job = own_job(&app, &client, &id).await?;
    Ok(Json(app.store.read_events(job).await?.into_iter().map(history_event).collect()))
}

/// The id of a job that belongs to this client. Another client's job is not found, like one that never was.
pub(super) async fn own_job(app: &App, client: &Client, id: &str) -> Result<JobId> {
    let not_found = || Error::JobNotFound(id.to_owned());
    let job: JobId = id.parse().map_err(|_| not_found())?;
    match app.store.job_client(job).await? {
        Some(owner) if owner == client.name => Ok(job),
        _ => Err(not_found()),
    }
}
