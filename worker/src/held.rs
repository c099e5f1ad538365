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
/// Beats within the time in which a task asks for a sign of life: one may be late, and one lost.
const BEATS: u32 = 3;

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
    entries: Mutex<HashMap<TaskId, Entry>>,
    taken: Notify,
}

#[derive(Debug)]
struct Entry {
    lease_token: Option<u64>,
    stop: StopSignal,
    taken_at: Instant,
    /// Time between heartbeats that the task asks for.
    beats: Option<Duration>,
    confirmed: bool,
    running: bool,
}

impl Entry {
    /// Whether the claim is known to hold no more: naming it might renew a newer one that nobody here runs.
    fn is_lost(&self) -> bool {
        self.stop.reason() == Some(StopReason::LeaseLost)
    }
}

impl Held {
    /// Opens the claim that came with a task. An older claim on it cannot hold any more and is told to stop.
    pub(crate) fn take(&self, task: &Task) -> StopSignal {
        let stop = StopSignal::default();
        let entry = Entry {
            lease_token: task.lease_token,
            stop: stop.clone(),
            taken_at: Instant::now(),
            beats: task.heartbeat_seconds.map(|seconds| Duration::from_secs(seconds.max(1).into()) / BEATS),
            confirmed: false,
            running: true,
        };
        if let Some(older) = self.entries().insert(task.task_id, entry) {
            older.stop.stop(StopReason::LeaseLost);
        }
        self.taken.notify_one();
        stop
    }

    /// Notes that the task runs no more; its lease is still renewed until [`Self::settle`].
    pub(crate) fn end(&self, claim: Claim) {
        self.with(claim, |entry| entry.running = false);
    }

    /// Closes the claim: its result was taken, or is not wanted.
    pub(crate) fn settle(&self, claim: Claim) {
        let mut entries = self.entries();
        if entries.get(&claim.task).is_some_and(|entry| entry.lease_token == claim.lease_token) {
            entries.remove(&claim.task);
        }
    }

    /// Tells the run of a claim to stop. Closed claims have ended already.
    pub(crate) fn stop(&self, claim: Claim, reason: StopReason) {
        self.with(claim, |entry| entry.stop.stop(reason));
    }

    /// Tells a task to stop, whichever claim it came with: it is cancelled. Its lease is still renewed until it has stopped.
    pub(crate) fn cancel(&self, task: TaskId) {
        if let Some(entry) = self.entries().get(&task) {
            entry.stop.stop(StopReason::Cancelled);
        }
    }

    /// Tells every task to stop.
    pub(crate) fn stop_all(&self, reason: StopReason) {
        for entry in self.entries().values() {
            entry.stop.stop(reason);
        }
    }

