//! Create a job, read a job.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
};
use relevo_shared::{
    JobId,
    explain::Explanation,
    job::{ActionReply, CreateJob, HistoryEvent, JobAccepted, JobView},
};

use super::{App, auth::Client, body, create::Creator, openapi};
use crate::{
    engine::Cancelled,
    error::{Error, Result},
    explain,
    store::JobRecord,
    view::{history_event, job_view},
};

/// Creates a job.
///
/// The endpoint is the one of a blueprint, for example `jobs/beto_sentiment`: its slashes may be written as they are.
#[utoipa::path(
    post,
    path = "/api/{version}/{endpoint}",
    tag = "jobs",
    operation_id = "create_job",
    params(
        ("version" = String, Path, description = "`v` and a number.", pattern = "^v[0-9]+$", example = "v1"),
        ("endpoint" = String, Path, description = "The blueprint's endpoint.", example = "jobs/beto_sentiment"),
        ("traceparent" = Option<String>, Header, description = "W3C trace context: the job's spans go below it."),
    ),
    request_body = Option<CreateJob>,
    responses(
        (status = 202, description = "The job is stored and will run.", body = JobAccepted),
        (status = 200, description = "An unfinished job has the same `unique_key`: this one.", body = JobAccepted),
        openapi::NotFound,
        openapi::BadBody,
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    creator: Creator,
    uri: Uri,
    body::MaybeJson(request): body::MaybeJson<CreateJob>,
) -> Result<(StatusCode, Json<JobAccepted>)> {
    // Programs made from the API document write the slashes of a parameter so.
    let path = uri.path().replace("%2F", "/");
    let created = creator.create(&app, endpoint(&path)?, request.unwrap_or_default()).await?;
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

/// Gives a job as it is now.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job_id}",
    tag = "jobs",
    operation_id = "get_job",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job, whole.", body = JobView), openapi::NotFound)
)]
pub(super) async fn show(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<JobView>> {
    let (job, record) = own_record(&app, &client, &id).await?;
    let approval = app.engine.wanted_approval(job, &record).await?;
    Ok(Json(job_view(job, record, approval)?))
}

/// Cancels a job.
///
/// A running one is told, through its workers, and ends after a while if they do not stop by themselves.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{job_id}/cancel",
    tag = "jobs",
    operation_id = "cancel_job",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "`cancellation_request_sent` when a worker was told at once, else `cancellation_request_accepted`.", body = ActionReply), openapi::NotFound, openapi::NotNow)
)]
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

/// Lets a failed or quarantined job go on from the state that failed.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{job_id}/retry",
    tag = "jobs",
    operation_id = "retry_job",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "`retry_accepted`.", body = ActionReply), openapi::NotFound, openapi::NotUnique, openapi::NotNow)
)]
pub(super) async fn retry(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<ActionReply>> {
    let job_id = own_job(&app, &client, &id).await?;
    app.engine.retry_job(job_id, &client.name).await?;
    Ok(Json(ActionReply { status: "retry_accepted".to_owned(), job_id }))
}

/// Says what a job waits for, and which workers could take its task.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job_id}/explain",
    tag = "jobs",
    operation_id = "explain_job",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "What each of its branches waits for.", body = Explanation), openapi::NotFound)
)]
pub(super) async fn explain(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Explanation>> {
    let (job, record) = own_record(&app, &client, &id).await?;
    let approval = app.engine.wanted_approval(job, &record).await?;
    let status = job_view(job, record.clone(), approval)?.status;
    Ok(Json(explain::explain(&app.store, job, record, status).await?))
}

/// Tells what has happened to a job, oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job_id}/history",
    tag = "jobs",
    operation_id = "get_job_history",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "Every event that is kept.", body = Vec<HistoryEvent>), openapi::NotFound)
)]
pub(super) async fn history(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Vec<HistoryEvent>>> {
    let job = own_job(&app, &client, &id).await?;
    Ok(Json(app.store.read_events(job).await?.into_iter().map(history_event).collect()))
}

/// A job that belongs to this client, as it is kept.
pub(super) async fn own_record(app: &App, client: &Client, id: &str) -> Result<(JobId, JobRecord)> {
    let not_found = || Error::JobNotFound(id.to_owned());
    let job: JobId = id.parse().map_err(|_| not_found())?;
    match app.store.read_job(job).await? {
        Some(record) if record.client().is_some_and(|owner| client.sees(owner)) => Ok((job, record)),
        _ => Err(not_found()),
    }
}

/// The id of a job that belongs to this client. Another client's job is not found, like one that never was.
pub(super) async fn own_job(app: &App, client: &Client, id: &str) -> Result<JobId> {
    let not_found = || Error::JobNotFound(id.to_owned());
    let job: JobId = id.parse().map_err(|_| not_found())?;
    match app.store.job_client(job).await? {
        Some(owner) if client.sees(&owner) => Ok(job),
        _ => Err(not_found()),
    }
}
