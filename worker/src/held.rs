//! The tasks that this worker holds a lease on: from their claim until their result was taken.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use relevo_shared::{TaskId, worker::Task};
use tokio::{sync::Notify, time::Instant};

use crate::cancel::{StopReason, StopSignal};

/// A claim that no heartbeat named within this time gets one of its own: claims that stay silent are given to others.
const CONFIRM_AFTER: Duration = Duration::from_millis(500);

/// One claim: the same task claimed twice is two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The task.
    pub(crate) task: TaskId,
    /// The fencing number that came with it.
    pub(crate) lease_token: Option<u64>,
}

impl From<&Task> for Claim {
    fn from(task: &Task) -> Self {
        Self { task: task.task_id, lease_token: task.lease_token }
    }
}

/// The claims that are open.
#[derive(Debug, Default)]
pub(crate) struct Held {
    claims: Mutex<HashMap<TaskId, Entry>>,
    taken: Notify,
}

#[derive(Debug)]
struct Entry {
    lease_token: Option<u64>,
    stop: StopSignal,
    taken_at: Instant,
    confirmed: bool,
    running: bool,
}

impl Held {
    /// Opens a claim. An older claim on the same task cannot hold any more and is told to stop.
    pub(crate) fn take(&self, claim: Claim) -> StopSignal {
        let stop = StopSignal::default();
        let entry = Entry {
            lease_token: claim.lease_token,
            stop: stop.clone(),
            taken_at: Instant::now(),
            confirmed: false,
            running: true,
        };
        if let Some(older) = self.claims().insert(claim.task, entry) {
            older.stop.stop(StopReason::LeaseLost);
        }
        self.taken.notify_one();
        stop
    }

    /// Notes that the task runs no more; its lease is still renewed until [`Self::settle`].
    pub(crate) fn end(&self, claim: Claim) {
        if let Some(entry) = self.claims().get_mut(&claim.task).filter(|entry| entry.lease_token == claim.lease_token) {
            entry.running = false;
        }
    }

    /// Closes the claim: its result was taken, or is not wanted.
    pub(crate) fn settle(&self, claim: Claim) {
        let mut claims = self.claims();
        if claims.get(&claim.task).is_some_and(|entry| entry.lease_token == claim.lease_token) {
            claims.remove(&claim.task);
        }
    }

    /// Tells one task to stop. Unknown tasks have ended already.
    pub(crate) fn stop(&self, task: TaskId, reason: StopReason) {
        if let Some(entry) = self.claims().get(&task) {
            entry.stop.stop(reason);
        }
    }

    /// Tells every task to stop.
    pub(crate) fn stop_all(&self, reason: StopReason) {
        for entry in self.claims().values() {
            entry.stop.stop(reason);
        }
    }

    /// Every task that is held, in no order, for a heartbeat.
    pub(crate) fn tasks(&self) -> Vec<TaskId> {
        self.claims().keys().copied().collect()
    }

    /// How many tasks are running.
    pub(crate) fn running(&self) -> usize {
        self.claims().values().filter(|entry| entry.running).count()
    }

    /// Notes that a heartbeat named these tasks and was answered.
    pub(crate) fn confirm(&self, tasks: &[TaskId]) {
        let mut claims = self.claims();
        for task in tasks {
            if let Some(entry) = claims.get_mut(task) {
                entry.confirmed = true;
            }
        }
    }

    /// Returns when some claim has waited for its confirmation long enough. Tasks that end sooner never wake it.
    pub(crate) async fn confirmation_due(&self) {
        loop {
            let oldest = self.claims().values().filter(|entry| !entry.confirmed).map(|entry| entry.taken_at).min();
            match oldest.map(|taken_at| taken_at + CONFIRM_AFTER) {
                None => self.taken.notified().await,
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::time::sleep_until(due).await,
            }
        }
    }

    fn claims(&self) -> MutexGuard<'_, HashMap<TaskId, Entry>> {
        // No code that holds the lock can leave the map half changed.
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use relevo_shared::JobId;

    use super::*;

    fn claim(lease_token: u64) -> Claim {
        Claim { task: TaskId { job: JobId::fresh(), number: 1 }, lease_token: Some(lease_token) }
    }

    #[test]
    fn a_second_claim_of_a_task_stops_the_first_and_outlives_it() {
        let held = Held::default();
        let first = claim(1);
        let second = Claim { lease_token: Some(2), ..first };
        let first_stop = held.take(first);
        let second_stop = held.take(second);

        held.settle(first);

        assert_eq!(first_stop.reason(), Some(StopReason::LeaseLost));
        assert_eq!(second_stop.reason(), None);
        assert_eq!(held.tasks(), [second.task]);
    }

    #[test]
    fn a_task_whose_result_waits_is_held_but_does_not_run() {
        let held = Held::default();
        let claim = claim(1);
        held.take(claim);

        held.end(claim);

        assert_eq!((held.tasks().len(), held.running()), (1, 0));
        held.settle(claim);
        assert_eq!(held.tasks(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_at_once_asks_for_no_confirmation() {
        let held = Held::default();
        let claim = claim(1);
        held.take(claim);
        held.settle(claim);

        let due = tokio::time::timeout(Duration::from_secs(60), held.confirmation_due()).await;

        assert!(due.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_still_runs_asks_for_a_confirmation_once() {
        let held = Held::default();
        held.take(claim(1));

        tokio::time::timeout(Duration::from_secs(5), held.confirmation_due()).await.unwrap();
        held.confirm(&held.tasks());

        assert!(tokio::time::timeout(CONFIRM_AFTER * 2, held.confirmation_due()).await.is_err());
    }
}
