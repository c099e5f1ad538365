//! What jobs can be created of.

use axum::{Json, extract::State};
use relevo_shared::blueprint::{BlueprintList, BlueprintView};

use super::{App, auth::Client, body, openapi};
use crate::{
    error::Result,
    overview::{blueprint_view, definition},
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
