//! Create a job, read a job.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
};
use relevo_shared::{
    JobId,
    job::{CreateJob, JobAccepted, JobView},
};

use super::{App, auth::Client, body, openapi};
use crate::{
    error::{Error, Result},
    view::job_view,
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
    ),
    request_body = Option<CreateJob>,
    responses(
        (status = 202, description = "The job is stored and will run.", body = JobAccepted),
        openapi::NotFound,
        openapi::BadBody,
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    client: Client,
    uri: Uri,
    body::MaybeJson(request): body::MaybeJson<CreateJob>,
) -> Result<(StatusCode, Json<JobAccepted>)> {
    // Programs made from the API document write the slashes of a parameter so.
    let path = uri.path().replace("%2F", "/");
    let endpoint = endpoint(&path)?;
    let job_id = app.engine.create_job(&client.name, endpoint, request.unwrap_or_default()).await?;
    Ok((StatusCode::ACCEPTED, Json(JobAccepted { status: "accepted".to_owned(), job_id })))
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
    let job: JobId = id.parse().map_err(|_| Error::JobNotFound(id.clone()))?;
    let record = app.store.read_job(job).await?.filter(|record| record.client() == Some(client.name.as_str()));
    Ok(Json(job_view(job, record.ok_or(Error::JobNotFound(id))?)?))
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
