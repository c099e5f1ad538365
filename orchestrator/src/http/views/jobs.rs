//! `/api/jobs`: look at jobs, cancel them.

use axum::{Json, extract::State};
use relevo_shared::{
    JobId,
    job::JobState,
    view::jobs::{JobCancelled, JobDetail},
};

use super::{
    super::{App, auth::Client, body, jobs::own_job, openapi},
    own,
};
use crate::{
    error::Result,
    view::{View, job_detail},
};

/// Gives a job with its stages and with what went wrong so far.
#[utoipa::path(
    get,
    path = "/api/jobs/{job_id}",
    tag = "views",
    operation_id = "show_job",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job, whole.", body = JobDetail), openapi::NotFound)
)]
pub(in crate::http) async fn show(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<JobDetail>> {
    let job = own(&app, &client, &id).await?;
    let events = app.store.read_events(job.id).await?;
    Ok(Json(job_detail(job, &events)))
}

/// Cancels a job.
///
/// From this answer on its end is certain; a worker that holds a task of it may need a while to stop.
#[utoipa::path(
    post,
    path = "/api/jobs/{job_id}/cancel",
    tag = "views",
    operation_id = "stop_job",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses(
        (status = 200, description = "The job is cancelled.", body = JobCancelled),
        openapi::NotFound,
        openapi::NotNow,
    )
)]
pub(in crate::http) async fn cancel(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<JobCancelled>> {
    let job_id = own_job(&app, &client, &id).await?;
    app.engine.cancel_job(job_id, &client.name).await?;
    let status = View::Jobs.word(JobState::Cancelled).to_owned();
    Ok(Json(JobCancelled { job_id, status, message: "Job cancelled successfully".to_owned() }))
}
