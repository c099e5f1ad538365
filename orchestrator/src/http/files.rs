//! Files of a job: uploaded through this process or with a link, downloaded with a link.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use futures_util::{StreamExt, TryStreamExt, future};
use relevo_shared::{
    JobId,
    file::{FILE_NAME, UploadLink, Uploaded, is_file_name},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    App,
    auth::Client,
    body,
    digest::{Expected, verified},
    jobs::own_job,
    openapi,
};
use crate::{
    blobs::{LONGEST_LINK, files_key},
    error::{Error, Result},
};

const DEFAULT_LINK: Duration = Duration::from_secs(3600);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LinkQuery {
    /// Name of the file that will be sent.
    #[param(value_type = String, required, min_length = 1, max_length = 255)]
    filename: Option<String>,
    /// Seconds for which the link works; 3600 when absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 604_800)]
    expires_in: Option<String>,
}

/// Gives a link that takes one file, straight to S3.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job_id}/files/upload",
    tag = "files",
    operation_id = "link_to_upload",
    params(("job_id" = JobId, Path, description = "The job."), LinkQuery),
    responses(
        (status = 200, description = "The link.", body = UploadLink),
        openapi::NotFound,
        openapi::BadQuery,
        openapi::NoStorage,
    )
)]
pub(super) async fn link_to_upload(
    State(app): State<App>,
    client: Client,
    body::Path(id): body::Path<String>,
    body::Query(query): body::Query<LinkQuery>,
) -> Result<Json<UploadLink>> {
    let filename = query.filename.ok_or_else(|| Error::invalid("filename", "is required: the name of the file"))?;
    let lasts = link_duration(query.expires_in.as_deref())?;
    let blobs = app.blobs()?;
    let job = own_job(&app, &client, &id).await?;
    let url = blobs.link_to_write(&key(job, &filename)?, lasts).await?;
    Ok(Json(UploadLink { url, expires_in: lasts.as_secs(), method: "PUT".to_owned() }))
}

fn link_duration(text: Option<&str>) -> Result<Duration> {
    let Some(text) = text else { return Ok(DEFAULT_LINK) };
    let seconds = text.parse().ok().filter(|seconds| (1..=LONGEST_LINK.as_secs()).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        Error::invalid("expires_in", format!("must be a whole number of seconds from 1 to {}", LONGEST_LINK.as_secs()))
    })
}

/// Stores a file, streamed through this service.
///
/// With `Content-Digest` (sha-256 or sha-512) or `Content-MD5` the bytes are checked, and nothing of a body is kept that is
/// not what it says.
#[utoipa::path(
    put,
    path = "/api/v1/jobs/{job_id}/files/content/{filename}",
    tag = "files",
    operation_id = "upload_file",
    params(
        ("job_id" = JobId, Path, description = "The job."),
        ("filename" = String, Path, description = "A plain name, or a folder's and a file's with `%2F` between.", example = "notes.txt"),
    ),
    request_body(content = inline(openapi::Bytes), description = "The bytes of the file.", content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "The file is in S3.", body = Uploaded),
        openapi::NotFound,
        openapi::TooLarge,
        openapi::BadQuery,
        openapi::NoStorage,
    )
)]
pub(super) async fn upload(
    State(app): State<App>,
    client: Client,
    body::Path((id, filename)): body::Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Uploaded>> {
    let blobs = app.blobs()?;
    let job = own_job(&app, &client, &id).await?;
    let key = key(job, &filename)?;
    let body = verified(limited(body, app.limits.upload), Expected::read(&headers)?).boxed();
    blobs.write_stream(&key, body).await?;
    // The job may have been deleted meanwhile, and its files with it.
    if let Err(gone) = own_job(&app, &client, &id).await {
        blobs.remove(&key).await?;
        return Err(gone);
    }
    Ok(Json(Uploaded { status: "uploaded".to_owned(), s3_uri: blobs.uri(&key) }))
}

/// The chunks of a body, up to a limit.
pub(super) fn limited(body: Body, limit: u64) -> impl futures_util::Stream<Item = Result<bytes::Bytes>> {
    let mut length = 0;
    body.into_data_stream()
        .map_err(|error| Error::invalid("body", format!("ended before it was complete: {error}")))
        .and_then(move |chunk| {
            length += chunk.len() as u64;
            future::ready(if length > limit { Err(Error::TooLarge(limit)) } else { Ok(chunk) })
        })
}

/// Leads to a file: a stable address that redirects to a fresh link to S3.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{job_id}/files/download/{filename}",
    tag = "files",
    operation_id = "download_file",
    params(
        ("job_id" = JobId, Path, description = "The job."),
        ("filename" = String, Path, description = "A plain name, or a folder's and a file's with `%2F` between.", example = "notes.txt"),
    ),
    responses(
        (status = 302, description = "The file is at `Location`.", headers(
            ("Location" = String, description = "A link that works for an hour, without a token."),
        )),
        openapi::NotFound,
        openapi::BadQuery,
        openapi::NoStorage,
    )
)]
pub(super) async fn download(
    State(app): State<App>,
    client: Client,
    body::Path((id, filename)): body::Path<(String, String)>,
) -> Result<impl IntoResponse> {
    let blobs = app.blobs()?;
    let job = own_job(&app, &client, &id).await?;
    let key = key(job, &filename)?;
    blobs.length(&key).await?;
    let url = blobs.link_to_read(&key, DEFAULT_LINK).await?;
    Ok((StatusCode::FOUND, [(header::LOCATION, url), (header::CACHE_CONTROL, "no-store".to_owned())]))
}

fn key(job: JobId, filename: &str) -> Result<String> {
    if !is_file_name(filename) {
        return Err(Error::invalid("filename", FILE_NAME));
    }
    Ok(format!("{}{filename}", files_key(job)))
}
