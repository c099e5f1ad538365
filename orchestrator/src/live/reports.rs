//! What workers tell of running tasks, on its way to Redis: at most four times a second for each job.
//!
//! The first report goes at once. Those that come while it is on its way, or soon after it, wait and are gathered: one for each
//! task is stored. Whoever sent one hears when that is done, so that nobody tells more than can be kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use relevo_shared::{JobId, TaskId, worker::ProgressReport};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use crate::{
    domain::{gathered::Gathered, progress::within_limits, series},
    error::{Error, Result},
    metrics::Metrics,
    store::{self, LeaseAnswer, Store},
    time,
};

/// Between the beginnings of two writes for one job.
const APART: Duration = Duration::from_millis(250);
/// Callers that may wait for one task; others are to come again later.
const WAITING: usize = 256;
const COME_AGAIN: Duration = Duration::from_secs(1);
/// How long reports on their way may hold up the end of their task.
const HOLD_UP: Duration = Duration::from_secs(2);

/// The reports that this replica has taken and not stored yet; one per replica.
#[derive(Debug)]
pub struct Reports {
    store: Store,
    metrics: Arc<Metrics>,
    jobs: Mutex<HashMap<JobId, Desk>>,
    tracker: TaskTracker,
    stopping: CancellationToken,
}

/// Where the reports of one job wait.
#[derive(Debug, Default)]
struct Desk {
    waiting: HashMap<TaskId, Vec<Waiting>>,
    /// The tasks whose reports are on their way to Redis.
    leaving: Vec<TaskId>,
    /// Counts reports, to know which was the latest.
    told: u64,
    /// Somebody cannot wait for the next write.
    hurry: Arc<Notify>,
    /// A write has ended.
    written: Arc<Notify>,
}

/// Who waits for the answer to a report.
type Caller = oneshot::Sender<store::Result<LeaseAnswer>>;

/// Reports of one task under one lease.
#[derive(Debug)]
struct Waiting {
    gathered: Gathered,
    told: u64,
    callers: Vec<Caller>,
}

/// What is stored at once.
struct Batch {
    /// The latest last.
    reports: Vec<(TaskId, Waiting)>,
    /// Somebody cannot wait for the next one.
    hurry: Arc<Notify>,
}

