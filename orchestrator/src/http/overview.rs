//! What is going on: workers, skills, and the figures of a dashboard.

use axum::{Json, extract::State};
use relevo_shared::overview::{Dashboard, ReplicaHealth, SkillView, WorkerView};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{App, auth::Client, body, openapi};
use crate::{
    error::{Error, Result},
    overview,
    time::rfc3339,
};

const WORKERS: usize = 1_000;
const MOST_WORKERS: usize = 10_000;

/// How many workers are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkersQuery {
    /// At most so many, those that were heard of last: 1 to 10000, 1000 when absent.
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<usize>,
}

/// Lists the workers that are alive, those that were heard of last first.
#[utoipa::path(
    get,
    path = "/api/v1/workers",
    tag = "overview",
    operation_id = "list_workers",
    params(WorkersQuery),
    responses((status = 200, description = "The workers.", body = Vec<WorkerView>), openapi::BadQuery)
)]
pub(super) async fn workers(
    State(app): State<App>,
    _: Client,
    body::Query(query): body::Query<WorkersQuery>,
) -> Result<Json<Vec<WorkerView>>> {
    let limit = query.limit.unwrap_or(WORKERS);
    if !(1..=MOST_WORKERS).contains(&limit) {
        return Err(Error::invalid("limit", format!("must be 1 to {MOST_WORKERS}")));
    }
    Ok(Json(overview::workers(&app.store, limit).await?))
}

/// Lists every skill that a worker has or a blueprint needs.
#[utoipa::path(
    get,
    path = "/api/v1/skills",
    tag = "overview",
    operation_id = "list_skills",
    responses((status = 200, description = "The skills, in alphabetical order.", body = Vec<SkillView>))
)]
pub(super) async fn skills(State(app): State<App>, _: Client) -> Result<Json<Vec<SkillView>>> {
    Ok(Json(overview::skills(&app.store, &app.catalogue).await?))
}

/// Gives the figures of the whole deployment.
#[utoipa::path(
    get,
    path = "/api/v1/dashboard",
    tag = "overview",
    operation_id = "get_dashboard",
    responses((status = 200, description = "The figures.", body = Dashboard))
)]
pub(super) async fn dashboard(State(app): State<App>, _: Client) -> Result<Json<Dashboard>> {
    let replica = ReplicaHealth {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: rfc3339(app.started_at),
        waiting_polls: app.metrics.waiting_polls().get(),
    };
    Ok(Json(overview::dashboard(&app.store, &app.catalogue, replica).await?))
}
