//! HTTP: the route table on one screen, thin handlers behind it. The only place that imports axum.

mod address;
mod auth;
mod blueprints;
mod body;
mod create;
mod datasets;
mod digest;
mod docs;
mod files;
mod idempotency;
mod jobs;
mod limits;
mod live;
mod observe;
mod openapi;
mod operations;
mod overview;
mod problem;
mod public;
mod schedules;
mod views;
mod webhooks;
mod worker;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, patch, post, put},
};
use tower_http::catch_panic::CatchPanicLayer;

pub use limits::Gate;
pub use openapi::document;

use crate::{
    blobs::Blobs,
    catalogue::Catalogue,
    clients::Directory,
    dispatch::{Commands, Dispatch, Ratings, Registry},
    engine::Engine,
    error::{Error, Result},
    live::{Reports, Watchers},
    metrics::Metrics,
    store::Store,
    traces::Traces,
    webhooks::Webhooks,
};

/// What handlers work with; cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// Moves jobs.
    pub engine: Arc<Engine>,
    /// Knows the blueprints.
    pub catalogue: Arc<Catalogue>,
    /// Hands out tasks.
    pub dispatch: Arc<Dispatch>,
    /// Counts how well workers do.
    pub ratings: Arc<Ratings>,
    /// Knows the workers.
    pub registry: Arc<Registry>,
    /// Tells workers what to do.
    pub commands: Arc<Commands>,
    /// Takes what workers tell.
    pub reports: Arc<Reports>,
    /// Calls those who watch jobs.
    pub watchers: Arc<Watchers>,
    /// Tells clients of their jobs.
    pub webhooks: Arc<Webhooks>,
    /// Reads and writes Redis.
    pub store: Store,
    /// Files, where this deployment keeps any.
    pub blobs: Option<Blobs>,
    /// Who may ask.
    pub directory: Arc<Directory>,
    /// What is asked of every request.
    pub gate: Arc<Gate>,
    /// What Prometheus reads.
    pub metrics: Arc<Metrics>,
    /// Makes spans.
    pub traces: Arc<Traces>,
    /// How large bodies may be.
    pub limits: Limits,
    /// Whether everything may be deleted over HTTP: in development only.
    pub may_flush: bool,
    /// When this replica started, in milliseconds since 1970.
    pub started_at: i64,
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

/// Makes of one table the router, the list of handlers whose notes make up the API document, and the rows for the test
/// that compares the two. A handler is documented under the first of its paths.
macro_rules! routes {
    ($($path:literal $(| $also:literal)* => $method:ident($($handler:ident)::+) $(.$other:ident($($more:ident)::+))*;)+) => {
        fn table() -> Router<App> {
            let mut table = Router::new();
            $(
                let methods = $method($($handler)::+)$(.$other($($more)::+))*;
                $(table = table.route($also, methods.clone());)*
                table = table.route($path, methods);
            )+
            table
        }

        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($($handler)::+, $($($more)::+,)*)+))]
        struct Handlers;

        #[cfg(test)]
        const TABLE: &[(&str, &str)] = &[$((stringify!($method), $path), $((stringify!($other), $path),)*)+];
    };
}

