//! The long poll: asks for as many tasks as there are free slots, and starts what comes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    backoff::Backoff,
    client::{CallError, Client},
    membership::Membership,
    runner::Runner,
};

/// How long the poll in flight is still listened to once the worker drains: tasks may be on their way already.
const LAST_POLL: Duration = Duration::from_secs(1);

/// Claims tasks until the worker drains.
pub(crate) async fn claim(
    client: Arc<Client>,
    membership: Arc<Membership>,
    runner: Arc<Runner>,
    concurrency: usize,
    draining: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(concurrency));
    let mut backoff = Backoff::default();
    loop {
        let Some(free) = draining.run_until_cancelled(free_slots(&slots)).await else { return };
        let seen = membership.made();
        let poll = client.next_tasks(free.num_permits());
        tokio::pin!(poll);
        let answer = match draining.run_until_cancelled(&mut poll).await {
            Some(answer) => answer,
            None => {
                let late = tokio::time::timeout(LAST_POLL, poll).await;
                for task in late.ok().and_then(Result::ok).into_iter().flatten() {
                    runner.hand_back(&task).await;
                }
                return;
            }
        };
        match answer {
            Ok(tasks) => {
                backoff.reset();
                let mut free = free;
                for task in tasks {
                    match free.split(1) {
                        Some(slot) => runner.start(task, slot),
                        None => runner.hand_back(&task).await,
                    }
                }
            }
            Err(fault) => {
                let delay = backoff.next(fault.retry_after());
                warn!(error = %fault, ?delay, "no tasks claimed");
                if let CallError::Unknown(_) = fault {
                    draining.run_until_cancelled(membership.rejoin(seen)).await;
                }
                draining.run_until_cancelled(tokio::time::sleep(delay)).await;
            }
        }
    }
}

/// Waits for a free slot, then takes every slot that is free.
async fn free_slots(slots: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let mut free = Arc::clone(slots).acquire_owned().await.expect("nobody closes the semaphore");
    // Short tasks that came together end together: letting them end first turns many small polls into one.
    tokio::task::yield_now().await;
    let more = u32::try_from(slots.available_permits()).unwrap_or(u32::MAX);
    if let Ok(more) = Arc::clone(slots).try_acquire_many_owned(more) {
        free.merge(more);
    }
    free
}
