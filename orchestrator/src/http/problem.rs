//! How an error looks over HTTP. The only place that knows.

use std::{any::Any, sync::Arc};

use axum::{
    Json,
    extract::Request,
    http::{Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use relevo_shared::problem::{Detail, Problem, ToolkitProblem};

use crate::{
    blobs::BlobError,
    error::{Error, seconds},
    store::StoreError,
    view::View,
};

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
            | Self::Unreadable(_)
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
        answer(View::Core, &Arc::new(self))
    }
}

/// A refusal that is on its way out, so that the document which the request belongs to can tell it in its own words.
#[derive(Debug, Clone)]
struct Refused(Arc<Error>);

/// Tells every refusal as the document does that its path belongs to.
pub(super) async fn in_words_of_the_view(request: Request, next: Next) -> Response {
    let view = view_of(request.uri().path());
    let response = next.run(request).await;
    let refused = response.extensions().get::<Refused>().cloned();
    let (View::Jobs | View::Preproc | View::Toolkit, Some(Refused(error))) = (view, refused) else { return response };
    let mut retold = answer(view, &error);
    for (name, value) in response.headers() {
        // What was added on the way, as the methods of a path that is not served for this one.
        retold.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    retold
}

/// The document that a path belongs to.
fn view_of(path: &str) -> View {
    let is_below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if is_below("/jobs") {
        View::Preproc
    } else if is_below("/v1/toolkit") {
        View::Toolkit
    } else if is_below("/api/jobs") || is_below("/api/sampling") {
        View::Jobs
    } else {
        View::Core
    }
}

fn answer(view: View, error: &Arc<Error>) -> Response {
    let mut response = match view {
        View::Toolkit => {
            let (status, body) = toolkit_problem(error);
            (status, Json(body)).into_response()
        }
        View::Core | View::Jobs | View::Preproc => (error.status(), Json(problem(view, error))).into_response(),
    };
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    if error.status().is_server_error() {
        response.extensions_mut().insert(Cause { code: error.code(), text: error.to_string() });
    }
    response.extensions_mut().insert(Refused(Arc::clone(error)));
    response
}

fn problem(view: View, error: &Error) -> Problem {
    let (sentence, details) = match error {
        Error::Invalid(_, details) if view != View::Core => {
            let details: Vec<_> = details.iter().map(in_the_body).collect();
            (Error::invalid_fields(details.clone()).to_string(), details)
        }
        Error::Invalid(sentence, details) => (sentence.clone(), details.clone()),
        Error::NotNow(_, action, state) => (action.refusal(view.word(*state)), Vec::new()),
        _ => (error.public_text(), Vec::new()),
    };
    let job_id = match error {
        Error::JobNotFound(id) => Some(id.clone()),
        Error::NotNow(id, ..) => Some(id.to_string()),
        _ => None,
    };
    let detail = (view == View::Preproc).then(|| sentence.clone());
    Problem { error: sentence.clone(), code: error.code().to_owned(), message: sentence, details, job_id, detail }
}

/// Where a field stands that is wrong: the body of these documents is the input itself.
fn in_the_body(detail: &Detail) -> Detail {
    let field = match detail.field.strip_prefix("initial_data") {
        Some("") => "body",
        Some(rest) => rest.strip_prefix('.').unwrap_or(&detail.field),
        None => &detail.field,
    };
    Detail::new(field, &*detail.reason)
}

fn toolkit_problem(error: &Error) -> (StatusCode, ToolkitProblem) {
    let status = match error.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    let (text, code) = (error.public_text(), Some(status.as_u16()));
    let body = match error {
        Error::JobNotFound(id) => ToolkitProblem { error: text, code: None, job_id: Some(id.clone()) },
        _ if status.is_server_error() => {
            ToolkitProblem { error: format!("Failed to retrieve job status: {text}"), code, job_id: None }
        }
        _ => ToolkitProblem { error: text, code, job_id: None },
    };
    (status, body)
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

#[cfg(test)]
mod tests {
    use relevo_shared::{JobId, job::JobState};

    use super::*;
    use crate::domain::action::Action;

    #[test]
    fn a_path_belongs_to_one_document() {
        let views = [
            ("/jobs", View::Preproc),
            ("/jobs/x/y", View::Preproc),
            ("/jobsx", View::Core),
            ("/api/jobs", View::Jobs),
            ("/api/jobs/cleanup", View::Jobs),
            ("/api/sampling/jobs/x/data", View::Jobs),
            ("/api/v1/jobs/x", View::Core),
            ("/v1/toolkit/job/status", View::Toolkit),
            ("/_worker/tasks/result", View::Core),
        ];

        for (path, view) in views {
            assert_eq!(view_of(path), view, "{path}");
        }
    }

    #[test]
    fn a_refused_action_names_the_state_as_the_document_does() {
        let told = |view, action, state| problem(view, &Error::NotNow(JobId::fresh(), action, state)).error;

        assert_eq!(told(View::Jobs, Action::Cancel, JobState::Completed), "Cannot cancel completed job");
        assert_eq!(told(View::Jobs, Action::Cancel, JobState::Quarantined), "Cannot cancel failed job");
        assert_eq!(told(View::Core, Action::Cancel, JobState::Quarantined), "Cannot cancel quarantined job");
        assert_eq!(told(View::Jobs, Action::Delete, JobState::Waiting), "Cannot delete running job. Cancel it first.");
    }

    #[test]
    fn a_field_is_named_where_it_stands_in_the_body() {
        let error = Error::invalid_fields(vec![
            Detail::new("initial_data.rounds[0].method", "is missing"),
            Detail::new("initial_data", "needs `rounds`"),
            Detail::new("limit", "must be 1 to 1000"),
        ]);

        let told = problem(View::Preproc, &error);

        let fields: Vec<_> = told.details.iter().map(|detail| detail.field.as_str()).collect();
        assert_eq!(fields, ["rounds[0].method", "body", "limit"]);
        assert_eq!(told.error, "rounds[0].method: is missing (and 2 more)");
        assert_eq!((told.detail.as_ref(), &told.message), (Some(&told.error), &told.error));
        assert_eq!(problem(View::Core, &error).details[0].field, "initial_data.rounds[0].method");
    }

    #[test]
    fn the_toolkit_has_its_own_bodies() {
        let told = |error: Error| {
            let (status, body) = toolkit_problem(&error);
            (status.as_u16(), serde_json::to_string(&body).expect("it has string keys only"))
        };

        assert_eq!(
            told(Error::JobNotFound("x".to_owned())),
            (404, r#"{"error":"Job not found","job_id":"x"}"#.to_owned())
        );
        assert_eq!(
            told(Error::invalid("job_id", "is missing")),
            (400, r#"{"error":"job_id: is missing","code":400}"#.to_owned())
        );
        let (status, body) = told(Error::Panicked("a secret".to_owned()));
        assert_eq!(status, 500);
        assert!(body.starts_with(r#"{"error":"Failed to retrieve job status: "#) && body.ends_with(r#","code":500}"#));
        assert!(!body.contains("secret"), "{body}");
    }
}
