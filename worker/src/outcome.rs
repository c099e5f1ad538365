//! What is reported of a task that ended. Pure.

use std::borrow::Cow;

use relevo_shared::worker::TaskError;
use serde_json::Value;

use crate::{cancel::StopReason, skills::SkillError};

/// How the run of a skill ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The skill gave its answer.
    Answered(Result<Value, SkillError>),
    /// The skill panicked.
    Panicked(String),
    /// The skill was told to stop, did not in time, and was abandoned.
    Abandoned,
}

/// The part of a result that depends on how the task ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: Cow<'static, str>,
    pub(crate) data: Option<Value>,
    pub(crate) error: Option<TaskError>,
}

/// What is reported; none when the task is not this worker's to report on.
pub(crate) fn outcome(stop: Option<StopReason>, ending: Ending) -> Option<Outcome> {
    match (stop, ending) {
        (Some(StopReason::LeaseLost), _) => None,
        // Work that was finished after all is not done twice.
        (_, Ending::Answered(Ok(value))) => Some(with_data("success".into(), value)),
        (_, Ending::Answered(Err(SkillError::Outcome { word, result }))) => Some(with_data(word.into(), result)),
        (Some(StopReason::Released), _) => {
            Some(without_data("released", "TRANSIENT", "handed back: the worker is shutting down"))
        }
        (Some(StopReason::Cancelled), _) => {
            Some(without_data("cancelled", "CANCELLED", "stopped: the orchestrator cancelled the task"))
        }
        (Some(StopReason::Deadline), _) => Some(without_data("failure", "TIMEOUT", "the task's deadline passed")),
        (None, Ending::Answered(Err(error))) => Some(failure(error)),
        (None, Ending::Panicked(message)) => {
            Some(without_data("failure", "PERMANENT", &format!("the skill panicked: {message}")))
        }
        (None, Ending::Abandoned) => Some(without_data("failure", "TRANSIENT", "the skill was abandoned")),
    }
}

fn failure(error: SkillError) -> Outcome {
    let (code, message) = (error.code(), error.to_string());
    let details = match error {
        SkillError::InvalidInput { details, .. } if !details.is_empty() => serde_json::to_value(details).ok(),
        _ => None,
    };
    Outcome { status: "failure".into(), data: None, error: Some(TaskError { code: code.to_owned(), message, details }) }
}

fn with_data(status: Cow<'static, str>, data: Value) -> Outcome {
    Outcome { status, data: Some(data), error: None }
}

fn without_data(status: &'static str, code: &str, message: &str) -> Outcome {
    let error = TaskError { code: code.to_owned(), message: message.to_owned(), details: None };
    Outcome { status: status.into(), data: None, error: Some(error) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(stop: Option<StopReason>, ending: Ending) -> Option<(&'static str, Option<String>)> {
        let word = |status: Cow<'static, str>| match status {
            Cow::Borrowed(word) => word,
            Cow::Owned(_) => "another",
        };
        outcome(stop, ending).map(|outcome| (word(outcome.status), outcome.error.map(|error| error.code)))
    }

    fn answer() -> Ending {
        Ending::Answered(Ok(json!({ "n": 1 })))
    }

    fn stopped() -> Ending {
        Ending::Answered(Err(SkillError::Cancelled))
    }

    #[test]
    fn a_lost_lease_is_never_reported_on() {
        assert_eq!(told(Some(StopReason::LeaseLost), answer()), None);
        assert_eq!(told(Some(StopReason::LeaseLost), stopped()), None);
    }

    #[test]
    fn work_finished_during_a_hand_back_counts_and_unfinished_work_is_released() {
        assert_eq!(told(Some(StopReason::Released), answer()), Some(("success", None)));
        assert_eq!(told(Some(StopReason::Released), stopped()), Some(("released", Some("TRANSIENT".to_owned()))));
        assert_eq!(told(Some(StopReason::Released), Ending::Abandoned).unwrap().0, "released");
    }

    #[test]
    fn a_cancelled_task_is_reported_as_such_unless_it_was_finished_after_all() {
        assert_eq!(told(Some(StopReason::Cancelled), stopped()), Some(("cancelled", Some("CANCELLED".to_owned()))));
        assert_eq!(told(Some(StopReason::Cancelled), Ending::Abandoned).unwrap().0, "cancelled");
        assert_eq!(told(Some(StopReason::Cancelled), answer()), Some(("success", None)));
    }

    #[test]
    fn another_outcome_goes_by_its_own_word() {
        let review = || Ending::Answered(Err(SkillError::Outcome { word: "review".to_owned(), result: json!(1) }));

        assert_eq!(outcome(None, review()), Some(with_data("review".into(), json!(1))));
        assert_eq!(told(Some(StopReason::LeaseLost), review()), None);
    }

    #[test]
    fn a_passed_deadline_is_a_timeout() {
        assert_eq!(told(Some(StopReason::Deadline), stopped()), Some(("failure", Some("TIMEOUT".to_owned()))));
    }

    #[test]
    fn a_panic_is_permanent_and_says_what_it_was() {
        let outcome = outcome(None, Ending::Panicked("index 3".to_owned())).unwrap();

        let error = outcome.error.unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("PERMANENT", "the skill panicked: index 3"));
    }

    #[test]
    fn invalid_input_names_its_fields() {
        let wrong = Ending::Answered(Err(SkillError::invalid("seconds", "must be a number")));

        let error = outcome(None, wrong).unwrap().error.unwrap();

        assert_eq!(error.code, "INVALID_INPUT");
        assert_eq!(error.details.unwrap(), json!([{ "field": "seconds", "reason": "must be a number" }]));
    }
}
