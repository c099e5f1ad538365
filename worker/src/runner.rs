//! Runs claimed tasks: finds the skill, watches the deadline and the stop signal, catches panics, hands in the result.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::FutureExt;
use relevo_shared::{
    WorkerId,
    worker::{Task, TaskResult},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, mpsc},
};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::{
    cancel::{StopReason, StopSignal},
    client::Client,
    context::TaskContext,
    files::Files,
    held::{Claim, Held},
    outbox::Outgoing,
    outcome::{Ending, Outcome, outcome},
    skills::{Registry, SkillError},
    telling::Route,
    work_folder::WorkFolders,
};

/// How long a skill that was told to stop may take before it is abandoned.
const GRACE: Duration = Duration::from_secs(10);
/// Successes that took at least this long are worth a line each.
const NOTEWORTHY: Duration = Duration::from_secs(1);

/// What a task needs to run, and what runs.
#[derive(Debug)]
pub(crate) struct Runner {
    /// Who runs the tasks.
    pub(crate) worker_id: WorkerId,
    /// What the worker can do.
    pub(crate) registry: Arc<Registry>,
    /// The way to S3.
    pub(crate) files: Arc<Files>,
    /// Where tasks work.
    pub(crate) folders: WorkFolders,
    /// For the tasks' reports.
    pub(crate) client: Arc<Client>,
    /// The leases.
    pub(crate) held: Arc<Held>,
    /// Takes the results.
    pub(crate) outbox: mpsc::Sender<Outgoing>,
    /// The tasks that run.
    pub(crate) tracker: TaskTracker,
}

impl Runner {
    /// Starts a task, which keeps its slot until its result is in the outbox.
    pub(crate) fn start(self: &Arc<Self>, task: Task, slot: OwnedSemaphorePermit) {
        let stop = self.held.take(&task);
        let span = info_span!("task", task = %task.task_id, skill = %task.skill, attempt = task.attempt);
        let runner = Arc::clone(self);
        let run = async move {
            runner.run(task, stop).await;
            drop(slot);
        };
        self.tracker.spawn(run.instrument(span));
    }

    /// Gives a task back that came when no more are run.
    pub(crate) async fn hand_back(&self, task: &Task) {
        info!(task = %task.task_id, "handed back");
        let stop = self.held.take(task);
        stop.stop(StopReason::Released);
        self.hand_in(task, outcome(stop.reason(), Ending::Abandoned)).await;
    }

    async fn run(&self, task: Task, stop: StopSignal) {
        debug!("taken");
        let began = Instant::now();
        let claim = Claim::from(&task);
        let route = Route {
            client: Arc::clone(&self.client),
            worker_id: self.worker_id.clone(),
            claim,
            stop: stop.clone(),
            runtime: Handle::current(),
        };
        let folder = self.folders.for_task(&format!("{}-{}", task.task_id, task.attempt));
        let context =
            TaskContext::new(&task, stop, Some(route), folder, Arc::clone(&self.files), tracing::Span::current());

        let ending = self.ending(&task, &context).await;
        let failed = match &ending {
            Ending::Answered(Err(SkillError::Outcome { .. }) | Ok(_)) | Ending::Abandoned => false,
            Ending::Answered(Err(_)) | Ending::Panicked(_) => true,
        };
        context.finish(failed).await;
        let outcome = outcome(context.stop_signal().reason(), ending);
        tell(outcome.as_ref(), began.elapsed());
        self.held.end(claim);
        self.hand_in(&task, outcome).await;
    }

    /// Runs the skill to its end, or, once it was told to stop, for as long as the grace lasts.
    async fn ending(&self, task: &Task, context: &TaskContext) -> Ending {
        let Some(skill) = self.registry.get(&task.skill) else {
            let message = format!("this worker has no skill `{}`", task.skill);
            return Ending::Answered(Err(SkillError::Permanent(message)));
        };
        let run = AssertUnwindSafe(async { skill.run(task, context).await }).catch_unwind();
        tokio::pin!(run);
        let ended = tokio::select! {
            biased;
            ended = &mut run => Ok(ended),
            () = stopped_or_late(context.stop_signal(), task.deadline) => tokio::time::timeout(GRACE, &mut run).await,
        };
        match ended {
            Ok(Ok(answer)) => Ending::Answered(answer),
            Ok(Err(panic)) => Ending::Panicked(message_of(panic.as_ref())),
            Err(_) => {
                warn!("the skill did not stop when it was told to, and is abandoned");
                Ending::Abandoned
            }
        }
    }

    async fn hand_in(&self, task: &Task, outcome: Option<Outcome>) {
        let claim = Claim::from(task);
        let Some(outcome) = outcome else { return self.held.settle(claim) };
        let result = TaskResult {
            job_id: task.job_id,
            task_id: task.task_id,
            worker_id: self.worker_id.clone(),
            status: outcome.status.into_owned(),
            data: outcome.data,
            error: outcome.error,
            lease_token: task.lease_token,
        };
        if self.outbox.send(Outgoing::new(&result)).await.is_err() {
            warn!("the worker ended before the result could be delivered");
        }
    }
}

/// Waits for the stop signal, and gives it itself when the deadline passes.
async fn stopped_or_late(stop: &StopSignal, deadline: Option<i64>) {
    let Some(left) = deadline.map(|deadline| until(deadline, SystemTime::now())) else {
        return stop.stopped().await;
    };
    if tokio::time::timeout(left, stop.stopped()).await.is_err() {
        stop.stop(StopReason::Deadline);
    }
}

/// Time left until an instant given in seconds since 1970.
fn until(deadline: i64, now: SystemTime) -> Duration {
    let deadline = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(deadline).unwrap_or(0));
    deadline.duration_since(now).unwrap_or(Duration::ZERO)
}

fn tell(outcome: Option<&Outcome>, took: Duration) {
    let Some(Outcome { status, error, .. }) = outcome else { return info!(?took, "stopped: the lease is lost") };
    match (status.as_ref(), error) {
        ("failure", Some(error)) => warn!(?took, code = error.code, reason = error.message, "failure"),
        ("success", _) if took < NOTEWORTHY => debug!(?took, "success"),
        (status, _) => info!(?took, "{status}"),
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
