//! What the word of a worker means: the end of a task in terms of the States Language.

use relevo_shared::{problem::Detail, worker::TaskResult};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The error of a task that no worker took in time.
pub const DISPATCH_TIMEOUT: &str = "Dispatch.Timeout";

/// The error of an approval that was refused.
pub const REJECTED: &str = "Approval.Rejected";
/// The error of a child job that did not complete.
pub const CHILD_FAILED: &str = "Child.Failed";
/// The error of what took too long.
pub const TIMEOUT: &str = "States.Timeout";

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With an output.
    Succeeded {
        /// The output.
        output: Value,
    },
    /// With an error of the States Language.
    Failed {
        /// Its name.
        error: String,
        /// What happened, for people.
        cause: String,
        /// Fields that were wrong.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        details: Vec<Detail>,
    },
}

impl Outcome {
    /// A failure without named fields.
    pub fn failed(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Failed { error: error.into(), cause: cause.into(), details: Vec::new() }
    }

    /// The name of its error, where it failed.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Succeeded { .. } => None,
            Self::Failed { error, .. } => Some(error),
        }
    }
}

/// What a worker's result asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The task has ended.
    Ended(Outcome),
    /// The worker hands it back untouched: it goes to the queue again and no attempt is counted.
    Released,
}

/// Reads a worker's result.
#[must_use]
pub fn verdict(result: TaskResult) -> Verdict {
    Verdict::Ended(match result.status.as_str() {
        "success" => {
            Outcome::Succeeded { output: result.data.unwrap_or_else(|| Value::Object(serde_json::Map::new())) }
        }
        "released" => return Verdict::Released,
        "failure" => match result.error {
            None => Outcome::failed("Worker.Permanent", "the worker gave no reason"),
            Some(error) => Outcome::Failed {
                error: error_name(&error.code).to_owned(),
                details: error.fields(),
                cause: error.message,
            },
        },
        // Had the job been cancelled, its lease would be gone and this result refused before anyone reads it.
        "cancelled" => Outcome::failed("Worker.Transient", "the worker stopped the task before its end"),
        word => {
            Outcome::failed(format!("Outcome.{word}"), result.data.map_or_else(String::new, |data| data.to_string()))
        }
    })
}

/// Whether a result speaks for its worker. `None` when it says nothing: it was handed back, cancelled, or the input is at
/// fault.
#[must_use]
pub fn speaks_well(result: &TaskResult) -> Option<bool> {
    match (result.status.as_str(), &result.error) {
        ("released" | "cancelled", _) => None,
        ("failure", Some(error)) if error_name(&error.code) == "Worker.InvalidInput" => None,
        ("failure", _) => Some(false),
        _ => Some(true),
    }
}

/// The error name for a worker's error code. A code that nobody knows is permanent: trying again is for known cases.
fn error_name(code: &str) -> &'static str {
    match code.strip_suffix("_ERROR").unwrap_or(code) {
        "TRANSIENT" | "CANCELLED" => "Worker.Transient",
        "INVALID_INPUT" => "Worker.InvalidInput",
        "RESOURCE_EXHAUSTED" => "Worker.ResourceExhausted",
        "TIMEOUT" => "States.Timeout",
        _ => "Worker.Permanent",
    }
}

#[cfg(test)]
mod tests {
    use relevo_shared::worker::TaskError;
    use serde_json::json;

    use super::*;

    fn result(status: &str) -> TaskResult {
        let job_id = relevo_shared::JobId::fresh();
        TaskResult {
            job_id,
            task_id: relevo_shared::TaskId { branch: job_id.into(), number: 1 },
            worker_id: "w".parse().unwrap(),
            status: status.to_owned(),
            data: None,
            error: None,
            lease_token: None,
        }
    }

    #[test]
    fn a_custom_word_becomes_an_error_that_a_blueprint_can_catch() {
        let verdict = verdict(TaskResult { data: Some(json!({"pages": 3})), ..result("too_long") });

        assert_eq!(verdict, Verdict::Ended(Outcome::failed("Outcome.too_long", r#"{"pages":3}"#)));
    }

    #[test]
    fn a_failure_speaks_against_a_worker_unless_the_input_is_at_fault() {
        let failed = |code: &str| {
            let error = TaskError { code: code.to_owned(), message: String::new(), details: None };
            speaks_well(&TaskResult { error: Some(error), ..result("failure") })
        };

        assert_eq!(
            [failed("PERMANENT"), failed("TRANSIENT"), failed("INVALID_INPUT")],
            [Some(false), Some(false), None]
        );
        let others = ["success", "too_long", "released"].map(|status| speaks_well(&result(status)));
        assert_eq!(others, [Some(true), Some(true), None]);
    }

    #[test]
    fn a_code_with_and_without_its_suffix_means_the_same() {
        for code in ["INVALID_INPUT", "INVALID_INPUT_ERROR"] {
            let error = TaskError { code: code.to_owned(), message: "no".to_owned(), details: None };

            let verdict = verdict(TaskResult { error: Some(error), ..result("failure") });

            assert_eq!(verdict, Verdict::Ended(Outcome::failed("Worker.InvalidInput", "no")));
        }
    }
}
