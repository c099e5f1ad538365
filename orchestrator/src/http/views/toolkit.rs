//! `/v1/toolkit`: how a job is, in the toolkit's envelope.

use std::time::Instant;

use axum::{Json, extract::State};
use relevo_shared::view::toolkit::{AskStatus, Envelope, ToolkitJob};

use super::{
    super::{App, auth::Client, body, openapi},
    own,
};
use crate::{
    error::{Error, Result},
    view::{self, Job, Surroundings},
};

/// Says how a job is.
#[utoipa::path(
    post,
    path = "/v1/toolkit/job/status",
    tag = "views",
    operation_id = "toolkit_job_status",
    request_body = AskStatus,
    responses(
        (status = 200, description = "How it is, with its outcome once it is done.", body = Envelope<ToolkitJob>),
        openapi::ToolkitNotFound,
    )
)]
pub(in crate::http) async fn job_status(
    State(app): State<App>,
    client: Client,
    body::Json(AskStatus { job_id }): body::Json<AskStatus>,
) -> Result<Json<Envelope<ToolkitJob>>> {
    let begun = Instant::now();
    let job = own(&app, &client, &job_id).await?;
    let around = surroundings(&app, &job).await?;
    Ok(Json(view::job_status("/v1/toolkit/job/status", &job, &around, begun.elapsed())))
}

/// Says whether the token is good.
#[utoipa::path(
    get,
    path = "/v1/toolkit/authenticate",
    tag = "views",
    operation_id = "toolkit_authenticate",
    responses((status = 200, description = "It is.", body = Envelope<String>))
)]
pub(in crate::http) async fn authenticate(_: Client) -> Json<Envelope<String>> {
    let begun = Instant::now();
    Json(view::envelope("/v1/toolkit/authenticate", "Authorized".to_owned(), begun.elapsed()))
}

async fn surroundings(app: &App, job: &Job) -> Result<Surroundings> {
    let blueprint = app.catalogue.pinned(&app.store, &job.hash).await?;
    let worker = match &job.worker {
        Some(worker) => match app.registry.find(worker).await {
            // It has left since.
            Err(Error::WorkerNotFound) => None,
            found => Some(found?),
        },
        None => None,
    };
    let said = worker.as_ref().and_then(|worker| worker.registration.capabilities.as_ref()?.get("pid")?.as_u64());
    let queue = job.queue.clone().or_else(|| job.skill.as_ref().map(ToString::to_string));
    let queues: Vec<String> = queue.into_iter().collect();
    Ok(Surroundings {
        endpoint: blueprint.map_or_else(String::new, |blueprint| format!("/api/v1{}", blueprint.endpoint)),
        worker_pid: said.and_then(|pid| u32::try_from(pid).ok()),
        queue_length: app.store.queue_lengths(&queues).await?.into_iter().sum(),
    })
}
