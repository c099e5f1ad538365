//! Creates a job for whoever asks, within the limits of their plan: what every creating route has in common.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use relevo_shared::{JobId, job::CreateJob};
use serde_json::{Map, Value};

use super::{App, auth::Client, idempotency::NewId};
use crate::{
    domain::typed_job::{TypedJob, in_params},
    engine::{Created, Creation},
    error::{Error, Result},
    quota::within_the_day,
    traces::TRACE_PARENT,
};

/// Who creates a job by this request, and what the request says of it beside its body.
#[derive(Debug)]
pub(super) struct Creator {
    client: Client,
    id: Option<JobId>,
    trace_parent: Option<String>,
}

impl FromRequestParts<App> for Creator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let client = Client::from_request_parts(parts, app).await?;
        let Ok(NewId(id)) = NewId::from_request_parts(parts, app).await;
        Ok(Self { client, id, trace_parent: trace_parent(&parts.headers) })
    }
}

fn trace_parent(headers: &HeaderMap) -> Option<String> {
    headers.get(TRACE_PARENT)?.to_str().ok().map(str::to_owned)
}

impl Creator {
    /// Creates a job of the blueprint at this endpoint.
    pub(super) async fn create(self, app: &App, endpoint: &str, request: CreateJob) -> Result<Created> {
        app.webhooks.check_url(request.webhook_url.as_deref())?;
        let tracing = app.traces.creation(self.trace_parent.as_deref(), endpoint);
        let creation = Creation { trace: tracing.context(), ..Creation::of(&self.client, self.id) };
        let creating = app.engine.create_job(&creation, endpoint, request);
        let created = within_the_day(&app.store, &self.client, creating).await;
        tracing.ended(created.as_ref().map(|created| created.id).map_err(Error::code));
        created
    }

    /// Creates a job that is asked for by its type, and answers its id and its kind.
    pub(super) async fn create_typed(self, app: &App, job: TypedJob) -> Result<(JobId, String)> {
        let blueprint = app.catalogue.of_kind(&job.kind)?;
        let request = CreateJob { initial_data: Some(job.input), ..CreateJob::default() };
        let created = self.create(app, &blueprint.endpoint, request).await.map_err(|error| match error {
            Error::Invalid(_, details) if job.nested => Error::invalid_fields(in_params(details)),
            other => other,
        })?;
        Ok((created.id, blueprint.kind.clone()))
    }

    /// Creates a job of the blueprint of this name, with this input and no wishes beside it.
    pub(super) async fn create_of(self, app: &App, blueprint: &str, input: Map<String, Value>) -> Result<JobId> {
        let endpoint = app.catalogue.named(blueprint)?.endpoint.clone();
        let request = CreateJob { initial_data: Some(input), ..CreateJob::default() };
        Ok(self.create(app, &endpoint, request).await?.id)
    }
}
