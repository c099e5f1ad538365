//! Packs jobs that ended a while ago, and clears up after those whose retention is over.

use std::time::Duration;

use tracing::{debug, info};

use crate::{
    error::Result,
    store::{Packing, Store},
};

/// How often jobs are looked for that are to be packed.
pub(super) const PACKING_PERIOD: Duration = Duration::from_secs(1);
/// How often the index is cleared of jobs whose retention is over: until then lists count them.
pub(super) const SWEEPING_PERIOD: Duration = Duration::from_secs(10);
/// A round of clearing up takes less; if not, another replica does the same, which does no harm.
const TURN: Duration = Duration::from_secs(30);
/// Objects of the archive that are removed in one round.
const ARCHIVES: usize = 100;

/// Packs what is to be packed, in every partition.
pub(super) async fn pack(store: &Store, replica: &str, how: Packing) -> Result<()> {
    for partition in store.partitions() {
        loop {
            let packed = store.pack_jobs(partition, replica, how).await?;
            if packed == 0 {
                break;
            }
            debug!(partition, jobs = packed, "packed");
        }
    }
    Ok(())
}

/// Clears up in every partition.
pub(super) async fn sweep(store: &Store, replica: &str) -> Result<()> {
    for partition in store.partitions() {
        if !store.take_turn(partition, "sweeping", replica, TURN).await? {
            continue;
        }
        let jobs = store.sweep_index(partition).await?;
        if jobs > 0 {
            info!(partition, jobs, "retention is over");
        }
        while store.remove_archives(partition, ARCHIVES).await? == ARCHIVES {}
    }
    Ok(())
}
