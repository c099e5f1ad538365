//! How full everything is: read now and then, never for a request.

use std::collections::BTreeMap;

use super::{Result, Store, keys::Keys};

/// How full everything is, over all partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels {
    /// Tasks that wait for a worker, by queue.
    pub queued: BTreeMap<String, u64>,
    /// Tasks with an instant by which something must happen: most are held by a worker.
    pub leases: u64,
}

impl Store {
    /// The levels of these queues and of everything else. One round trip for each partition.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn levels(&self, queues: impl IntoIterator<Item = String>) -> Result<Levels> {
        let mut levels = Levels { queued: queues.into_iter().map(|queue| (queue, 0)).collect(), leases: 0 };
        for partition in self.partitions() {
            let mut pipe = redis::pipe();
            pipe.cmd("ZCARD").arg(Keys::leases(partition));
            for queue in levels.queued.keys() {
                pipe.cmd("ZCARD").arg(Keys::queue(partition, queue));
            }
            let here: Vec<u64> = pipe.query_async(&mut self.connections.get().await?).await?;
            let mut here = here.into_iter();
            levels.leases += here.next().unwrap_or_default();
            for (total, more) in levels.queued.values_mut().zip(here) {
                *total += more;
            }
        }
        Ok(levels)
    }
}
