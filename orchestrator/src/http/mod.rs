//! HTTP: the route table on one screen, thin handlers behind it. The only place that imports axum.

mod auth;
mod body;
mod datasets;
mod files;
mod jobs;
mod observe;
mod problem;
mod public;
mod worker;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, patch, post, put},
};
use tower_http::catch_panic::CatchPanicLayer;

pub use auth::Tokens;

use crate::{
    blobs::Blobs,
    dispatch::{Dispatch, Registry},
    engine::Engine,
    error::{Error, Result},
    metrics::Metrics,
    store::Store,
};

/// What handlers work with; cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// Moves jobs.
    pub engine: Arc<Engine>,
    /// Hands out tasks.
    pub dispatch: Arc<Dispatch>,
    /// Knows the workers.
    pub registry: Arc<Registry>,
    /// Reads and writes Redis.
    pub store: Store,
    /// Files, where this deployment keeps any.
    pub blobs: Option<Blobs>,
    /// Who may ask.
    pub tokens: Arc<Tokens>,
    /// What Prometheus reads.
    pub metrics: Arc<Metrics>,
    /// How large bodies may be.
    pub limits: Limits,
    /// Whether everything may be deleted over HTTP: in development only.
    pub may_flush: bool,
}

/// How large bodies may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A JSON body.
    pub json: usize,
    /// A file or table.
    pub upload: u64,
}

impl App {
    fn blobs(&self) -> Result<&Blobs> {
        self.blobs.as_ref().ok_or(Error::S3Off)
    }
}

/// Every route of the service.
pub fn router(app: App) -> Router {
    Router::new()
        // Public. To come: interactive documentation.
        .route("/_public/status", get(public::status))
        .route("/_public/metrics", get(public::metrics))
        .route("/_public/webhooks/approval/{job_id}", post(public::decide_approval))
        .route("/_public/debug/flush_db", post(public::flush))
        // Clients. To come: blueprints, workers, dashboard.
        .route("/api/datasets", get(datasets::list))
        .route("/api/datasets/{dataset_id}", get(datasets::show))
        .route("/api/datasets/{dataset_id}/tables/{table_key}", put(datasets::put_table))
        .route("/api/v1/jobs/{job_id}", get(jobs::show).post(jobs::create))
        .route("/api/v1/jobs/{job_id}/cancel", post(jobs::cancel))
        .route("/api/v1/jobs/{job_id}/retry", post(jobs::retry))
        .route("/api/v1/jobs/{job_id}/history", get(jobs::history).post(jobs::create))
        .route("/api/v1/jobs/{job_id}/files/upload", get(files::link_to_upload).post(jobs::create))
        .route("/api/v1/jobs/{job_id}/files/content/{filename}", put(files::upload).post(jobs::create))
        .route("/api/v1/jobs/{job_id}/files/download/{filename}", get(files::download).post(jobs::create))
        .route("/api/{version}/{*endpoint}", post(jobs::create))
        // Workers. To come: WebSocket, events, token exchange.
        .route("/_worker/workers/register", post(worker::register))
        .route("/_worker/workers/{worker_id}", patch(worker::heartbeat))
        .route("/_worker/workers/{worker_id}/tasks/next", get(worker::next_tasks))
        .route("/_worker/tasks/result", post(worker::result))
        .route("/_worker/tasks/results", post(worker::results))
        .route("/_worker/tasks/{task_id}/progress", post(worker::progress))
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(middleware::from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}
