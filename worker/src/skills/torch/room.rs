//! How many rows go through a device at once, and what is done where its memory does not take them.

use relevo_shared::job::LogLevel;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{context::TaskContext, device::Device, skills::SkillError};

/// Rows that go through a device at once. They are halved once in a training: what does not fit then is for a larger device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// How many.
    pub rows: usize,
    /// Whether they are half of what was asked for.
    pub halved: bool,
}

impl Room {
    /// Room for all that was asked for.
    #[must_use]
    pub const fn whole(rows: usize) -> Self {
        Self { rows, halved: false }
    }

    /// After a fault, the room that is left: where memory ran out the first time, that for half as many rows, and the memory that loaded
    /// models took is free. What the training itself held must be gone already.
    ///
    /// # Errors
    /// The fault, where it is another one or comes again.
    pub async fn after(self, fault: SkillError, device: &Device, context: &TaskContext) -> Result<Self, SkillError> {
        let (SkillError::ResourceExhausted(reason), Some(half)) = (&fault, self.half()) else { return Err(fault) };
        device.run(|desk| desk.models.clear()).await?;
        let facts = json!({ "rows_at_once": half.rows, "reason": reason });
        context.log(LogLevel::Warning, "memory ran out: half as many rows at once", Some(facts));
        Ok(half)
    }

    fn half(self) -> Option<Self> {
        (!self.halved && 1 < self.rows).then(|| Self { rows: self.rows.div_ceil(2), halved: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_halved_once_and_one_row_never() {
        let half = Room::whole(5).half().unwrap();

        assert_eq!(half, Room { rows: 3, halved: true });
        assert_eq!((half.half(), Room::whole(1).half()), (None, None));
    }
}
