//! The state of a job, as it follows from what its blueprint does next.
//!
//! `pending → running ⇄ waiting → completed | failed | quarantined`, and `cancelled` by its client. The store refuses
//! every step of a job that has ended, so nothing leads out of the last four.

use relevo_shared::job::JobState;

use super::blueprint::{Next, Resource, TaskOrder};

/// The state of a job whose blueprint goes on like this. `begun` says whether it has taken a step before.
#[must_use]
pub const fn state_for(next: &Next, begun: bool) -> JobState {
    match next {
        Next::Task(TaskOrder { resource: Resource::Approval(_), .. }) => JobState::Waiting,
        Next::Task(_) | Next::Fan(_) if begun => JobState::Running,
        Next::Task(_) | Next::Fan(_) => JobState::Pending,
        Next::Wait { .. } => JobState::Waiting,
        Next::Succeed { .. } => JobState::Completed,
        Next::Failed { quarantine: true, .. } => JobState::Quarantined,
        Next::Failed { .. } => JobState::Failed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn failed(quarantine: bool) -> Next {
        Next::Failed { state: None, error: String::new(), cause: String::new(), details: Vec::new(), quarantine }
    }

    #[test]
    fn only_an_end_is_terminal() {
        let wait = Next::Wait { for_ms: 1, setback: None };

        assert!(!state_for(&wait, true).is_terminal());
        assert!(state_for(&Next::Succeed { output: Value::Null }, false).is_terminal());
        assert_eq!(state_for(&failed(true), true), JobState::Quarantined);
        assert_eq!(state_for(&failed(false), true), JobState::Failed);
    }
}