impl Reports {
    /// No report has come yet.
    #[must_use]
    pub fn new(store: Store, metrics: Arc<Metrics>, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self { store, metrics, jobs: Mutex::default(), tracker: TaskTracker::new(), stopping })
    }

    /// Takes what a running task tells, and answers when it is stored.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a figure cannot be kept, [`Error::RateLimited`] when too many wait for the same task already, or
    /// when Redis is away.
    pub async fn take(self: &Arc<Self>, task: TaskId, report: ProgressReport) -> Result<LeaseAnswer> {
        let (caller, answer) = oneshot::channel();
        self.enter(task, report, Some(caller))?;
        let answer = answer.await.map_err(|_| Error::Panicked("a report was dropped".to_owned()))?;
        Ok(answer?)
    }

    /// Takes what a running task tells whose worker waits for no answer.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::RateLimited`] as [`Self::take`].
    pub fn note(self: &Arc<Self>, task: TaskId, report: ProgressReport) -> Result<()> {
        self.enter(task, report, None)
    }

    /// Waits until all is stored that a task has told so far: its lease is about to end.
    pub async fn settle(&self, task: TaskId) {
        // What was waiting, after what was on its way; whoever still tells more does not hold up the end.
        for _ in 0..2 {
            let written = match self.jobs().get(&task.job()) {
                Some(desk) if desk.waiting.contains_key(&task) => {
                    desk.hurry.notify_one();
                    Arc::clone(&desk.written).notified_owned()
                }
                Some(desk) if desk.leaving.contains(&task) => Arc::clone(&desk.written).notified_owned(),
                _ => return,
            };
            let _ = timeout(HOLD_UP, written).await;
        }
    }

    /// Waits until every report is stored, which is soon when this replica stops.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn enter(self: &Arc<Self>, task: TaskId, report: ProgressReport, caller: Option<Caller>) -> Result<()> {
        let faults = series::faults(&report.metrics);
        if !faults.is_empty() {
            return Err(Error::invalid_fields(faults));
        }
        let job = task.job();
        let report = dated(within_limits(report));
        let mut jobs = self.jobs();
        let is_first = !jobs.contains_key(&job);
        let was_gathered = jobs.entry(job).or_default().add(task, report, caller)?;
        drop(jobs);
        if was_gathered {
            self.metrics.report_merged();
        }
        if is_first {
            self.tracker.spawn(Arc::clone(self).keep_storing(job));
        }
        Ok(())
    }

    /// Stores what comes for a job until nothing has come for a while.
    async fn keep_storing(self: Arc<Self>, job: JobId) {
        while let Some(Batch { reports, hurry }) = self.next_batch(job) {
            let next = Instant::now() + APART;
            self.store(job, reports).await;
            if let Some(desk) = self.jobs().get_mut(&job) {
                desk.leaving.clear();
                desk.written.notify_waiters();
            }
            tokio::select! {
                () = sleep_until(next) => {}
                () = hurry.notified() => {}
                () = self.stopping.cancelled() => {}
            }
        }
    }

    /// All that waits for a job. When that is nothing, the next report goes at once again.
    fn next_batch(&self, job: JobId) -> Option<Batch> {
        let mut jobs = self.jobs();
        let desk = jobs.get_mut(&job)?;
        if desk.waiting.is_empty() {
            jobs.remove(&job);
            return None;
        }
        desk.leaving = desk.waiting.keys().copied().collect();
        let each = desk.waiting.drain().flat_map(|(task, all)| all.into_iter().map(move |one| (task, one)));
        let mut reports: Vec<_> = each.collect();
        reports.sort_by_key(|(_, waiting)| waiting.told);
        Some(Batch { reports, hurry: Arc::clone(&desk.hurry) })
    }

    async fn store(&self, job: JobId, reports: Vec<(TaskId, Waiting)>) {
        let (reports, callers): (Vec<_>, Vec<_>) = reports
            .into_iter()
            .map(|(task, Waiting { gathered, callers, .. })| ((task, gathered.into_report()), callers))
            .unzip();
        let answers = match self.store.report_progress(job, &reports).await {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) => {
                debug!(%job, %error, "reports are not stored");
                vec![Err(error); callers.len()]
            }
        };
        for (answer, callers) in answers.into_iter().zip(callers) {
            for caller in callers {
                // Whoever has gone away needs no answer.
                let _ = caller.send(answer.clone());
            }
        }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, Desk>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Says whether the report became one with an earlier one.
    fn add(&mut self, task: TaskId, report: ProgressReport, caller: Option<Caller>) -> Result<bool> {
        let of_task = self.waiting.entry(task).or_default();
        if of_task.iter().map(|waiting| waiting.callers.len().max(1)).sum::<usize>() >= WAITING {
            return Err(Error::RateLimited { retry_after: COME_AGAIN });
        }
        self.told += 1;
        match of_task.iter_mut().find(|waiting| waiting.gathered.takes(&report)) {
            Some(waiting) => {
                waiting.gathered.add(report);
                waiting.told = self.told;
                waiting.callers.extend(caller);
                Ok(true)
            }
            None => {
                let callers = caller.into_iter().collect();
                of_task.push(Waiting { gathered: Gathered::new(report), told: self.told, callers });
                Ok(false)
            }
        }
    }
}

/// A line that does not say when it was written was written now, and so for a figure, whose instant is read.
fn dated(mut report: ProgressReport) -> ProgressReport {
    let now = time::now_ms();
    for line in &mut report.logs {
        line.timestamp.get_or_insert_with(|| time::rfc3339(now));
    }
    for point in &mut report.metrics {
        let at = point.timestamp.as_deref().and_then(time::from_rfc3339).unwrap_or(now);
        point.timestamp = Some(time::rfc3339(at));
    }
    report
}