// Every route of the service.
routes! {
    // Public.
    "/_public/status" => get(public::status);
    "/_public/ready" => get(public::ready);
    "/_public/metrics" => get(public::metrics);
    "/_public/webhooks/approval/{job_id}" => post(public::decide_approval);
    "/_public/debug/flush_db" => post(public::flush);
    "/_public/openapi.json" => get(docs::document);
    "/_public/docs" => get(docs::page);
    "/_public/docs/{file}" => get(docs::file);
    // Clients.
    "/api/datasets" => get(datasets::list);
    "/api/datasets/{dataset_id}" => get(datasets::show);
    "/api/datasets/{dataset_id}/tables/{table_key}" => put(datasets::put_table);
    "/api/jobs/{job_id}/stream" => get(live::stream);
    "/api/jobs/{job_id}/events" => get(live::events);
    "/api/v1/jobs/{job_id}" => get(jobs::show);
    "/api/v1/jobs/{job_id}/cancel" => post(jobs::cancel);
    "/api/v1/jobs/{job_id}/retry" => post(jobs::retry);
    "/api/v1/jobs/{job_id}/history" => get(jobs::history);
    "/api/v1/jobs/{job_id}/explain" => get(jobs::explain);
    "/api/v1/jobs/{job_id}/deliveries" => get(webhooks::list);
    "/api/v1/jobs/{job_id}/deliveries/{delivery_id}/replay" => post(webhooks::replay);
    "/api/v1/webhooks/secret" => get(webhooks::secret);
    "/api/v1/jobs/{job_id}/files/upload" => get(files::link_to_upload);
    "/api/v1/jobs/{job_id}/files/content/{filename}" => put(files::upload);
    "/api/v1/jobs/{job_id}/files/download/{filename}" => get(files::download);
    "/api/v1/schedules" => get(schedules::list).post(schedules::create);
    "/api/v1/schedules/{schedule_id}" => get(schedules::show).patch(schedules::edit).delete(schedules::delete);
    "/api/v1/schedules/{schedule_id}/trigger" => post(schedules::trigger);
    "/api/v1/blueprints" => get(blueprints::list);
    "/api/v1/blueprints/{name}" => get(blueprints::show);
    "/api/v1/blueprints/{name}/graph" => get(blueprints::graph);
    "/api/v1/workers" => get(overview::workers);
    "/api/v1/workers/{worker_id}/pause" => post(operations::pause_worker);
    "/api/v1/workers/{worker_id}/drain" => post(operations::drain_worker);
    "/api/v1/workers/{worker_id}/resume" => post(operations::resume_worker);
    "/api/v1/skills/{skill}/pause" => post(operations::pause_skill);
    "/api/v1/skills/{skill}/resume" => post(operations::resume_skill);
    "/api/v1/blueprints/{name}/pause" => post(operations::pause_blueprint);
    "/api/v1/blueprints/{name}/resume" => post(operations::resume_blueprint);
    "/api/v1/skills" => get(overview::skills);
    "/api/v1/dashboard" => get(overview::dashboard);
    // The same jobs in the words of other documents.
    "/api/jobs" => get(views::jobs::list);
    "/api/jobs/cleanup" => post(views::removal::clean_up);
    "/api/jobs/{job_id}" => get(views::jobs::show).delete(views::removal::delete);
    "/api/jobs/{job_id}/logs" => get(views::jobs::logs);
    "/api/jobs/{job_id}/metrics" => get(views::metrics::metrics);
    "/api/jobs/{job_id}/cancel" => post(views::jobs::cancel);
    "/api/sampling/datasets/{dataset_id}/jobs" => post(views::sampling::create);
    "/api/sampling/jobs/{job_id}/data" => get(views::sample_rows::data);
    "/jobs" => get(views::preproc::list).post(views::preproc::create);
    "/jobs/preproc/beto/status" => get(views::preproc::beto_status);
    "/jobs/preproc/beto/run" => post(views::preproc::run_beto);
    "/jobs/{job_id}" => get(views::preproc::show);
    "/v1/toolkit/job/status" => post(views::toolkit::job_status);
    "/v1/toolkit/jobs/status" => post(views::toolkit::jobs_status);
    "/v1/toolkit/authenticate" => get(views::toolkit::authenticate);
    // The endpoint of a blueprint may look like any of the paths above.
    "/api/{version}/{*endpoint}"
        | "/api/v1/jobs/{job_id}"
        | "/api/v1/jobs/{job_id}/history"
        | "/api/v1/jobs/{job_id}/explain"
        | "/api/v1/jobs/{job_id}/deliveries"
        | "/api/v1/webhooks/secret"
        | "/api/v1/jobs/{job_id}/files/upload"
        | "/api/v1/jobs/{job_id}/files/content/{filename}"
        | "/api/v1/jobs/{job_id}/files/download/{filename}"
        | "/api/v1/schedules/{schedule_id}"
        | "/api/v1/blueprints"
        | "/api/v1/blueprints/{name}"
        | "/api/v1/blueprints/{name}/graph"
        | "/api/v1/workers"
        | "/api/v1/skills"
        | "/api/v1/dashboard" => post(jobs::create);
    // Workers.
    "/_worker/workers/register" => post(worker::register);
    "/_worker/workers/{worker_id}" => patch(worker::heartbeat);
    "/_worker/workers/{worker_id}/tasks/next" => get(worker::next_tasks);
    "/_worker/tasks/result" => post(worker::result);
    "/_worker/tasks/results" => post(worker::results);
    "/_worker/tasks/{task_id}/progress" => post(worker::progress);
    "/_worker/tasks/{task_id}/commits" => post(worker::commits::commit);
    "/_worker/events" => post(worker::events::event);
    "/_worker/ws" => get(worker::socket::of_somebody);
    "/_worker/ws/{worker_id}" => get(worker::socket::of_worker);
    "/_worker/auth/token" => post(worker::tokens::exchange);
    "/_worker/auth/token/refresh" => post(worker::tokens::refresh);
}

/// The service over HTTP.
pub fn router(app: App) -> Router {
    table()
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(middleware::from_fn(worker::pace::refusals))
        .layer(middleware::from_fn_with_state(app.clone(), idempotency::once))
        .layer(CatchPanicLayer::custom(problem::after_panic))
        .layer(middleware::from_fn(problem::in_words_of_the_view))
        .layer(middleware::from_fn(limits::tell))
        .layer(middleware::from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}
