//! `/api/sampling/jobs/{job_id}/data`: the rows that a sampling job drew, a page as JSON or all of them as CSV.

use std::ops::Range;

use arrow_array::RecordBatch;
use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use relevo_shared::{JobId, job::JobState, view::sampling::SampleRows};
use relevo_tables::{csv_lines, json_lines};
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;
use utoipa::IntoParams;

use super::{
    super::{App, auth::Client, body, openapi},
    numbers::{OFFSETS, number_within},
    own,
};
use crate::{
    blobs::BlobError,
    domain::action::Action,
    error::{Error, Result},
    rows::Table,
    view::Job,
};

const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// Which rows are wanted, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DataQuery {
    /// `primary` and `sample` for the rows that were drawn, `residual` for the others.
    #[param(value_type = Option<String>, pattern = "^(primary|sample|residual)$")]
    table_key: Option<String>,
    /// Rows to skip; 0 when absent.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    offset: Option<String>,
    /// At most so many rows, 1 to 1000. When absent: 100 as JSON, all as CSV.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Only these columns, separated by commas, in this order.
    columns: Option<String>,
    /// `json` or `csv`; `json` when absent.
    #[param(value_type = Option<String>, pattern = "^(json|csv)$")]
    format: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

/// A query that makes sense.
#[derive(Debug)]
struct Wanted {
    table_key: String,
    offset: u64,
    limit: Option<usize>,
    columns: Option<Vec<String>>,
    format: Format,
}

impl DataQuery {
    fn read(self) -> Result<Wanted> {
        let table_key = self.table_key.unwrap_or_else(|| "primary".to_owned());
        if !["primary", "sample", "residual"].contains(&table_key.as_str()) {
            return Err(Error::invalid("table_key", "must be primary, sample or residual"));
        }
        let format = match self.format.as_deref() {
            None | Some("json") => Format::Json,
            Some("csv") => Format::Csv,
            Some(_) => return Err(Error::invalid("format", "must be json or csv")),
        };
        let columns = self.columns.map(|names| names.split(',').map(str::to_owned).collect());
        let offset = number_within("offset", self.offset.as_deref(), OFFSETS)?.unwrap_or(0);
        let limit = number_within("limit", self.limit.as_deref(), 1..=LARGEST_PAGE)?;
        Ok(Wanted { table_key, offset, limit, columns, format })
    }
}

/// Gives rows that a sampling job drew.
///
/// As CSV (RFC 4180) they come as a stream. Values are given as they are: what a spreadsheet may take for a formula is not
/// marked as text.
#[utoipa::path(
    get,
    path = "/api/sampling/jobs/{job_id}/data",
    tag = "views",
    operation_id = "read_sample",
    params(("job_id" = JobId, Path, description = "The job."), DataQuery),
    responses(
        (status = 200, description = "The rows.", content(
            (SampleRows = "application/json"),
            (String = "text/csv"),
        )),
        openapi::NotFound,
        openapi::NotNow,
        openapi::BadQuery,
        openapi::NoStorage,
    )
)]
pub(in crate::http) async fn data(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
    body::Query(query): body::Query<DataQuery>,
) -> Result<Response> {
    let wanted = query.read()?;
    let job = own(&app, &client, &id).await?;
    let blobs = app.blobs()?;
    let uri = uri_of(&job, &wanted.table_key)?;
    let elsewhere = || BlobError::NotFound(format!("{uri}: it is not in this deployment's bucket"));
    let key = blobs.key_of(&uri).ok_or_else(elsewhere)?.to_owned();
    let table = Table::open(blobs.clone(), key).await?;
    let columns = places(&table.columns(), wanted.columns.as_deref())?;
    match wanted.format {
        Format::Json => page(job.id, table, &columns, wanted).await,
        Format::Csv => csv(job.id, table, &columns, &wanted).await,
    }
}

/// Where a table of a job lies.
fn uri_of(job: &Job, table_key: &str) -> Result<String> {
    let member = if table_key == "residual" { "residual_uri" } else { "sample_uri" };
    let named = |result: &Value| result.get(member).and_then(Value::as_str).map(str::to_owned);
    match (job.state, &job.result) {
        (JobState::Completed, Some(result)) if result.get("sample_uri").is_some() => {
            named(result).ok_or_else(|| Error::NotFound(format!("job {} kept no rows but those that it drew", job.id)))
        }
        (JobState::Completed, _) => Err(Error::NotFound(format!("job {} has drawn no sample", job.id))),
        (state, _) => Err(Error::NotNow(job.id, Action::ReadData, state)),
    }
}

