//! `/api/jobs`: look at jobs, cancel them.

use axum::{Json, extract::State};
use relevo_shared::{
    JobId,
    job::{JobState, LogLevel},
    view::jobs::{JobCancelled, JobDetail, JobList, JobLogs},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::{App, auth::Client, body, jobs::own_job, openapi},
    listing::{Page, instant, seen_by, states},
    numbers::number_within,
    own,
};
use crate::{
    error::{Error, Result},
    store::{JobFilter, JobPage},
    view::{Job, View, job_detail, job_item, log_entries},
};

/// Lines of an answer: when nobody says how many, and at most.
const LINES: usize = 100;
const MOST_LINES: usize = 10_000;

/// Which jobs are wanted. Those of an unknown user are none.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ListQuery {
    /// `pending`, `running`, `completed`, `failed` or `cancelled`; `waiting` and `quarantined` for a part of the second and the fourth.
    #[param(pattern = "^(pending|running|completed|failed|cancelled|waiting|quarantined)$")]
    status: Option<String>,
    /// What kind of jobs.
    run_type: Option<String>,
    /// The same under its other name; both may be given when they are equal.
    job_type: Option<String>,
    /// Jobs that read this dataset.
    dataset_id: Option<String>,
    /// Jobs that are recorded under this user.
    user_id: Option<String>,
    /// Jobs of the user with this name in another directory.
    user_soeid: Option<String>,
    /// Jobs that were created later than this.
    #[param(format = DateTime)]
    created_after: Option<String>,
    /// Jobs that were created earlier than this.
    #[param(format = DateTime)]
    created_before: Option<String>,
    /// At most so many, 1 to 1000; 50 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Jobs to skip; 0 when absent.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    offset: Option<String>,
    /// The `next_cursor` of the page before, in place of an offset: however deep it is, a page costs the same.
    #[param(pattern = "^[A-Za-z0-9_-]{24}$")]
    cursor: Option<String>,
}

impl ListQuery {
    fn filter(self, client: &Client) -> Result<JobFilter> {
        let kind = match (self.run_type, self.job_type) {
            (Some(one), Some(other)) if one != other => {
                return Err(Error::invalid("job_type", "is another name of run_type, and they differ"));
            }
            (one, other) => one.or(other),
        };
        Ok(JobFilter {
            states: self.status.map_or(Ok(Vec::new()), |word| states(View::Jobs, "status", &word))?,
            kind,
            dataset: self.dataset_id,
            user_id: self.user_id,
            user_soeid: self.user_soeid,
            created_after: instant("created_after", self.created_after.as_deref())?,
            created_before: instant("created_before", self.created_before.as_deref())?,
            ..seen_by(client)
        })
    }
}

/// Lists jobs, newest first.
///
/// Items leave out what may be large: parameters, result, stages and errors of a job are told with the job itself.
#[utoipa::path(
    get,
    path = "/api/jobs",
    tag = "views",
    operation_id = "list_jobs",
    params(ListQuery),
    responses((status = 200, description = "One page.", body = JobList), openapi::BadQuery)
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    client: Client,
    body::Query(query): body::Query<ListQuery>,
) -> Result<Json<JobList>> {
    let page = Page::read(query.limit.as_deref(), query.offset.as_deref(), query.cursor.as_deref())?;
    let JobPage { jobs, total, next } = app.store.list_jobs(&query.filter(&client)?, page.start, page.limit).await?;
    let items = jobs.into_iter().map(|(id, record)| Ok(job_item(&Job::read(id, record)?)));
    Ok(Json(JobList {
        jobs: items.collect::<Result<_>>()?,
        total,
        limit: page.limit,
        offset: page.offset,
        has_more: next.is_some(),
        next_cursor: next.map(|cursor| cursor.to_string()),
    }))
}

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

/// Which lines are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct LogsQuery {
    /// The mildest level that is told: `debug`, `info`, `warning` or `error`; all when absent.
    #[param(value_type = Option<LogLevel>, inline)]
    level: Option<String>,
    /// At most so many lines, the latest ones, 1 to 10000; 100 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    limit: Option<String>,
}

/// Gives the lines that a job's tasks wrote.
#[utoipa::path(
    get,
    path = "/api/jobs/{job_id}/logs",
    tag = "views",
    operation_id = "get_job_logs",
    params(("job_id" = JobId, Path, description = "The job."), LogsQuery),
    responses(
        (status = 200, description = "The latest lines, oldest first.", body = JobLogs),
        openapi::NotFound,
        openapi::BadQuery,
    )
)]
pub(in crate::http) async fn logs(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
    body::Query(query): body::Query<LogsQuery>,
) -> Result<Json<JobLogs>> {
    let wrong = || Error::invalid("level", "must be debug, info, warning or error");
    let level = query.level.map_or(Ok(LogLevel::Debug), |word| LogLevel::from_word(&word).ok_or_else(wrong))?;
    let limit = number_within("limit", query.limit.as_deref(), 1..=MOST_LINES)?.unwrap_or(LINES);
    let job_id = own_job(&app, &client, &id).await?;
    let (logs, total) = log_entries(app.store.read_logs(job_id).await?, level, limit);
    Ok(Json(JobLogs { job_id, logs, total }))
}
