//! `sleep`: takes a given time, tells how far it is, and stops at once when it is cancelled.

use std::time::Duration;

use relevo_shared::worker::Task;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Running, Skill, SkillError};
use crate::context::TaskContext;

/// The longest time: one day.
const LONGEST_SECONDS: f64 = 86_400.0;

/// Sleeps for `seconds`.
#[derive(Debug)]
pub(super) struct Sleep;

impl Skill for Sleep {
    fn name(&self) -> &str {
        "sleep"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(async move {
            let seconds = seconds(&task.params)?;
            let sleep = Duration::from_secs_f64(seconds);
            // Two hundred steps are fine enough for a bar; a long sleep still shows that it lives.
            let step = (sleep / 200).clamp(Duration::from_millis(250), Duration::from_secs(2));
            let began = Instant::now();
            while let Some(left) = sleep.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
                tokio::select! {
                    () = context.cancelled() => return Err(SkillError::Cancelled),
                    () = tokio::time::sleep(left.min(step)) => {}
                }
                let slept = began.elapsed().as_secs_f64().min(seconds);
                context.progress(slept / seconds, format!("slept {slept:.1} of {seconds:.1} s"));
            }
            Ok(json!({ "slept_seconds": seconds }))
        })
    }
}

fn seconds(params: &Map<String, Value>) -> Result<f64, SkillError> {
    let seconds = params.get("seconds").and_then(Value::as_f64);
    seconds
        .filter(|seconds| (0.0..=LONGEST_SECONDS).contains(seconds))
        .ok_or_else(|| SkillError::invalid("seconds", format!("must be a number from 0 to {LONGEST_SECONDS}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(seconds: &Value) -> Result<f64, SkillError> {
        super::seconds(json!({ "seconds": seconds }).as_object().unwrap())
    }

    #[test]
    fn seconds_are_a_number_in_range() {
        assert_eq!(read(&json!(0)), Ok(0.0));
        assert_eq!(read(&json!(86400)), Ok(86_400.0));
        for wrong in [json!(-1), json!(86_400.5), json!("5"), json!(null)] {
            assert!(read(&wrong).unwrap_err().to_string().starts_with("seconds: must be a number from 0 to 86400"));
        }
    }
}
