//! What jobs can be created of.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use relevo_shared::{
    JobId,
    blueprint::{BlueprintList, BlueprintView},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{App, auth::Client, body, jobs::own_job, openapi};
use crate::{
    error::{Error, Result},
    overview::{Way, blueprint_view, definition, way_of},
};

/// Lists the blueprints.
///
/// A folder with a fault is not taken up: the set from before is still served, and `reload` tells what is wrong.
#[utoipa::path(
    get,
    path = "/api/v1/blueprints",
    tag = "blueprints",
    operation_id = "list_blueprints",
    responses((status = 200, description = "The blueprints, in the order of their names.", body = BlueprintList))
)]
pub(super) async fn list(State(app): State<App>, _: Client) -> Json<BlueprintList> {
    let blueprints = app.catalogue.offered().iter().map(|blueprint| blueprint_view(blueprint)).collect();
    Json(BlueprintList { blueprints, reload: app.catalogue.last_reload() })
}

/// Gives a blueprint with its definition.
#[utoipa::path(
    get,
    path = "/api/v1/blueprints/{name}",
    tag = "blueprints",
    operation_id = "get_blueprint",
    params(("name" = String, Path, description = "The blueprint.", example = "beto_sentiment")),
    responses((status = 200, description = "The blueprint.", body = BlueprintView), openapi::NotFound)
)]
pub(super) async fn show(
    State(app): State<App>,
    _: Client,
    body::Path(name): body::Path<String>,
) -> Result<Json<BlueprintView>> {
    let blueprint = app.catalogue.named(&name)?;
    Ok(Json(BlueprintView { definition: Some(definition(&blueprint)), ..blueprint_view(&blueprint) }))
}

/// How a graph is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct GraphQuery {
    /// Wins over the `Accept` header; DOT when both are absent.
    #[param(inline)]
    format: Option<GraphFormat>,
    /// A job of the blueprint: its states are marked, in the definition that it began with.
    #[param(value_type = Option<JobId>)]
    job: Option<String>,
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum GraphFormat {
    Dot,
    Svg,
}

impl GraphFormat {
    /// What a client asks for in its headers.
    fn accepted(headers: &HeaderMap) -> Self {
        let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accepts.contains("image/svg+xml") { Self::Svg } else { Self::Dot }
    }
}

/// Draws a blueprint as a graph, in Graphviz' DOT language or as a picture.
#[utoipa::path(
    get,
    path = "/api/v1/blueprints/{name}/graph",
    tag = "blueprints",
    operation_id = "get_blueprint_graph",
    params(("name" = String, Path, description = "The blueprint.", example = "beto_sentiment"), GraphQuery),
    responses(
        (status = 200, description = "The graph.", content(
            (String = "text/vnd.graphviz"),
            (String = "image/svg+xml"),
        )),
        openapi::NotFound,
        openapi::BadQuery,
    )
)]
pub(super) async fn graph(
    State(app): State<App>,
    client: Client,
    body::Path(name): body::Path<String>,
    body::Query(query): body::Query<GraphQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let format = query.format.unwrap_or_else(|| GraphFormat::accepted(&headers));
    let way = match query.job {
        None => Way::untaken(app.catalogue.named(&name)?),
        Some(id) => {
            let job = own_job(&app, &client, &id).await?;
            way_of(&app.store, &app.catalogue, job, &name).await?.ok_or(Error::JobNotFound(id))?
        }
    };
    let (media, text) = match format {
        GraphFormat::Dot => ("text/vnd.graphviz", way.blueprint.graph(&way.taken, way.current.as_deref())),
        GraphFormat::Svg => ("image/svg+xml", way.blueprint.graph_svg(&way.taken, way.current.as_deref())),
    };
    Ok(([(header::CONTENT_TYPE, media), (header::VARY, "Accept")], text).into_response())
}
