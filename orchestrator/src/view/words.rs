//! What each document calls a job's state, and what its readers mean by such a word.

use relevo_shared::job::JobState;

/// The documents in whose words jobs are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// `/api/v1`: the canonical words.
    Core,
    /// `/api/jobs` and `/api/sampling`.
    Jobs,
    /// `/jobs`.
    Preproc,
    /// `/v1/toolkit`.
    Toolkit,
}

impl View {
    /// What a job in this state is called here.
    #[must_use]
    pub const fn word(self, state: JobState) -> &'static str {
        match (self, state) {
            (Self::Preproc, JobState::Pending) => "created",
            (Self::Toolkit, JobState::Pending) => "queued",
            (Self::Jobs | Self::Preproc | Self::Toolkit, JobState::Waiting) => "running",
            (Self::Jobs | Self::Preproc, JobState::Quarantined) => "failed",
            (Self::Toolkit, JobState::Completed | JobState::Failed | JobState::Cancelled | JobState::Quarantined) => {
                "done"
            }
            (_, state) => state.as_str(),
        }
    }

    /// The states that a reader of this document means by a word: all that are called so here, or the one whose canonical
    /// name it is; none when it is neither.
    #[must_use]
    pub fn states(self, word: &str) -> Vec<JobState> {
        let called: Vec<_> = JobState::ALL.into_iter().filter(|state| self.word(*state) == word).collect();
        if called.is_empty() { JobState::from_word(word).into_iter().collect() } else { called }
    }

    /// Every word that [`Self::states`] knows, the document's own first.
    #[must_use]
    pub fn known_words(self) -> Vec<&'static str> {
        let own = JobState::ALL.into_iter().map(|state| self.word(state));
        let mut words = Vec::new();
        for word in own.chain(JobState::ALL.into_iter().map(JobState::as_str)) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_the_word_of_each_document() {
        let told: Vec<_> = JobState::ALL
            .into_iter()
            .map(|state| [View::Core, View::Jobs, View::Preproc, View::Toolkit].map(|view| view.word(state)))
            .collect();

        assert_eq!(
            told,
            [
                ["pending", "pending", "created", "queued"],
                ["running", "running", "running", "running"],
                ["waiting", "running", "running", "running"],
                ["completed", "completed", "completed", "done"],
                ["failed", "failed", "failed", "done"],
                ["cancelled", "cancelled", "cancelled", "done"],
                ["quarantined", "failed", "failed", "done"],
            ]
        );
    }

    #[test]
    fn a_word_means_every_state_that_is_told_by_it() {
        use JobState::{Failed, Pending, Quarantined, Running, Waiting};

        assert_eq!(View::Jobs.states("running"), [Running, Waiting]);
        assert_eq!(View::Jobs.states("waiting"), [Waiting]);
        assert_eq!(View::Jobs.states("failed"), [Failed, Quarantined]);
        assert_eq!(View::Jobs.states("quarantined"), [Quarantined]);
        assert_eq!(View::Preproc.states("created"), [Pending]);
        assert_eq!(View::Preproc.states("pending"), [Pending]);
        assert_eq!(View::Toolkit.states("done").len(), 4);
        for unknown in ["", "Running", "created", "done", "running ", "running,failed"] {
            assert!(View::Jobs.states(unknown).is_empty(), "{unknown}");
        }
    }
}
