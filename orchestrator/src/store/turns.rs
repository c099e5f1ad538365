//! Duties that one replica does at a time.

use std::time::Duration;

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{Reply, TAKE_TURN},
};

impl Store {
    /// Whether it is this replica's turn to do a duty of a partition. It stays so for a while, and longer if it asks again.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn take_turn(&self, partition: u16, duty: &str, replica: &str, lasts: Duration) -> Result<bool> {
        let mut call = TAKE_TURN.key(Keys::turn(partition, duty));
        call.arg(replica).arg(millis(lasts));
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(true),
            "taken" => Ok(false),
            _ => Err(reply.unexpected()),
        }
    }
}
