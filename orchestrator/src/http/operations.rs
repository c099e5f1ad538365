//! What operators do: pause and resume workers, skills and blueprints.

use axum::{Json, extract::State};
use relevo_shared::command::Command;
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, auth::Client, body, openapi, worker::worker_id};
use crate::{
    error::{Error, Result},
    store::Pausable,
};

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Operated {
    /// `paused`, `draining` or `resumed`.
    status: &'static str,
}

async fn stop(app: &App, what: &Pausable, how: &str) -> Result<()> {
    app.store.pause(what, how).await?;
    // The other replicas hear of it; who asked this one can rely on it at once.
    app.dispatch.learn().await
}

async fn pause(app: &App, what: Pausable) -> Result<Json<Operated>> {
    stop(app, &what, "pause").await?;
    Ok(Json(Operated { status: "paused" }))
}

async fn resume(app: &App, what: Pausable) -> Result<Json<Operated>> {
    app.store.resume(&what).await?;
    app.dispatch.learn().await?;
    Ok(Json(Operated { status: "resumed" }))
}

async fn known_worker(app: &App, id: &str) -> Result<Pausable> {
    let id = worker_id(id)?;
    app.registry.find(&id).await?;
    Ok(Pausable::Worker(id))
}

/// A skill that nobody has yet may be paused too.
fn named_skill(skill: String) -> Result<Pausable> {
    let fits = skill.parse::<relevo_shared::SkillName>();
    fits.map_err(|_| Error::NotFound(format!("there is no skill {skill:?}")))?;
    Ok(Pausable::Skill(skill))
}

fn known_blueprint(app: &App, name: String) -> Result<Pausable> {
    app.catalogue.named(&name)?;
    Ok(Pausable::Blueprint(name))
}

/// Gives a worker no more tasks until it is resumed; those that it has go on.
#[utoipa::path(
    post,
    path = "/api/v1/workers/{worker_id}/pause",
    tag = "overview",
    operation_id = "pause_worker",
    params(("worker_id" = String, Path, description = "The worker.")),
    responses((status = 200, description = "It is done, on every replica.", body = Operated), openapi::NotFound)
)]
pub(super) async fn pause_worker(
    State(app): State<App>,
    _: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Operated>> {
    pause(&app, known_worker(&app, &id).await?).await
}

/// Gives a worker tasks again.
#[utoipa::path(
    post,
    path = "/api/v1/workers/{worker_id}/resume",
    tag = "overview",
    operation_id = "resume_worker",
    params(("worker_id" = String, Path, description = "The worker.")),
    responses((status = 200, description = "It is done, on every replica.", body = Operated), openapi::NotFound)
)]
pub(super) async fn resume_worker(
    State(app): State<App>,
    _: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Operated>> {
    resume(&app, known_worker(&app, &id).await?).await
}

/// Hands out no task of a skill until it is resumed.
#[utoipa::path(
    post,
    path = "/api/v1/skills/{skill}/pause",
    tag = "overview",
    operation_id = "pause_skill",
    params(("skill" = String, Path, description = "The skill.")),
    responses((status = 200, description = "It is done, on every replica.", body = Operated), openapi::NotFound)
)]
pub(super) async fn pause_skill(
    State(app): State<App>,
    _: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Operated>> {
    pause(&app, named_skill(id)?).await
}

/// Hands out tasks of a skill again.
#[utoipa::path(
    post,
    path = "/api/v1/skills/{skill}/resume",
    tag = "overview",
    operation_id = "resume_skill",
    params(("skill" = String, Path, description = "The skill.")),
    responses((status = 200, description = "It is done, on every replica.", body = Operated), openapi::NotFound)
)]
pub(super) async fn resume_skill(
    State(app): State<App>,
    _: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Operated>> {
    resume(&app, named_skill(id)?).await
}

/// Hands out no task of a blueprint's jobs until it is resumed; new jobs are accepted and wait.
#[utoipa::path(
    post,
    path = "/api/v1/blueprints/{name}/pause",
    tag = "overview",
    operation_id = "pause_blueprint",
    params(("name" = String, Path, description = "The blueprint.")),
    responses((status = 200, description = "It is done, on every replica.", body = Operated), openapi::NotFound)
)]
pub(super) async fn pause_blueprint(
    State(app): State<App>,
    _: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Operated>> {
    pause(&app, known_blueprint(&app, id)?).await
}

/// Hands out tasks of a blueprint's jobs again.
#[utoipa::path(
    post,
    path = "/api/v1/blueprints/{name}/resume",
    tag = "overview",
    operation_id = "resume_blueprint",
    params(("name" = String, Path, description = "The blueprint.")),
    responses((status = 200, description = "It is done, on every replica.", body = Operated), openapi::NotFound)
)]
pub(super) async fn resume_blueprint(
    State(app): State<App>,
    _: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Operated>> {
    resume(&app, known_blueprint(&app, id)?).await
}

/// Tells a worker to finish what it has and end; it gets no more tasks until it is resumed.
#[utoipa::path(
    post,
    path = "/api/v1/workers/{worker_id}/drain",
    tag = "overview",
    operation_id = "drain_worker",
    params(("worker_id" = String, Path, description = "The worker.")),
    responses((status = 200, description = "It is done, on every replica.", body = Operated), openapi::NotFound)
)]
pub(super) async fn drain_worker(
    State(app): State<App>,
    _: Client,
    body::Path(id): body::Path<String>,
) -> Result<Json<Operated>> {
    let what = known_worker(&app, &id).await?;
    stop(&app, &what, "drain").await?;
    if let Pausable::Worker(worker) = &what {
        app.store.tell_worker(worker, Command::Drain).await?;
    }
    Ok(Json(Operated { status: "draining" }))
}
