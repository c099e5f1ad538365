//! `/api/jobs`: forget jobs that have ended, one or many.

use std::time::Duration;

use axum::{Json, extract::State};
use relevo_shared::{
    JobId,
    view::jobs::{CleanUp, CleanedUp, EndedStatus, JobDeleted},
};

use super::{
    super::{App, auth::Client, body, jobs::own_job, openapi},
    listing::seen_by,
};
use crate::error::{Error, Result};

/// Days after which a job is old: when nobody says how many, and at most.
const OLD_DAYS: u32 = 7;
const MOST_DAYS: u32 = 36_500;

/// Forgets a job that has ended, with its files.
#[utoipa::path(
    delete,
    path = "/api/jobs/{job_id}",
    tag = "views",
    operation_id = "delete_job",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses(
        (status = 200, description = "It is gone.", body = JobDeleted),
        openapi::NotFound,
        openapi::NotNow,
    )
)]
pub(in crate::http) async fn delete(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<JobDeleted>> {
    let job_id = own_job(&app, &client, &id).await?;
    app.engine.delete_job(job_id).await?;
    Ok(Json(JobDeleted { message: "Job deleted".to_owned(), job_id }))
}

/// Forgets jobs that ended a while ago.
///
/// They are the client's own, or those of every client where the token is an administrator's.
#[utoipa::path(
    post,
    path = "/api/jobs/cleanup",
    tag = "views",
    operation_id = "clean_up_jobs",
    request_body = Option<CleanUp>,
    responses((status = 200, description = "They are gone.", body = CleanedUp), openapi::BadBody)
)]
pub(in crate::http) async fn clean_up(
    State(app): State<App>,
    client: Client,
    body::MaybeJson(request): body::MaybeJson<CleanUp>,
) -> Result<Json<CleanedUp>> {
    let CleanUp { older_than_days, status } = request.unwrap_or_default();
    let days = older_than_days.unwrap_or(OLD_DAYS);
    if days > MOST_DAYS {
        return Err(Error::invalid("older_than_days", format!("must be 0 to {MOST_DAYS}")));
    }
    let statuses = status.unwrap_or_else(|| EndedStatus::USUAL.to_vec());
    if statuses.is_empty() {
        return Err(Error::invalid("status", "must name one at least: completed, failed, cancelled or quarantined"));
    }
    let states: Vec<_> = statuses.into_iter().flat_map(|status| status.states()).copied().collect();
    let age = Duration::from_secs(u64::from(days) * 24 * 3600);
    let cleaned = app.engine.clean_up(seen_by(&client).client.as_deref(), &states, age).await?;
    Ok(Json(CleanedUp {
        message: "Cleanup complete".to_owned(),
        jobs_deleted: cleaned.jobs_deleted,
        space_freed_mb: megabytes(cleaned.bytes_freed),
    }))
}

/// Millions of bytes, with three decimals.
#[expect(clippy::cast_precision_loss, reason = "three decimals are told of it")]
fn megabytes(bytes: u64) -> f64 {
    (bytes as f64 / 1000.0).round() / 1000.0
}
