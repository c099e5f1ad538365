//! `/api/jobs/{job_id}/metrics`: the figures that a job's tasks measured.

use axum::{Json, extract::State};
use relevo_shared::{JobId, TaskId, view::jobs::JobMetrics};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    super::{App, auth::Client, body, jobs::own_job, openapi},
    numbers::{OFFSETS, number_within},
};
use crate::{
    domain::series::{Wanted, series},
    error::{Error, Result},
    time::rfc3339,
};

/// Points of each series: when nobody says how many, and at most.
const POINTS: usize = 1_000;
const MOST_POINTS: usize = 10_000;

/// Which points are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct MetricsQuery {
    /// Only series of this name.
    name: Option<String>,
    /// Only series of this task.
    #[param(value_type = Option<TaskId>)]
    task_id: Option<String>,
    /// Only points of this step and later ones.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    since_step: Option<String>,
    /// At most so many points of each series, the latest ones, 1 to 10000; 1000 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    limit: Option<String>,
}

/// Gives the figures that a job's tasks measured, such as the losses of a training, as series.
///
/// A job keeps about ten thousand points, of a hundred names; `dropped` says how many more there were.
#[utoipa::path(
    get,
    path = "/api/jobs/{job_id}/metrics",
    tag = "views",
    operation_id = "get_job_metrics",
    params(("job_id" = JobId, Path, description = "The job."), MetricsQuery),
    responses(
        (status = 200, description = "A series for each name and task.", body = JobMetrics),
        openapi::NotFound,
        openapi::BadQuery,
    )
)]
pub(in crate::http) async fn metrics(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
    body::Query(query): body::Query<MetricsQuery>,
) -> Result<Json<JobMetrics>> {
    let wrong = |_| Error::invalid("task_id", "must be the id of a task, as a series names it");
    let wanted = Wanted {
        name: query.name,
        task: query.task_id.map(|id| id.parse()).transpose().map_err(wrong)?,
        since_step: number_within("since_step", query.since_step.as_deref(), OFFSETS)?.unwrap_or_default(),
        limit: number_within("limit", query.limit.as_deref(), 1..=MOST_POINTS)?.unwrap_or(POINTS),
    };
    let job_id = own_job(&app, &client, &id).await?;
    let (points, dropped) = app.store.read_metrics(job_id).await?;
    Ok(Json(JobMetrics { job_id, series: series(points, &wanted, rfc3339), dropped }))
}
