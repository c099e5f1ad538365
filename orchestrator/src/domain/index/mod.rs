//! Which jobs a list shows: sets of places in the index, cut and merged, newest first.
//!
//! Each partition numbers its jobs as they are created: a job's number there is its *slot*. The index keeps columns of
//! 4,096 slots each, a *chunk*. Within a partition a higher slot is never older; among partitions the instant decides.

mod cursor;
mod page;
mod slots;

use std::borrow::Cow;

use relevo_shared::job::JobState;
use sha2::{Digest, Sha256};

pub use cursor::{ListCursor, UnknownCursor};
pub use page::{Bound, ChunkMatches, Cut, Entry, Plan, bound, cut, page, plan};
pub use slots::{SLOTS, SlotSet};

/// The states, each at the place of its code in the index, as `STATE_CODES` of the prelude has them. 0 stands for no job.
const STATES: [JobState; 7] = [
    JobState::Pending,
    JobState::Running,
    JobState::Waiting,
    JobState::Completed,
    JobState::Failed,
    JobState::Cancelled,
    JobState::Quarantined,
];

/// The state that a code of the index stands for.
#[must_use]
pub fn state_of(code: u8) -> Option<JobState> {
    STATES.get(usize::from(code).checked_sub(1)?).copied()
}

/// What a job can be found by beside its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// Whose it is.
    Client,
    /// What it is.
    Kind,
    /// The dataset that its input names.
    Dataset,
    /// The user of its client.
    UserId,
    /// The same user's name in another directory.
    UserSoeid,
}

/// A value is written out up to this many bytes; of a longer one its hash is kept.
const LONGEST: usize = 64;

impl Attribute {
    /// The name under which the index keeps the jobs with this value.
    #[must_use]
    pub fn named(self, value: &str) -> String {
        let letter = match self {
            Self::Client => 'c',
            Self::Kind => 'k',
            Self::Dataset => 'd',
            Self::UserId => 'u',
            Self::UserSoeid => 's',
        };
        // A colon for the value itself, a full stop for its hash: no value is taken for the hash of another.
        let (mark, text) = if value.len() <= LONGEST {
            (':', Cow::Borrowed(value))
        } else {
            ('.', Cow::Owned(hex::encode(Sha256::digest(value))))
        };
        format!("{letter}{mark}{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_name_and_no_other_value_has_it() {
        let long = "x".repeat(65);
        let hash = hex::encode(Sha256::digest(&long));

        assert_eq!(Attribute::Dataset.named("48"), "d:48");
        assert_eq!(Attribute::Dataset.named(&long), format!("d.{hash}"));
        assert_ne!(Attribute::Dataset.named(&long), Attribute::Dataset.named(&hash));
        assert_ne!(Attribute::UserId.named("a"), Attribute::UserSoeid.named("a"));
    }

    #[test]
    fn each_state_has_a_code_and_nothing_has_none() {
        assert_eq!(state_of(0), None);
        assert_eq!(state_of(1), Some(JobState::Pending));
        assert_eq!(state_of(7), Some(JobState::Quarantined));
        assert_eq!(state_of(8), None);
    }
}
