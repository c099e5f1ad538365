//! `/v1/toolkit`: how a job is, in the toolkit's envelope.

use std::{collections::BTreeMap, time::Instant};

use axum::{Json, extract::State};
use relevo_shared::view::toolkit::{AskStatus, AskStatuses, Envelope, ToolkitJob};
use serde_json::{Map, Value};

use super::{
    super::{App, auth::Client, body, openapi},
    listing::seen_by,
    own,
};
use crate::{
    error::{Error, Result},
    store::{JobFilter, PageStart},
    time::now_ms,
    view::{self, Job, Surroundings, View},
};

/// Seconds that count as lately when nobody says otherwise, and at most: a year.
const LATELY: f64 = 600.0;
const LONGEST_AGO: f64 = 31_622_400.0;
/// Jobs that are told of.
const MOST: usize = 1000;

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

/// Says how each job is that was created lately, newest first.
///
/// At most a thousand are told of.
#[utoipa::path(
    post,
    path = "/v1/toolkit/jobs/status",
    tag = "views",
    operation_id = "toolkit_jobs_status",
    request_body = Option<AskStatuses>,
    responses((status = 200, description = "The status of each job, by its id.", body = Envelope<BTreeMap<String, String>>))
)]
pub(in crate::http) async fn jobs_status(
    State(app): State<App>,
    client: Client,
    body::MaybeJson(asked): body::MaybeJson<AskStatuses>,
) -> Result<Json<Envelope<Map<String, Value>>>> {
    let begun = Instant::now();
    let seconds = asked.unwrap_or_default().since_seconds.unwrap_or(LATELY);
    if !(0.0..=LONGEST_AGO).contains(&seconds) {
        return Err(Error::invalid("since_seconds", format!("must be 0 to {LONGEST_AGO}")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is at most a year")]
    let since = now_ms() - (seconds * 1000.0) as i64;
    let filter = JobFilter { created_after: Some(since), ..seen_by(&client) };
    let found = app.store.list_jobs(&filter, PageStart::Offset(0), MOST).await?;
    let statuses = found.jobs.into_iter().map(|(id, record)| {
        let job = Job::read(id, record)?;
        Ok((id.to_string(), Value::from(View::Toolkit.word(job.state))))
    });
    let statuses = statuses.collect::<Result<_>>()?;
    Ok(Json(view::envelope("/v1/toolkit/jobs/status", statuses, begun.elapsed())))
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
