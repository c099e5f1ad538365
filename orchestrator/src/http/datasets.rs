//! Datasets: upload a table, list, describe.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
};
use futures_util::StreamExt;
use relevo_shared::dataset::{CommitView, DatasetList, DatasetSummary, DatasetView, TableRef};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    App,
    auth::Client,
    body,
    digest::{Expected, verified},
    files::limited,
    openapi,
};
use crate::{
    domain::dataset::{MAIN, fault_in_display_name, fault_in_name, fault_in_ref},
    error::{Error, Result},
    intake::{self, NewTable},
    store::{DatasetRecord, ListedDataset},
    time::rfc3339,
};

/// Datasets in one answer.
const MOST: usize = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PutQuery {
    /// The ref that will point at the commit; `main` when absent.
    #[serde(rename = "ref")]
    #[param(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$")]
    reference: Option<String>,
    /// What people are to call the dataset from now on: one line.
    #[param(min_length = 1, max_length = 256)]
    name: Option<String>,
}

/// Stores a table as a commit of a dataset, and lets a ref point at it.
///
/// The same bytes again give the commit that they gave before. Without a media type the format is told from the bytes.
/// `Content-Digest` and `Content-MD5` are checked, as for files.
#[utoipa::path(
    put,
    path = "/api/datasets/{dataset_id}/tables/{table_key}",
    tag = "datasets",
    operation_id = "put_table",
    params(
        ("dataset_id" = String, Path, description = "The dataset, made when it is new.",
            pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$", example = "comments"),
        ("table_key" = String, Path, description = "The table within it.",
            pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$", example = "primary"),
        PutQuery,
    ),
    request_body(description = "The table.", content(
        (String = "text/csv", example = "id,comment\n1,muy claro\n"),
        (String = "application/x-ndjson"),
        (inline(openapi::Bytes) = "application/vnd.apache.parquet"),
    )),
    responses(
        (status = 200, description = "The table at its new commit.", body = TableRef),
        openapi::TooLarge,
        openapi::BadQuery,
        openapi::NoStorage,
    )
)]
pub(super) async fn put_table(
    State(app): State<App>,
    _client: Client,
    body::Path((dataset_id, table_key)): body::Path<(String, String)>,
    body::Query(PutQuery { reference, name }): body::Query<PutQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TableRef>> {
    let blobs = app.blobs()?;
    let reference = reference.unwrap_or_else(|| MAIN.to_owned());
    check("dataset_id", fault_in_name(&dataset_id))?;
    check("table_key", fault_in_name(&table_key))?;
    check("ref", fault_in_ref(&reference))?;
    check("name", name.as_deref().and_then(fault_in_display_name))?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let new = NewTable { dataset_id, table_key, reference, name, content_type: content_type.map(str::to_owned) };
    let body = verified(limited(body, app.limits.upload), Expected::read(&headers)?).boxed();
    intake::take_table(&app.store, blobs, new, body).await.map(Json)
}

/// Lists the datasets, newest first.
#[utoipa::path(
    get,
    path = "/api/datasets",
    tag = "datasets",
    operation_id = "list_datasets",
    responses((status = 200, description = "At most a thousand.", body = DatasetList))
)]
pub(super) async fn list(State(app): State<App>, _client: Client) -> Result<Json<DatasetList>> {
    let datasets: Vec<_> = app.store.datasets(MOST).await?.into_iter().map(summary).collect();
    Ok(Json(DatasetList { total: datasets.len(), datasets }))
}

fn summary(dataset: ListedDataset) -> DatasetSummary {
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole and small")]
    let updated_at = rfc3339(dataset.updated_at as i64);
    DatasetSummary {
        dataset_name: dataset.name.unwrap_or_else(|| dataset.id.clone()),
        dataset_id: dataset.id,
        tables: dataset.tables,
        updated_at,
    }
}

/// Describes a dataset: its tables, where its refs point, and its latest commits.
#[utoipa::path(
    get,
    path = "/api/datasets/{dataset_id}",
    tag = "datasets",
    operation_id = "get_dataset",
    params(("dataset_id" = String, Path, description = "The dataset.", example = "comments")),
    responses((status = 200, description = "The dataset.", body = DatasetView), openapi::NotFound)
)]
pub(super) async fn show(
    State(app): State<App>,
    _client: Client,
    body::Path(dataset_id): body::Path<String>,
) -> Result<Json<DatasetView>> {
    let not_found = || Error::NotFound(format!("there is no dataset {dataset_id:?}"));
    let record = app.store.dataset(&dataset_id).await?.ok_or_else(not_found)?;
    Ok(Json(view(dataset_id, record)))
}

fn view(dataset_id: String, record: DatasetRecord) -> DatasetView {
    let DatasetRecord { name, refs, mut tables, commits } = record;
    tables.sort_by(|a, b| a.table_key.cmp(&b.table_key));
    let commits = commits.into_iter().map(|table| CommitView {
        commit_id: table.commit_id,
        table_key: table.table_key,
        rows: table.rows,
        created_at: table.created_at,
    });
    let dataset_name = name.unwrap_or_else(|| dataset_id.clone());
    DatasetView { dataset_id, dataset_name, tables, refs, commits: commits.collect() }
}

fn check(field: &str, fault: Option<&str>) -> Result<()> {
    fault.map_or(Ok(()), |reason| Err(Error::invalid(field, reason)))
}