/// Where these columns stand; all of them when none are named.
fn places(known: &[String], wanted: Option<&[String]>) -> Result<Vec<usize>> {
    let Some(wanted) = wanted else { return Ok((0..known.len()).collect()) };
    let mut places = Vec::new();
    for name in wanted {
        let place = known.iter().position(|known| known == name).ok_or_else(|| {
            Error::invalid("columns", format!("there is no column {name:?}; there are: {}", known.join(", ")))
        })?;
        if places.contains(&place) {
            return Err(Error::invalid("columns", format!("names {name:?} twice")));
        }
        places.push(place);
    }
    Ok(places)
}

async fn page(job: JobId, table: Table, columns: &[usize], wanted: Wanted) -> Result<Response> {
    let (offset, limit, total) = (wanted.offset, wanted.limit.unwrap_or(PAGE), table.rows());
    let rows = range(offset, Some(limit), total);
    let empty = SampleRows {
        job_id: job,
        table_key: wanted.table_key,
        columns: names(&table, columns),
        total,
        offset,
        limit,
        has_more: rows.end < total,
        rows: Vec::new(),
    };
    // The rows are written between the brackets as they come.
    let head = serde_json::to_string(&empty).expect("it has string keys only");
    let head = head.strip_suffix("]}").expect("the list of rows is its last member").to_owned();
    let mut between = "";
    let text = move |batch: Result<RecordBatch>| -> Result<Bytes> {
        let mut lines = json_lines(&batch?).map_err(unwritable)?;
        // There is no line feed within a line, so each of them stands between two rows.
        if lines.pop().is_none() {
            return Ok(Bytes::new());
        }
        lines.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b',');
        let text = [between.as_bytes(), &lines].concat();
        between = ",";
        Ok(text.into())
    };
    let batches = table.read(columns, rows).map(text);
    streamed("application/json", head.into(), batches.boxed(), "]}".into(), job).await
}

async fn csv(job: JobId, table: Table, columns: &[usize], wanted: &Wanted) -> Result<Response> {
    let rows = range(wanted.offset, wanted.limit, table.rows());
    let head = csv_lines(&RecordBatch::new_empty(table.schema(columns)), true).map_err(unwritable)?;
    let text = |batch: Result<RecordBatch>| csv_lines(&batch?, false).map(Bytes::from).map_err(unwritable);
    let batches = table.read(columns, rows).map(text).boxed();
    let mut response =
        streamed("text/csv; charset=utf-8; header=present", head.into(), batches, Bytes::new(), job).await?;
    let name = format!("attachment; filename=\"{}-{job}.csv\"", wanted.table_key);
    let name = HeaderValue::from_str(&name).expect("words and ids are plain ASCII");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    Ok(response)
}

/// The rows from `offset` on, at most `limit` of them.
fn range(offset: u64, limit: Option<usize>, total: u64) -> Range<u64> {
    let start = offset.min(total);
    let end = limit.map_or(total, |limit| start.saturating_add(limit as u64).min(total));
    start..end
}

fn names(table: &Table, columns: &[usize]) -> Vec<String> {
    table.schema(columns).fields().iter().map(|field| field.name().clone()).collect()
}

/// A body that is made while it is sent. It begins once the first rows are there: until then it can still be a refusal.
async fn streamed(
    media_type: &'static str,
    head: Bytes,
    mut rows: stream::BoxStream<'static, Result<Bytes>>,
    foot: Bytes,
    job: JobId,
) -> Result<Response> {
    let first = rows.next().await.transpose()?;
    let begun = stream::iter([Some(head), first].into_iter().flatten().map(Ok));
    let told = rows.inspect(move |chunk| {
        if let Err(error) = chunk {
            warn!(%job, %error, "rows of a table broke off");
        }
    });
    let body = Body::from_stream(begun.chain(told).chain(stream::iter([Ok(foot)])));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(response)
}

fn unwritable(error: impl std::fmt::Display) -> Error {
    Error::Unreadable(error.to_string())
}
