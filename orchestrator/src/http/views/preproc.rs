//! `/jobs`: run BETO over a dataset, and look at jobs.

use axum::{Json, extract::State, http::StatusCode};
use relevo_shared::{
    JobId,
    job::JobState,
    view::preproc::{BetoCreated, PreprocJob, RunBeto},
};

use super::{
    super::{App, auth::Client, body, create::Creator, openapi},
    own,
};
use crate::{
    error::Result,
    view::{View, preproc_job},
};

/// The blueprint behind `/jobs/preproc/beto`.
const BETO: &str = "beto_sentiment";

/// Has BETO label the comments of a dataset.
///
/// Beside `dataset_id` it takes what the blueprint `beto_sentiment` takes; without `text_col` the column of the comments is
/// found by its usual names, `comentario` first.
#[utoipa::path(
    post,
    path = "/jobs/preproc/beto/run",
    tag = "views",
    operation_id = "run_beto",
    request_body = RunBeto,
    responses(
        (status = 202, description = "The job is stored and will run.", body = BetoCreated),
        openapi::NotFound,
        openapi::BadBody,
    )
)]
pub(in crate::http) async fn run_beto(
    State(app): State<App>,
    creator: Creator,
    body::Json(RunBeto { dataset_id, params }): body::Json<RunBeto>,
) -> Result<(StatusCode, Json<BetoCreated>)> {
    let mut input = params;
    input.insert("dataset_id".to_owned(), dataset_id.clone());
    let job_id = creator.create_of(&app, BETO, input).await?;
    let status = View::Preproc.word(JobState::Pending).to_owned();
    Ok((StatusCode::ACCEPTED, Json(BetoCreated { job_id, status, dataset_id })))
}

/// Gives a job as it is now.
#[utoipa::path(
    get,
    path = "/jobs/{job_id}",
    tag = "views",
    operation_id = "look_at_job",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job, whole.", body = PreprocJob), openapi::NotFound)
)]
pub(in crate::http) async fn show(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<PreprocJob>> {
    Ok(Json(preproc_job(own(&app, &client, &id).await?)))
}
