//! Schedules: create, read, change, delete, and a job at once.

use axum::{Json, extract::State, http::StatusCode};
use relevo_shared::{
    ScheduleId,
    job::JobAccepted,
    schedule::{ScheduleEdit, ScheduleList, ScheduleSpec, ScheduleView},
};

use super::{App, auth::Client, body, openapi};
use crate::error::Result;

/// Creates a schedule.
///
/// Each instant of its cron expression gets exactly one job, however many replicas run and whichever of them dies.
#[utoipa::path(
    post,
    path = "/api/v1/schedules",
    tag = "schedules",
    operation_id = "create_schedule",
    request_body = ScheduleSpec,
    responses((status = 201, description = "The schedule is kept.", body = ScheduleView), openapi::BadBody)
)]
pub(super) async fn create(
    State(app): State<App>,
    client: Client,
    body::Json(spec): body::Json<ScheduleSpec>,
) -> Result<(StatusCode, Json<ScheduleView>)> {
    app.webhooks.check_url(spec.webhook_url.as_deref())?;
    Ok((StatusCode::CREATED, Json(app.engine.create_schedule(&client.name, &spec).await?)))
}

/// Lists the client's schedules, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/schedules",
    tag = "schedules",
    operation_id = "list_schedules",
    responses((status = 200, description = "The schedules, each with its latest firing.", body = ScheduleList))
)]
pub(super) async fn list(State(app): State<App>, client: Client) -> Result<Json<ScheduleList>> {
    Ok(Json(app.engine.list_schedules(&client.name).await?))
}

/// Gives a schedule, with its next instants and what became of the latest 50.
#[utoipa::path(
    get,
    path = "/api/v1/schedules/{schedule_id}",
    tag = "schedules",
    operation_id = "get_schedule",
    params(("schedule_id" = ScheduleId, Path, description = "The schedule.")),
    responses((status = 200, description = "The schedule.", body = ScheduleView), openapi::NotFound)
)]
pub(super) async fn show(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<ScheduleView>> {
    Ok(Json(app.engine.show_schedule(&client.name, &id).await?))
}

/// Changes a schedule; members that are left out stay as they are.
#[utoipa::path(
    patch,
    path = "/api/v1/schedules/{schedule_id}",
    tag = "schedules",
    operation_id = "edit_schedule",
    params(("schedule_id" = ScheduleId, Path, description = "The schedule.")),
    request_body = ScheduleEdit,
    responses(
        (status = 200, description = "The schedule as it is now.", body = ScheduleView),
        openapi::NotFound,
        openapi::BadBody,
    )
)]
pub(super) async fn edit(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
    body::Json(edit): body::Json<ScheduleEdit>,
) -> Result<Json<ScheduleView>> {
    app.webhooks.check_url(edit.webhook_url.as_ref().and_then(Option::as_deref))?;
    Ok(Json(app.engine.edit_schedule(&client.name, &id, &edit).await?))
}

/// Forgets a schedule. Jobs that it created go on.
#[utoipa::path(
    delete,
    path = "/api/v1/schedules/{schedule_id}",
    tag = "schedules",
    operation_id = "delete_schedule",
    params(("schedule_id" = ScheduleId, Path, description = "The schedule.")),
    responses((status = 204, description = "It is gone."), openapi::NotFound)
)]
pub(super) async fn delete(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<StatusCode> {
    app.engine.delete_schedule(&client.name, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Creates a job of a schedule at once, also of one that is paused.
#[utoipa::path(
    post,
    path = "/api/v1/schedules/{schedule_id}/trigger",
    tag = "schedules",
    operation_id = "trigger_schedule",
    params(("schedule_id" = ScheduleId, Path, description = "The schedule.")),
    responses(
        (status = 202, description = "The job is stored and will run.", body = JobAccepted),
        openapi::NotFound,
        openapi::BadBody,
    )
)]
pub(super) async fn trigger(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
) -> Result<(StatusCode, Json<JobAccepted>)> {
    let job_id = app.engine.trigger_schedule(&client.name, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(JobAccepted { status: "accepted".to_owned(), job_id })))
}
