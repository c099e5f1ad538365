//! What clients do to a job, and what they hear when its state does not allow it.

/// Something that can be done to a job in some of its states only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ends it.
    Cancel,
    /// Lets it go on from the state that failed.
    Retry,
    /// Forgets it.
    Delete,
    /// Reads the table that it made.
    ReadData,
}

impl Action {
    /// Why it cannot be done to a job in this state, which is named in the words of whoever reads it.
    #[must_use]
    pub fn refusal(self, state: &str) -> String {
        match self {
            Self::Cancel => format!("Cannot cancel {state} job"),
            Self::Retry => format!("Cannot retry {state} job: only a failed or quarantined one can be retried"),
            Self::Delete => format!("Cannot delete {state} job. Cancel it first."),
            Self::ReadData => format!("Cannot read data of {state} job: only a completed one has data"),
        }
    }
}
