//! The ends that do not come from a step: cancellation, deadlines, and what they leave behind. And the way back: retry.

use std::sync::Arc;

use relevo_shared::{BranchId, JobId, command::Command, job::JobError};
use tracing::{info, warn};

use super::{Engine, follow::Follow};
use crate::{
    domain::{action::Action, task::TIMEOUT},
    error::{Error, Result},
    store::{Cancellation, Ended, FanId, Retry, Told},
};

/// Between unpacking a job and retrying it, another replica may have packed it again; so often is more than bad luck.
const UNPACKINGS: usize = 5;

/// How a cancellation was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// A worker that holds a task was told at once.
    Told,
    /// It is written down: the job has ended, or its workers hear of it with their next heartbeat.
    Noted,
}

impl Engine {
    /// Ends a job at its client's wish: a running one after its workers had time to stop.
    ///
    /// # Errors
    /// [`Error::JobNotFound`], [`Error::NotNow`] when it has ended, or when Redis is away.
    pub async fn cancel_job(self: &Arc<Self>, id: JobId, actor: &str) -> Result<Cancelled> {
        let (cancellation, follow) = self.cancel(id, actor).await?;
        self.follow_in_background(follow);
        match cancellation {
            Cancellation::Missing => Err(Error::JobNotFound(id.to_string())),
            Cancellation::Ended(state) => Err(Error::NotNow(id, Action::Cancel, state)),
            Cancellation::Cancelled(_) => Ok(Cancelled::Noted),
            Cancellation::Asked(told) => {
                let told = match told {
                    Some(told) => self.tell(&told).await,
                    None => false,
                };
                Ok(if told { Cancelled::Told } else { Cancelled::Noted })
            }
        }
    }

    pub(super) async fn cancel(&self, id: JobId, actor: &str) -> Result<(Cancellation, Vec<Follow>)> {
        let cancellation = self.store.cancel_job(id, actor, self.grace, &cancelled_error()).await?;
        let follow = match &cancellation {
            Cancellation::Cancelled(ended) => {
                info!(job = %id, actor, "job cancelled");
                after(ended)
            }
            _ => Vec::new(),
        };
        Ok((cancellation, follow))
    }

    /// Ends a job whose time is over, if it is.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn end_overdue(&self, id: JobId) -> Result<()> {
        let overdue = error_text(TIMEOUT, "the job took longer than its result_timeout or TimeoutSeconds");
        if let Some(ended) = self.store.end_job(id, &overdue, &cancelled_error()).await? {
            warn!(job = %id, state = ended.state, "job ended from outside");
            if let Some(told) = &ended.told {
                self.tell(told).await;
            }
            self.follow(after(&ended)).await;
        }
        Ok(())
    }

    /// Stops the branches of a fan-out that is over.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn sweep(&self, fan: FanId) -> Result<()> {
        loop {
            let swept = self.store.sweep_fan(fan).await?;
            for told in &swept.told {
                self.tell(told).await;
            }
            self.follow(swept.children.into_iter().map(Follow::Cancel).collect()).await;
            if swept.done {
                return Ok(());
            }
        }
    }

    /// Lets a failed or quarantined job go on from the state that failed.
    ///
    /// # Errors
    /// [`Error::JobNotFound`], [`Error::NotNow`] when it has not failed, [`Error::Conflict`] when another job has taken its
    /// unique key, or when Redis is away.
    pub async fn retry_job(self: &Arc<Self>, id: JobId, actor: &str) -> Result<()> {
        let mut retry = self.store.retry_job(id, actor).await?;
        for _ in 0..UNPACKINGS {
            if retry != Retry::Packed {
                break;
            }
            self.store.unpack_job(id).await?;
            retry = self.store.retry_job(id, actor).await?;
        }
        match retry {
            Retry::Retried => {
                info!(job = %id, actor, "job retried");
                self.follow_in_background(vec![Follow::Look(BranchId::from(id))]);
                Ok(())
            }
            Retry::Packed => Err(Error::Conflict("job_busy", "the job is being packed; try again".to_owned())),
            Retry::Missing => Err(Error::JobNotFound(id.to_string())),
            Retry::NotUnique(other) => {
                Err(Error::Conflict("not_unique", format!("job {other} has the same unique_key and is unfinished")))
            }
            Retry::NotEnded(state) | Retry::NotFailed(state) => Err(Error::NotNow(id, Action::Retry, state)),
        }
    }

    /// Tells a worker that a task of it is to be stopped. Says whether it hears of it now; else it does so with its next
    /// heartbeat.
    async fn tell(&self, told: &Told) -> bool {
        let command = Command::CancelTask { task_id: told.task, job_id: told.task.job() };
        self.store.tell_worker(&told.worker, command).await.unwrap_or_else(|error| {
            warn!(task = %told.task, worker = %told.worker, %error, "not told over a websocket");
            false
        })
    }
}

/// What is to be done once a job has ended from outside.
fn after(ended: &Ended) -> Vec<Follow> {
    ended.parent.map(Follow::Look).into_iter().chain(ended.child.map(Follow::Cancel)).collect()
}

/// The error of a cancelled job, as JSON.
pub(super) fn cancelled_error() -> String {
    error_text("Cancelled", "the job was cancelled")
}

fn error_text(code: &str, message: &str) -> String {
    let error = JobError { code: code.to_owned(), message: message.to_owned(), state: None, details: Vec::new() };
    serde_json::to_string(&error).expect("an error has string keys only")
}
