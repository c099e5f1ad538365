//! Datasets: upload a table, list, describe.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
};
use futures_util::StreamExt;
use relevo_shared::dataset::{CommitView, DatasetList, DatasetSummary, DatasetView, TableRef};

use super::{
    App,
    auth::Client,
    body,
    digest::{Expected, verified},
    files::limited,
    openapi,
};
use crate::{
    error::{Error, Result},
    intake::{self, NewTable},
    store::DatasetRecord,
    time::rfc3339,
};

/// Datasets in one answer.
const MOST: usize = 1000;

/// Stores a table as the newest commit of a dataset.
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
    headers: HeaderMap,
    body: Body,
) -> Result<Json<TableRef>> {
    let blobs = app.blobs()?;
    check_name("dataset_id", &dataset_id)?;
    check_name("table_key", &table_key)?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let new = NewTable { dataset_id, table_key, content_type: content_type.map(str::to_owned) };
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
    let mut datasets = Vec::new();
    for (id, updated, mut tables) in app.store.datasets(MOST).await? {
        tables.sort_unstable();
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole and small")]
        let updated_at = rfc3339(updated as i64);
        datasets.push(DatasetSummary { dataset_id: id, tables, updated_at });
    }
    Ok(Json(DatasetList { total: datasets.len(), datasets }))
}

/// Describes a dataset: its tables, and every commit of each.
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
    Ok(Json(view(dataset_id, &record)))
}

fn view(dataset_id: String, record: &DatasetRecord) -> DatasetView {
    let mut tables: Vec<TableRef> = record.heads.keys().filter_map(|key| record.head(key).cloned()).collect();
    tables.sort_by(|a, b| a.table_key.cmp(&b.table_key));
    let mut commits: Vec<CommitView> = record
        .commits
        .iter()
        .map(|table| CommitView {
            commit_id: table.commit_id.clone(),
            table_key: table.table_key.clone(),
            rows: table.rows,
            created_at: table.created_at.clone(),
        })
        .collect();
    commits.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.table_key.cmp(&b.table_key)));
    DatasetView { dataset_id, tables, commits }
}

/// Names of datasets and tables become parts of keys and of file names.
fn check_name(field: &str, name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if (1..=128).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('.') {
        return Ok(());
    }
    Err(Error::invalid(field, "must be 1 to 128 letters, digits, `_`, `-` and `.`, and not begin with `.`"))
}
