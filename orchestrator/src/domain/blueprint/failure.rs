//! Errors as the States Language names them, and which of them a `Retry` or `Catch` means.

use relevo_shared::problem::Detail;

/// Matches every error but the two that end a machine.
pub(super) const ALL: &str = "States.ALL";
const TASK_FAILED: &str = "States.TaskFailed";
const TIMEOUT: &str = "States.Timeout";
pub(super) const RUNTIME: &str = "States.Runtime";
pub(super) const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";
pub(super) const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
pub(super) const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
pub(super) const PARAMETER_PATH_FAILURE: &str = "States.ParameterPathFailure";
pub(super) const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";
pub(super) const INTRINSIC_FAILURE: &str = "States.IntrinsicFailure";

pub(super) const EXCEED_TOLERATED: &str = "States.ExceedToleratedFailureThreshold";

/// The names beginning with `States.` that may stand in `ErrorEquals`.
pub(super) const PREDEFINED: [&str; 17] = [
    ALL,
    TASK_FAILED,
    TIMEOUT,
    "States.HeartbeatTimeout",
    RUNTIME,
    DATA_LIMIT_EXCEEDED,
    NO_CHOICE_MATCHED,
    PARAMETER_PATH_FAILURE,
    RESULT_PATH_MATCH_FAILURE,
    INTRINSIC_FAILURE,
    EXCEED_TOLERATED,
    "States.Permissions",
    "States.BranchFailed",
    "States.ItemReaderFailed",
    "States.ResultWriterFailed",
    QUERY_EVALUATION_ERROR,
    "States.Http.Socket",
];

/// An error on its way to a `Retry`, a `Catch` or the end of the machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) error: String,
    pub(super) cause: String,
    pub(super) details: Vec<Detail>,
    /// What the branch that failed has said of it; nothing where the failure is the state's own.
    pub(super) quarantine: Option<bool>,
}

impl Failure {
    pub(super) fn new(error: &str, cause: impl Into<String>) -> Self {
        Self { error: error.to_owned(), cause: cause.into(), details: Vec::new(), quarantine: None }
    }

    pub(super) fn runtime(cause: impl Into<String>) -> Self {
        Self::new(RUNTIME, cause)
    }
}

/// Whether one of `names` (an `ErrorEquals`) means `error`.
///
/// `States.ALL` and `States.TaskFailed` are wildcards, except for `States.Runtime` and `States.DataLimitExceeded`, which
/// trying again cannot mend; `States.TaskFailed` leaves out `States.Timeout` too.
pub(super) fn means(names: &[String], error: &str) -> bool {
    names.iter().any(|name| match name.as_str() {
        name if name == error => true,
        ALL => !matches!(error, RUNTIME | DATA_LIMIT_EXCEEDED),
        TASK_FAILED => !matches!(error, RUNTIME | DATA_LIMIT_EXCEEDED | TIMEOUT),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, error: &str) -> bool {
        means(&[name.to_owned()], error)
    }

    #[test]
    fn a_name_means_itself_only() {
        assert!(named("Worker.Transient", "Worker.Transient"));
        assert!(!named("Worker.Transient", "Worker.Permanent"));
        assert!(!named("Worker", "Worker.Transient"));
    }

    #[test]
    fn all_leaves_out_what_trying_again_cannot_mend() {
        assert!(named(ALL, "Outcome.rejected"));
        assert!(named(ALL, TIMEOUT));
        assert!(!named(ALL, RUNTIME));
        assert!(!named(ALL, DATA_LIMIT_EXCEEDED));
        assert!(named(RUNTIME, RUNTIME));
    }

    #[test]
    fn task_failed_means_any_error_but_a_timeout() {
        assert!(named(TASK_FAILED, "Worker.Permanent"));
        assert!(named(TASK_FAILED, "States.HeartbeatTimeout"));
        assert!(!named(TASK_FAILED, TIMEOUT));
    }
}
