//! `/jobs`: run BETO over a dataset, and look at jobs.

use axum::{Json, extract::State, http::StatusCode};
use relevo_shared::{
    JobId,
    job::JobState,
    view::preproc::{BetoCreated, BetoStatus, CreateByType, CreatedByType, PreprocJob, PreprocList, RunBeto},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::{
    super::{App, auth::Client, body, create::Creator, openapi},
    listing::{Page, seen_by, states},
    own,
};
use crate::{
    domain::typed_job::TypedJob,
    error::{Error, Result},
    store::{JobFilter, JobPage},
    view::{Job, View, preproc_item, preproc_job},
};

/// The blueprint behind `/jobs/preproc/beto`.
const BETO: &str = "beto_sentiment";
/// The kind of its jobs.
const BETO_KIND: &str = "preproc_beto";

/// Which jobs are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListQuery {
    /// What kind of jobs, for example `preproc_beto` or `train_rbm`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// `created`, `running`, `completed`, `failed` or `cancelled`, or a canonical state.
    #[param(pattern = "^(created|running|completed|failed|cancelled|pending|waiting|quarantined)$")]
    status: Option<String>,
    /// Jobs that read this dataset.
    dataset_id: Option<String>,
    /// At most so many, 1 to 1000; 50 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Jobs to skip; 0 when absent.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    offset: Option<String>,
    /// The `next_cursor` of the page before, in place of an offset.
    #[param(pattern = "^[A-Za-z0-9_-]{24}$")]
    cursor: Option<String>,
}

/// Which jobs of BETO are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct BetoQuery {
    /// Jobs that read this dataset.
    dataset_id: Option<String>,
    /// At most so many, 1 to 1000; 50 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// Lists jobs, newest first.
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "views",
    operation_id = "look_at_jobs",
    params(ListQuery),
    responses((status = 200, description = "One page.", body = PreprocList), openapi::BadQuery)
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    client: Client,
    body::Query(query): body::Query<ListQuery>,
) -> Result<Json<PreprocList>> {
    let page = Page::read(query.limit.as_deref(), query.offset.as_deref(), query.cursor.as_deref())?;
    let filter = JobFilter {
        states: query.status.map_or(Ok(Vec::new()), |word| states(View::Preproc, "status", &word))?,
        kind: query.kind,
        dataset: query.dataset_id,
        ..seen_by(&client)
    };
    let JobPage { jobs, total, next } = app.store.list_jobs(&filter, page.start, page.limit).await?;
    let items = jobs.into_iter().map(|(id, record)| Ok(preproc_item(&Job::read(id, record)?)));
    Ok(Json(PreprocList {
        items: items.collect::<Result<_>>()?,
        total,
        next_cursor: next.map(|cursor| cursor.to_string()),
    }))
}

/// Creates a job of a type, such as `train_rbm` or `preproc_beto`.
///
/// The types are the kinds of the blueprints (`GET /api/v1/blueprints` lists these), and the parameters are their input: beside `type`, or in
/// `params`. Nothing is stored unless all of them are right.
#[utoipa::path(
    post,
    path = "/jobs",
    tag = "views",
    operation_id = "create_job_by_type",
    request_body(content = CreateByType, example = json!({
        "type": "train_rbm", "dataset_id": "comments", "params": { "epochs": 20 },
    })),
    responses(
        (status = 202, description = "The job is stored and will run.", body = CreatedByType),
        openapi::BadBody,
    )
)]
pub(in crate::http) async fn create(
    State(app): State<App>,
    creator: Creator,
    body::Json(body): body::Json<Map<String, Value>>,
) -> Result<(StatusCode, Json<CreatedByType>)> {
    let job = TypedJob::read(body).map_err(Error::invalid_fields)?;
    let dataset_id = job.dataset();
    let (job_id, kind) = creator.create_typed(&app, job).await?;
    let status = View::Preproc.word(JobState::Pending).to_owned();
    Ok((StatusCode::ACCEPTED, Json(CreatedByType { job_id, kind, status, dataset_id })))
}

/// Gives the latest jobs of BETO, whole.
#[utoipa::path(
    get,
    path = "/jobs/preproc/beto/status",
    tag = "views",
    operation_id = "beto_status",
    params(BetoQuery),
    responses((status = 200, description = "The jobs, newest first.", body = BetoStatus), openapi::BadQuery)
)]
pub(in crate::http) async fn beto_status(
    State(app): State<App>,
    client: Client,
    body::Query(query): body::Query<BetoQuery>,
) -> Result<Json<BetoStatus>> {
    let page = Page::read(query.limit.as_deref(), None, None)?;
    let filter = JobFilter { kind: Some(BETO_KIND.to_owned()), dataset: query.dataset_id, ..seen_by(&client) };
    let found = app.store.list_jobs(&filter, page.start, page.limit).await?;
    let jobs = found.jobs.into_iter().map(|(id, record)| Ok(preproc_job(Job::read(id, record)?)));
    Ok(Json(BetoStatus { jobs: jobs.collect::<Result<_>>()? }))
}

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
