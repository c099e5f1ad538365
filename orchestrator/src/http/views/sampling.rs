//! `/api/sampling`: draw rows of a dataset, and read them.

use axum::{Json, extract::State};
use relevo_shared::{job::JobState, view::sampling::SamplingCreated};
use serde_json::{Map, Value};

use super::super::{App, body, create::Creator, openapi};
use crate::{
    error::{Error, Result},
    view::{View, number_or_text},
};

/// The blueprint behind `/api/sampling`.
const SAMPLING: &str = "sampling";

/// Draws rows of a dataset, in rounds.
///
/// The body is the input of the blueprint `sampling` without its `dataset_id`: `rounds`, and where they are wanted `table_key`,
/// `source_ref`, `selection` and `export_residual`.
#[utoipa::path(
    post,
    path = "/api/sampling/datasets/{dataset_id}/jobs",
    tag = "views",
    operation_id = "create_sampling_job",
    params(("dataset_id" = String, Path, description = "The dataset.", example = "comments")),
    request_body(content = Object, description = "What is to be drawn.", example = json!({
        "source_ref": "main",
        "table_key": "primary",
        "rounds": [{ "round_number": 1, "method": "random", "parameters": { "sample_size": 1000 } }],
    })),
    responses(
        (status = 200, description = "The job is stored and will run.", body = SamplingCreated),
        openapi::NotFound,
        openapi::BadBody,
    )
)]
pub(in crate::http) async fn create(
    State(app): State<App>,
    creator: Creator,
    body::Path(dataset_id): body::Path<String>,
    body::Json(mut input): body::Json<Map<String, Value>>,
) -> Result<Json<SamplingCreated>> {
    let rounds = input.get("rounds").and_then(Value::as_array).map_or(0, Vec::len);
    let dataset = number_or_text(&dataset_id);
    if input.insert("dataset_id".to_owned(), dataset).is_some() {
        return Err(Error::invalid("dataset_id", "stands in the path; leave it out of the body"));
    }
    let job_id = creator.create_of(&app, SAMPLING, input).await.map_err(|error| not_found(error, &dataset_id))?;
    Ok(Json(SamplingCreated {
        job_id,
        status: View::Jobs.word(JobState::Pending).to_owned(),
        message: format!("Sampling job created with {rounds} rounds"),
    }))
}

/// A dataset that stands in the path is not found, where one in a body would be an invalid field.
fn not_found(error: Error, dataset_id: &str) -> Error {
    match &error {
        Error::Invalid(_, details) if details.iter().any(|detail| detail.field == "initial_data.dataset_id") => {
            Error::NotFound(format!("there is no dataset {dataset_id:?}"))
        }
        _ => error,
    }
}
