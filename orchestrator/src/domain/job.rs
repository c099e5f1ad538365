//! The state machine of a job: which state may follow which, and which one a step leads to.

use relevo_shared::job::JobState;

use super::blueprint::Next;

/// Whether a job may go from one state to the other. Nothing leads out of a terminal state.
#[must_use]
pub const fn may_follow(from: JobState, to: JobState) -> bool {
    !from.is_terminal() && !matches!(to, JobState::Pending)
}

/// The state of a job whose blueprint goes on like this. `begun` says whether a worker ever claimed a task of it.
#[must_use]
pub const fn state_for(next: &Next, begun: bool) -> JobState {
    match next {
        Next::Task(_) if begun => JobState::Running,
        Next::Task(_) => JobState::Pending,
        Next::Wait { .. } => JobState::Waiting,
        Next::Succeed { .. } => JobState::Completed,
        Next::Failed { quarantine: true, .. } => JobState::Quarantined,
        Next::Failed { .. } => JobState::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [JobState; 7] = [
        JobState::Pending,
        JobState::Running,
        JobState::Waiting,
        JobState::Completed,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Quarantined,
    ];

    #[test]
    fn nothing_leads_out_of_a_terminal_state() {
        for from in ALL.into_iter().filter(|state| state.is_terminal()) {
            assert!(ALL.into_iter().all(|to| !may_follow(from, to)), "{from:?}");
        }
    }
}
