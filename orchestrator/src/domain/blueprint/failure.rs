//! Errors as the States Language names them, and which of them a `Retry` or `Catch` means.

use relevo_shared::problem::Detail;

/// Matches every error but the two that end a machine.
pub(super) const ALL: &str = "States.ALL";
const TASK_FAILED: &str = "States.TaskFailed";
const TIMEOUT: &str = "States.Timeout";
const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
const BRANCH_FAILED: &str = "States.BranchFailed";
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
    HEARTBEAT_TIMEOUT,
    RUNTIME,
    DATA_LIMIT_EXCEEDED,
    NO_CHOICE_MATCHED,
    PARAMETER_PATH_FAILURE,
    RESULT_PATH_MATCH_FAILURE,
    INTRINSIC_FAILURE,
    EXCEED_TOLERATED,
    "States.Permissions",
    BRANCH_FAILED,
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

impl Failure {
    /// Whether one of `names` (an `ErrorEquals`) means it.
    ///
    /// `States.ALL` and `States.TaskFailed` are wildcards, except for `States.Runtime` and `States.DataLimitExceeded`,
    /// which trying again cannot mend. A heartbeat that stayed away is a timeout too, and `States.TaskFailed` leaves out
    /// both. `States.BranchFailed` means whatever a branch ended with.
    pub(super) fn is_meant_by(&self, names: &[String]) -> bool {
        let error = self.error.as_str();
        names.iter().any(|name| match name.as_str() {
            name if name == error => true,
            ALL => !matches!(error, RUNTIME | DATA_LIMIT_EXCEEDED),
            TASK_FAILED => !matches!(error, RUNTIME | DATA_LIMIT_EXCEEDED | TIMEOUT | HEARTBEAT_TIMEOUT),
            TIMEOUT => error == HEARTBEAT_TIMEOUT,
            BRANCH_FAILED => self.quarantine.is_some(),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, error: &str) -> bool {
        Failure::new(error, "it broke").is_meant_by(&[name.to_owned()])
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
        assert!(named(ALL, QUERY_EVALUATION_ERROR));
        assert!(!named(ALL, RUNTIME));
        assert!(!named(ALL, DATA_LIMIT_EXCEEDED));
        assert!(named(RUNTIME, RUNTIME));
    }

    #[test]
    fn task_failed_means_any_error_but_a_timeout() {
        assert!(named(TASK_FAILED, "Worker.Permanent"));
        assert!(!named(TASK_FAILED, TIMEOUT));
        assert!(!named(TASK_FAILED, HEARTBEAT_TIMEOUT));
    }

    #[test]
    fn a_heartbeat_that_stayed_away_is_a_timeout_and_not_the_other_way_round() {
        assert!(named(TIMEOUT, HEARTBEAT_TIMEOUT));
        assert!(!named(HEARTBEAT_TIMEOUT, TIMEOUT));
    }

    #[test]
    fn branch_failed_means_what_a_branch_ended_with() {
        let of_branch = Failure { quarantine: Some(true), ..Failure::new("Outcome.odd", "it broke") };

        assert!(of_branch.is_meant_by(&[BRANCH_FAILED.to_owned()]));
        assert!(!named(BRANCH_FAILED, "Outcome.odd"));
    }
}
