//! Deletes what this deployment keeps in Redis, for development.

use super::{Result, Store};

/// Keys that are looked at in one call.
const PAGE: usize = 500;

impl Store {
    /// Deletes every key of this deployment, and no other.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn flush(&self) -> Result<()> {
        let mut connection = self.connections.get().await?;
        let mut cursor = 0_u64;
        loop {
            let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg("relevo:*")
                .arg("COUNT")
                .arg(PAGE)
                .query_async(&mut connection)
                .await?;
            for key in keys {
                redis::cmd("UNLINK").arg(key).query_async::<()>(&mut connection).await?;
            }
            if next == 0 {
                break;
            }
            cursor = next;
        }
        self.settle().await
    }
}
