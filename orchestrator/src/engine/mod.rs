//! Moves jobs: asks the domain what comes next and has the store write it. The only place where the two meet.
//!
//! A job is a tree of branches: its own, and those of the fan-outs that it is in. Each moves by itself, one step at a time.

mod approvals;
mod create;
mod ending;
mod facts;
mod follow;
mod removal;
mod schedules;
mod step;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use relevo_shared::{BranchId, worker::TaskResult};
use sha2::{Digest, Sha256};
use tracing::warn;

pub use create::{Created, Creation};
pub use ending::Cancelled;
pub use removal::Cleaned;

use crate::{
    blobs::Blobs,
    catalogue::Catalogue,
    clients::Directory,
    domain::{
        blueprint::Event,
        task::{self, Outcome, Verdict},
    },
    error::{Error, Result},
    metrics::Metrics,
    store::{Completion, LeaseAnswer, Standing, Store},
    traces::{EndedTask, Traces},
};
use facts::FactsAtHand;

/// Moves jobs; one per replica.
#[derive(Debug)]
pub struct Engine {
    store: Store,
    catalogue: Arc<Catalogue>,
    directory: Arc<Directory>,
    metrics: Arc<Metrics>,
    traces: Arc<Traces>,
    /// Where the files of jobs are, where this deployment keeps any.
    blobs: Option<Blobs>,
    /// How long workers have to stop when a job is cancelled.
    grace: Duration,
    /// Queues whose requirements Redis has been told of.
    noted: Mutex<HashSet<String>>,
    at_hand: FactsAtHand,
}

/// What became of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It counts.
    Result,
    /// The task went back to its queue.
    Released,
    /// The same result had been accepted before.
    Duplicate,
}

/// What a branch does next.
#[derive(Debug)]
enum Move {
    /// It begins.
    Begin,
    /// It goes on from the state that failed.
    Again,
    /// Something has happened to what it waited for.
    Go(Event),
}

impl Engine {
    /// An engine over this store, these blueprints and these clients.
    #[must_use]
    pub fn new(
        store: Store,
        catalogue: Arc<Catalogue>,
        directory: Arc<Directory>,
        metrics: Arc<Metrics>,
        traces: Arc<Traces>,
        grace: Duration,
    ) -> Self {
        let (noted, at_hand) = (Mutex::default(), FactsAtHand::default());
        Self { store, catalogue, directory, metrics, traces, blobs: None, grace, noted, at_hand }
    }

    /// The same engine, which finds the files of jobs here.
    #[must_use]
    pub fn with_files(mut self, blobs: Option<Blobs>) -> Self {
        self.blobs = blobs;
        self
    }

    /// Takes a worker's result and moves its branch on.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the worker does not hold the task, [`Error::Invalid`] when task and job do not belong
    /// together, or when Redis is away.
    pub async fn finish_task(self: &Arc<Self>, result: TaskResult) -> Result<Accepted> {
        let (id, worker, token) = (result.task_id, result.worker_id.clone(), result.lease_token);
        if id.job() != result.job_id {
            return Err(Error::invalid("job_id", format!("must be {}, the job of task {id}", id.job())));
        }
        let digest = digest(&result);
        match task::verdict(result) {
            Verdict::Released => match self.store.release_task(id, &worker, token).await? {
                LeaseAnswer::Accepted => Ok(Accepted::Released),
                _ => Err(Error::LeaseLost(id.to_string())),
            },
            Verdict::Ended(outcome) => match self.store.complete_task(id, &worker, token, &outcome, &digest).await? {
                Completion::Accepted { standing, skill, run_ms } => {
                    self.metrics.task_ended(&skill, &outcome, run_ms);
                    let error = outcome.error();
                    let ended =
                        EndedTask { task: id, worker: &worker, skill: &skill, ended_at: standing.now, run_ms, error };
                    self.trace(&standing, &ended).await;
                    self.go_on(id.branch, &standing, event(outcome)).await;
                    Ok(Accepted::Result)
                }
                Completion::Duplicate => Ok(Accepted::Duplicate),
                Completion::LeaseLost | Completion::Missing => Err(Error::LeaseLost(id.to_string())),
            },
        }
    }

    /// Makes the span of a task that has ended.
    async fn trace(&self, standing: &Standing, ended: &EndedTask<'_>) {
        if !self.traces.are_on() {
            return;
        }
        let trace = match &standing.job {
            Some(job) => job.trace.clone(),
            None => self.job_at_hand(ended.task.job()).await.ok().and_then(|known| known.job.trace.clone()),
        };
        if let Some(trace) = trace {
            self.traces.task_ended(&trace, ended);
        }
    }

    /// Takes the step after the end of a task. The result is safe in Redis; a duty takes the step when this replica cannot.
    async fn go_on(self: &Arc<Self>, branch: BranchId, standing: &Standing, event: Event) {
        match self.take_step(branch, standing, Move::Go(event)).await {
            Ok(follow) => self.follow_in_background(follow),
            Err(error) => warn!(job = %branch.job, %branch, %error, "the next step is left to a later look"),
        }
    }
}

/// What a task's end means to a blueprint.
fn event(outcome: Outcome) -> Event {
    match outcome {
        Outcome::Succeeded { output } => Event::TaskSucceeded { output },
        Outcome::Failed { error, cause, details } => Event::TaskFailed { error, cause, details },
    }
}

/// Tells an exact repeat of a result from another one.
fn digest(result: &TaskResult) -> String {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(result).expect("a result has string keys only"));
    hex::encode(&hash.finalize()[..12])
}