    /// Every claim that holds, in no order, for a heartbeat.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        let entries = self.entries();
        let held = entries.iter().filter(|(_, entry)| !entry.is_lost());
        held.map(|(task, entry)| Claim { task: *task, lease_token: entry.lease_token }).collect()
    }

    /// Time between heartbeats that satisfies every task that is held, and at most `period`.
    pub(crate) fn pace(&self, period: Duration) -> Duration {
        let entries = self.entries();
        let asked = entries.values().filter(|entry| !entry.is_lost()).filter_map(|entry| entry.beats);
        asked.fold(period, Duration::min)
    }

    /// How many tasks are running.
    pub(crate) fn running(&self) -> usize {
        self.entries().values().filter(|entry| entry.running).count()
    }

    /// Notes that a heartbeat named this claim and was answered.
    pub(crate) fn confirm(&self, claim: Claim) {
        self.with(claim, |entry| entry.confirmed = true);
    }

    /// Returns when some claim has waited for its confirmation long enough. Tasks that end sooner never wake it.
    pub(crate) async fn confirmation_due(&self) {
        loop {
            let oldest = {
                let entries = self.entries();
                let silent = entries.values().filter(|entry| !entry.confirmed && !entry.is_lost());
                silent.map(|entry| entry.taken_at).min()
            };
            match oldest.map(|taken_at| taken_at + CONFIRM_AFTER) {
                None => self.taken.notified().await,
                Some(due) if due <= Instant::now() => return,
                Some(due) => tokio::time::sleep_until(due).await,
            }
        }
    }

    /// Does something to a claim, unless it is closed or a newer one has taken its place.
    fn with(&self, claim: Claim, act: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries().get_mut(&claim.task).filter(|entry| entry.lease_token == claim.lease_token)
        {
            act(entry);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<TaskId, Entry>> {
        // No code that holds the lock can leave the map half changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use relevo_shared::JobId;
    use serde_json::json;

    use super::*;

    fn task(lease_token: u64) -> Task {
        let job_id = JobId::fresh();
        let task_id = TaskId { branch: job_id.into(), number: 1 };
        let task = json!({
            "job_id": job_id, "task_id": task_id, "type": "s", "params": {}, "lease_token": lease_token,
        });
        serde_json::from_value(task).unwrap()
    }

    #[test]
    fn a_second_claim_of_a_task_stops_the_first_and_outlives_it() {
        let held = Held::default();
        let first = task(1);
        let second = Task { lease_token: Some(2), ..first.clone() };
        let first_stop = held.take(&first);
        let second_stop = held.take(&second);

        held.settle(Claim::from(&first));

        assert_eq!(first_stop.reason(), Some(StopReason::LeaseLost));
        assert_eq!(second_stop.reason(), None);
        assert_eq!(held.claims(), [Claim::from(&second)]);
    }

    #[tokio::test(start_paused = true)]
    async fn news_of_an_old_claim_neither_stops_nor_confirms_a_newer_one() {
        let held = Held::default();
        let first = task(1);
        held.take(&first);
        let named = held.claims();
        let second_stop = held.take(&Task { lease_token: Some(2), ..first });

        held.confirm(named[0]);
        held.stop(named[0], StopReason::LeaseLost);

        assert_eq!(second_stop.reason(), None);
        // It still waits for a confirmation of its own.
        tokio::time::timeout(CONFIRM_AFTER * 2, held.confirmation_due()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_is_lost_is_named_no_more() {
        let held = Held::default();
        let lost = Task { heartbeat_seconds: Some(3), ..task(1) };
        let stop = held.take(&lost);

        held.stop(Claim::from(&lost), StopReason::LeaseLost);

        assert_eq!(stop.reason(), Some(StopReason::LeaseLost));
        assert_eq!((held.claims(), held.running()), (Vec::new(), 1));
        assert_eq!(held.pace(Duration::from_secs(60)), Duration::from_secs(60));
        assert!(tokio::time::timeout(CONFIRM_AFTER * 2, held.confirmation_due()).await.is_err());
    }

    #[test]
    fn a_cancelled_task_is_held_until_it_has_stopped() {
        let held = Held::default();
        let task = task(1);
        let stop = held.take(&task);

        held.cancel(task.task_id);
        held.stop(Claim::from(&task), StopReason::LeaseLost);

        assert_eq!(stop.reason(), Some(StopReason::Cancelled), "the first reason counts");
        assert_eq!(held.claims(), [Claim::from(&task)]);
    }

    #[test]
    fn the_most_impatient_task_sets_the_pace() {
        let held = Held::default();
        let period = Duration::from_secs(5);
        let [patient, impatient] = [60, 3].map(|seconds| Task { heartbeat_seconds: Some(seconds), ..task(1) });

        held.take(&patient);
        held.take(&task(1));
        assert_eq!(held.pace(period), period);
        held.take(&impatient);
        assert_eq!(held.pace(period), Duration::from_secs(1));
        held.settle(Claim::from(&impatient));
        assert_eq!(held.pace(period), period);
    }

    #[test]
    fn a_task_whose_result_waits_is_held_but_does_not_run() {
        let held = Held::default();
        let task = task(1);
        held.take(&task);

        held.end(Claim::from(&task));

        assert_eq!((held.claims().len(), held.running()), (1, 0));
        held.settle(Claim::from(&task));
        assert_eq!(held.claims(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_at_once_asks_for_no_confirmation() {
        let held = Held::default();
        let task = task(1);
        held.take(&task);
        held.settle(Claim::from(&task));

        let due = tokio::time::timeout(Duration::from_secs(60), held.confirmation_due()).await;

        assert!(due.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_still_runs_asks_for_a_confirmation_once() {
        let held = Held::default();
        let task = task(1);
        held.take(&task);

        tokio::time::timeout(Duration::from_secs(5), held.confirmation_due()).await.unwrap();
        held.confirm(Claim::from(&task));

        assert!(tokio::time::timeout(CONFIRM_AFTER * 2, held.confirmation_due()).await.is_err());
    }
}
