//! How an error looks over HTTP. The only place that knows.

use std::any::Any;

use crate::{
    blobs::BlobError,
    error::{Error, seconds},
    store::StoreError,
};
use axum::{
    Json,
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use relevo_shared::problem::Problem;

/// Seconds after which a client may try again while Redis or S3 is away.
const RETRY_WHEN_AWAY: u64 = 2;

impl Error {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::JobNotFound(_) | Self::NotFound(_) | Self::WorkerNotFound | Self::Blob(BlobError::NotFound(_)) => {
                StatusCode::NOT_FOUND
            }
            Self::LeaseLost(_) | Self::Conflict(..) | Self::IdempotencyKeyReused | Self::IdempotencyInProgress => {
                StatusCode::CONFLICT
            }
            Self::NotNow(..) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::RateLimited { .. } | Self::QuotaExceeded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Invalid(..) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::S3Off => StatusCode::NOT_IMPLEMENTED,
            Self::Blob(BlobError::Away(_)) | Self::Store(StoreError::Away(_) | StoreError::Archive(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Blob(BlobError::Refused(_))
            | Self::Store(StoreError::Corrupt(_) | StoreError::TooOld(_) | StoreError::Partitions { .. })
            | Self::Broken(..)
            | Self::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// Seconds after which the same request may be taken.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after } | Self::QuotaExceeded { retry_after, .. } => Some(seconds(*retry_after)),
            Self::IdempotencyInProgress => Some(1),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_WHEN_AWAY),
            _ => None,
        }
    }

    /// The sentence that a client may read: internals stay inside.
    fn public_text(&self) -> String {
        match self {
            Self::Store(StoreError::Away(_)) => "the job store is away for a moment; try again".to_owned(),
            Self::Blob(BlobError::Away(_)) | Self::Store(StoreError::Archive(_)) => {
                "the file storage is away for a moment; try again".to_owned()
            }
            _ if self.status() == StatusCode::INTERNAL_SERVER_ERROR => {
                "something went wrong on our side; the log has the details".to_owned()
            }
            _ => self.to_string(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status(), self.retry_after());
        let cause = Cause { code: self.code(), text: self.to_string() };
        let sentence = self.public_text();
        let code = self.code().to_owned();
        let (details, job_id) = match self {
            Self::Invalid(_, details) => (details, None),
            Self::JobNotFound(id) => (Vec::new(), Some(id)),
            Self::NotNow(id, _) => (Vec::new(), Some(id.to_string())),
            _ => (Vec::new(), None),
        };
        let body = Problem { error: sentence.clone(), code, message: sentence, details, job_id };
        let mut response = (status, Json(body)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status.is_server_error() {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

/// Why a response is an error of the server, for the log; it never leaves the process.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub(super) code: &'static str,
    pub(super) text: String,
}

/// Nothing is served at this address.
pub(super) async fn no_route(method: Method, uri: Uri) -> Error {
    Error::NotFound(format!("nothing is served at {method} {}", uri.path()))
}

/// The address is served, but not for this method.
pub(super) async fn no_method(method: Method, uri: Uri) -> Error {
    Error::NoMethod(format!("{} is not served for {method}", uri.path()))
}

/// A handler panicked: the client hears that something went wrong, the log hears what.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over")]
pub(super) fn after_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Error::Panicked(text.unwrap_or("a panic without a text").to_owned()).into_response()
}
