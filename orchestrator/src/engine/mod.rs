//! Moves jobs: asks the domain what comes next and has the store write it. The only place where the two meet.

mod create;
mod step;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use relevo_shared::{
    JobId, TaskId,
    job::{JobError, JobState},
    worker::TaskResult,
};
use sha2::{Digest, Sha256};
use tracing::{debug, warn};

use crate::{
    catalogue::Catalogue,
    domain::{
        blueprint::{self, Event},
        task::{self, Outcome, Verdict},
    },
    error::{Error, Result},
    metrics::Metrics,
    store::{Completion, LeaseAnswer, LoadedJob, Standing, StepWrite, Store},
};

/// Moves jobs; one per replica.
#[derive(Debug)]
pub struct Engine {
    store: Store,
    catalogue: Arc<Catalogue>,
    metrics: Arc<Metrics>,
    /// Queues whose requirements Redis has been told of.
    noted: Mutex<HashSet<String>>,
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

impl Engine {
    /// An engine over this store and these blueprints.
    #[must_use]
    pub fn new(store: Store, catalogue: Arc<Catalogue>, metrics: Arc<Metrics>) -> Self {
        Self { store, catalogue, metrics, noted: Mutex::default() }
    }

    /// Takes a worker's result and moves the job on.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the worker does not hold the task, [`Error::Invalid`] when task and job do not belong
    /// together, or when Redis is away.
    pub async fn finish_task(&self, result: TaskResult) -> Result<Accepted> {
        let (id, worker, token) = (result.task_id, result.worker_id.clone(), result.lease_token);
        if id.job != result.job_id {
            return Err(Error::invalid("job_id", format!("must be {}, the job of task {id}", id.job)));
        }
        let digest = digest(&result);
        match task::verdict(result) {
            Verdict::Released => match self.store.release_task(id, &worker, token).await? {
                LeaseAnswer::Accepted => Ok(Accepted::Released),
                LeaseAnswer::LeaseLost | LeaseAnswer::Missing => Err(Error::LeaseLost(id.to_string())),
            },
            Verdict::Ended(outcome) => match self.store.complete_task(id, &worker, token, &outcome, &digest).await? {
                Completion::Accepted { standing, run_ms } => {
                    self.metrics.task_ended(&outcome, run_ms);
                    if let Err(error) = self.take_step(id.job, &standing, Some(id), event(outcome)).await {
                        // The result is safe in Redis; a duty takes the step when this replica cannot.
                        warn!(job = %id.job, %error, "the next step is left to a later look");
                    }
                    Ok(Accepted::Result)
                }
                Completion::Duplicate => Ok(Accepted::Duplicate),
                Completion::LeaseLost | Completion::Missing => Err(Error::LeaseLost(id.to_string())),
            },
        }
    }

    /// Looks at a job whose time has come, and moves it on when what it waits for has happened.
    ///
    /// # Errors
    /// When Redis is away, or the job cannot go on.
    pub async fn look_at(&self, id: JobId) -> Result<()> {
        let Some(LoadedJob { standing, finished, wait_until }) = self.store.load_job(id).await? else {
            return Ok(());
        };
        let (task, event) = match finished {
            Some(finished) => (Some(finished.task), event(finished.outcome)),
            None if wait_until.is_some_and(|at| at <= standing.now) => (None, Event::TimerFired),
            None => return Ok(()),
        };
        match self.take_step(id, &standing, task, event).await {
            Err(Error::Broken(_, reason)) => self.quarantine(id, &standing, task, reason).await,
            other => other,
        }
    }

    /// Puts a job aside that cannot be read: looking at it again would not mend it.
    async fn quarantine(&self, id: JobId, standing: &Standing, task: Option<TaskId>, reason: String) -> Result<()> {
        warn!(job = %id, reason, "job put aside: it cannot be read");
        let error = JobError { code: "States.Runtime".to_owned(), message: reason, state: None, details: Vec::new() };
        let write = StepWrite {
            state: JobState::Quarantined,
            execution: standing.execution.clone(),
            current: String::new(),
            entered: "[]".to_owned(),
            due_in_ms: None,
            result: None,
            error: Some(serde_json::to_string(&error).expect("an error has string keys only")),
            task: None,
        };
        self.store.advance_job(id, standing.revision, task, &write).await?;
        Ok(())
    }

    /// Decides the next step of a job and writes it.
    async fn take_step(&self, id: JobId, standing: &Standing, finished: Option<TaskId>, event: Event) -> Result<()> {
        let Some(blueprint) = self.catalogue.pinned(&self.store, &standing.hash).await? else {
            return Err(Error::Broken(id, format!("its blueprint {} is gone or cannot be read", standing.hash)));
        };
        let execution = serde_json::from_str(&standing.execution)
            .map_err(|error| Error::Broken(id, format!("execution: {error}")))?;
        let facts = step::OwnedFacts::read(id, standing)?;
        let step = blueprint::resume(&blueprint, execution, event, &facts.borrow());
        let write = self.write_of(id, standing.revision, standing.priority, true, &step).await?;
        let state = write.state;
        let written = self.store.advance_job(id, standing.revision, finished, &write).await?;
        if written && state.is_terminal() {
            self.metrics.job_ended(state, standing.now - standing.created_at);
            // Thousands complete in a second; those that need a look are told of.
            if state == JobState::Completed {
                debug!(job = %id, client = %standing.client, blueprint = %blueprint.name, "job completed");
            } else {
                warn!(job = %id, client = %standing.client, blueprint = %blueprint.name, state = state.as_str(), "job ended");
            }
        }
        Ok(())
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
