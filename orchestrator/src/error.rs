//! Everything that a request can fail with. Facts only: how it looks over HTTP is decided in `http::problem`.

use std::time::Duration;

use relevo_shared::{JobId, id::InvalidId, job::JobState, problem::Detail};

use crate::{blobs::BlobError, domain::action::Action, store::StoreError};

/// One error for the whole crate. The codes are promises to clients.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No token, or one that nobody has.
    #[error("{0} is missing or unknown")]
    Unauthorized(&'static str),
    /// Requests come faster than they may.
    #[error("too many requests; try again in {} s", seconds(*retry_after))]
    RateLimited {
        /// When one more is taken.
        retry_after: Duration,
    },
    /// The client has as much as its plan allows.
    #[error("the quota {quota} of {limit} is used up")]
    QuotaExceeded {
        /// The limit of the plan.
        quota: &'static str,
        /// Its number.
        limit: u64,
        /// When there may be room again.
        retry_after: Duration,
    },
    /// An idempotency key came again with another request.
    #[error("this Idempotency-Key was used for another request; take a fresh one")]
    IdempotencyKeyReused,
    /// A request with the same idempotency key is still being served.
    #[error("a request with this Idempotency-Key is still being served; try again in a moment")]
    IdempotencyInProgress,
    /// No job of this client has this id.
    #[error("Job not found")]
    JobNotFound(String),
    /// Something else is not there.
    #[error("{0}")]
    NotFound(String),
    /// No worker of this id is registered (any more).
    #[error("worker not found")]
    WorkerNotFound,
    /// The action does not fit the job's state.
    #[error("{}", .1.refusal(.2.as_str()))]
    NotNow(JobId, Action, JobState),
    /// Something else has happened first; the word is the code.
    #[error("{1}")]
    Conflict(&'static str, String),
    /// The caller is known, but may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The worker does not hold this task.
    #[error("the lease on task {0} is held by another worker or has ended")]
    LeaseLost(String),
    /// Something in the request is wrong; each detail names a field.
    #[error("{0}")]
    Invalid(String, Vec<Detail>),
    /// The body is larger than is accepted here.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The body is not of a type that is read here.
    #[error("{0}")]
    UnsupportedType(String),
    /// This deployment has no S3.
    #[error("this deployment has no S3 storage: set RELEVO_S3_BUCKET and its companions")]
    S3Off,
    /// S3 failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// Redis failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address is served, but not for this method.
    #[error("{0}")]
    NoMethod(String),
    /// A handler panicked: a fault of this program.
    #[error("panicked: {0}")]
    Panicked(String),
    /// A job is in a form that this program cannot go on from.
    #[error("job {0} cannot go on: {1}")]
    Broken(JobId, String),
    /// A table is not what a worker should have written, or its rows cannot be shown.
    #[error("a table cannot be read: {0}")]
    Unreadable(String),
}

/// Result of what serves a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An invalid request with one field to blame.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::invalid_fields(vec![Detail::new(field, reason)])
    }

    /// An invalid request; the sentence is made from its first field.
    #[must_use]
    pub fn invalid_fields(details: Vec<Detail>) -> Self {
        let sentence = match details.as_slice() {
            [] => "the request is invalid".to_owned(),
            [one] => format!("{}: {}", one.field, one.reason),
            [first, rest @ ..] => format!("{}: {} (and {} more)", first.field, first.reason, rest.len()),
        };
        Self::Invalid(sentence, details)
    }

    /// The stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) => "unauthorized",
            Self::RateLimited { .. } => "rate_limited",
            Self::QuotaExceeded { .. } => "quota_exceeded",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::IdempotencyInProgress => "idempotency_in_progress",
            Self::JobNotFound(_) => "job_not_found",
            Self::NotFound(_) => "not_found",
            Self::WorkerNotFound => "worker_not_found",
            Self::NotNow(..) => "invalid_state",
            Self::Conflict(code, _) => code,
            Self::Forbidden(_) => "forbidden",
            Self::LeaseLost(_) => "lease_lost",
            Self::Invalid(..) => "invalid_parameters",
            Self::NoMethod(_) => "method_not_allowed",
            Self::Panicked(_) => "internal_error",
            Self::TooLarge(_) => "body_too_large",
            Self::UnsupportedType(_) => "unsupported_media_type",
            Self::S3Off => "s3_disabled",
            Self::Blob(BlobError::NotFound(_)) => "file_not_found",
            Self::Blob(BlobError::Away(_)) | Self::Store(StoreError::Archive(_)) => "storage_unavailable",
            Self::Store(StoreError::Away(_)) => "store_unavailable",
            Self::Blob(BlobError::Refused(_))
            | Self::Store(StoreError::Corrupt(_) | StoreError::TooOld(_) | StoreError::Partitions { .. })
            | Self::Broken(..)
            | Self::Unreadable(_) => "internal_error",
        }
    }
}

/// Whole seconds of a wait, rounded up: whoever waits so long has waited long enough.
#[must_use]
pub(crate) fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        Self::invalid(error.what, format!("must be {}", error.form))
    }
}
