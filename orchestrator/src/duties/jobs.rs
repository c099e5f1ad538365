//! Ends leases that have run out, moves jobs whose time has come, and ends those whose time is up.

use std::fmt::Display;

use futures_util::{StreamExt, stream};
use relevo_shared::BranchId;
use tracing::warn;

use crate::{dispatch::Ratings, engine::Engine, error::Result, store::Store};

/// Jobs that are taken at once.
const BATCH: usize = 100;
/// Jobs that are moved at the same time.
const WIDTH: usize = 16;

/// One round over all partitions.
pub(super) async fn look_after(store: &Store, engine: &Engine, ratings: &Ratings) -> Result<()> {
    for partition in store.partitions() {
        let expired = store.expire_leases(partition, BATCH).await?;
        expired.iter().filter_map(|expired| expired.worker.as_ref()).for_each(|worker| ratings.count(worker, false));
        let mut due: Vec<BranchId> = expired.into_iter().map(|expired| expired.branch).collect();
        loop {
            let taken = store.take_due(partition, BATCH).await?;
            let full = taken.len() == BATCH;
            due.extend(taken);
            each(due.drain(..), |branch| engine.look_at(branch)).await;
            if !full {
                break;
            }
        }
        each(store.take_overdue(partition, BATCH).await?, |job| engine.end_overdue(job)).await;
        each(store.take_sweeps(partition, BATCH).await?, |fan| engine.sweep(fan)).await;
    }
    Ok(())
}

/// Does the same for many, some at a time. What fails is tried again soon, because it stays on its list.
async fn each<T: Display + Copy, F: Future<Output = Result<()>>>(
    entries: impl IntoIterator<Item = T>,
    act: impl Fn(T) -> F,
) {
    let act = &act;
    stream::iter(entries)
        .for_each_concurrent(WIDTH, |entry| async move {
            if let Err(error) = act(entry).await {
                // Whatever it is, its id begins with that of its job.
                let name = entry.to_string();
                let job = name.split('.').next();
                warn!(job, entry = name, %error, "a duty is left to a later look");
            }
        })
        .await;
}
