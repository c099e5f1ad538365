//! What a step leads to beyond its own branch: branches to open, jobs to look at, to submit or to cancel.
//!
//! All of it is written in Redis before it is done here, so a replica that dies leaves it to a duty of another.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{StreamExt, stream};
use relevo_shared::{
    BranchId, JobId,
    job::{JobError, JobState},
};
use serde_json::Value;
use tracing::warn;

use super::{Engine, Move, event};
use crate::{
    domain::{
        blueprint::Event,
        task::{CHILD_FAILED, TIMEOUT},
    },
    error::{Error, Result},
    store::{FanId, Happened, LoadedBranch, Standing, Wants},
    time::now_ms,
};

/// Branches that one replica begins at the same time.
const WIDTH: usize = 16;

/// Something that is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Something has come that this branch waits for.
    Look(BranchId),
    /// A fan-out may open branches.
    Open(FanId),
    /// A child is to be submitted for this branch.
    Submit(BranchId, JobId),
    /// A job is to be cancelled, because the one that waits for it has ended.
    Cancel(JobId),
}

impl Follow {
    /// What is to be done for a branch once it is written that it wants this, if anything.
    pub(super) const fn on(branch: BranchId, wants: &Wants) -> Option<Self> {
        match wants {
            Wants::Fan(fan) => Some(Self::Open(FanId { job: branch.job, number: fan.number })),
            Wants::Child { id, .. } => Some(Self::Submit(branch, *id)),
            Wants::Nothing | Wants::Task(_) | Wants::Approval { .. } => None,
        }
    }

    /// The job that it is about.
    const fn job(self) -> JobId {
        match self {
            Self::Look(branch) | Self::Submit(branch, _) => branch.job,
            Self::Open(fan) => fan.job,
            Self::Cancel(job) => job,
        }
    }
}

/// What was found when a branch was looked at.
enum Found {
    /// It moves; then this is to be done, if anything.
    Move(Move, Option<Follow>),
    /// It stays; this is to be done before it can move, if anything.
    Before(Vec<Follow>),
}

impl Engine {
    /// Does what is to be done next, without keeping the caller.
    pub(super) fn follow_in_background(self: &Arc<Self>, follow: Vec<Follow>) {
        if !follow.is_empty() {
            let engine = Arc::clone(self);
            tokio::spawn(async move { engine.follow(follow).await });
        }
    }

    /// Does what is to be done next, and what that leads to. A failure is told of; a duty comes back to it.
    pub(super) async fn follow(&self, first: Vec<Follow>) {
        let mut left: VecDeque<Follow> = first.into();
        while let Some(next) = left.pop_front() {
            match self.follow_one(next).await {
                Ok(more) => left.extend(more),
                Err(error) => warn!(job = %next.job(), ?next, %error, "left to a later look"),
            }
        }
    }

    async fn follow_one(&self, next: Follow) -> Result<Vec<Follow>> {
        match next {
            Follow::Look(branch) => self.look(branch).await,
            Follow::Open(fan) => self.open(fan).await,
            Follow::Submit(branch, child) => self.submit_child(branch, child).await,
            Follow::Cancel(job) => self.cancel(job, "parent").await.map(|(_, follow)| follow),
        }
    }

    /// Looks at a branch whose time has come, and moves it on when what it waits for has happened.
    ///
    /// # Errors
    /// When Redis is away, or the job cannot go on.
    pub async fn look_at(&self, branch: BranchId) -> Result<()> {
        let follow = self.look(branch).await?;
        self.follow(follow).await;
        Ok(())
    }

    async fn look(&self, branch: BranchId) -> Result<Vec<Follow>> {
        let Some(LoadedBranch { standing, happened }) = self.store.load_branch(branch).await? else {
            return Ok(Vec::new());
        };
        let next = match self.next_move(branch, &standing, happened).await {
            Ok(next) => next,
            Err(Error::Broken(_, reason)) => return self.put_aside(branch, &standing, reason).await,
            Err(error) => return Err(error),
        };
        let (next, after) = match next {
            Found::Move(next, after) => (next, after),
            Found::Before(follow) => return Ok(follow),
        };
        let mut follow = match self.take_step(branch, &standing, next).await {
            Err(Error::Broken(_, reason)) => self.put_aside(branch, &standing, reason).await?,
            other => other?,
        };
        follow.extend(after);
        Ok(follow)
    }

    async fn next_move(&self, branch: BranchId, standing: &Standing, happened: Happened) -> Result<Found> {
        let rung = standing.wait_until.is_some_and(|at| at <= standing.now);
        let waits = standing.task.is_some() || standing.child.is_some();
        let fan = || standing.fan.map(|number| FanId { job: branch.job, number });
        let go = |event| Found::Move(Move::Go(event), None);
        Ok(match happened {
            _ if standing.start.as_deref() == Some("again") && standing.execution.is_some() => {
                Found::Move(Move::Again, None)
            }
            _ if standing.execution.is_none() => match standing.wait_until {
                Some(_) if !rung => Found::Before(Vec::new()),
                _ => Found::Move(Move::Begin, None),
            },
            Happened::Task(outcome) => go(event(outcome)),
            Happened::Child { state, result, error } => go(child_ended(branch.job, state, result, error)?),
            Happened::ChildMissing => match standing.child {
                Some(child) => Found::Before(self.submit_child(branch, child).await?),
                None => Found::Before(Vec::new()),
            },
            Happened::FanSucceeded => {
                let fan = fan().ok_or_else(|| Error::Broken(branch.job, "it waits for no fan-out".to_owned()))?;
                let outputs = self.store.fan_outputs(fan).await?;
                let outputs = outputs.iter().map(|output| parse(branch.job, output)).collect::<Result<Vec<Value>>>()?;
                go(Event::FanSucceeded { outputs })
            }
            Happened::FanFailed(error) => {
                let FanFailure { error, quarantine } = parse(branch.job, &error)?;
                let JobError { code, message, details, .. } = error;
                go(Event::FanFailed { error: code, cause: message, details, quarantine })
            }
            Happened::FanHasRoom => Found::Before(fan().map(Follow::Open).into_iter().collect()),
            Happened::Nothing if rung && waits => {
                let cause = "it took longer than its TimeoutSeconds".to_owned();
                let late = Event::TaskFailed { error: TIMEOUT.to_owned(), cause, details: Vec::new() };
                Found::Move(Move::Go(late), standing.child.map(Follow::Cancel))
            }
            Happened::Nothing if rung => go(Event::TimerFired),
            Happened::Nothing => Found::Before(Vec::new()),
        })
    }

    /// Opens branches of a fan-out, as many as may run, and begins each.
    async fn open(&self, fan: FanId) -> Result<Vec<Follow>> {
        let opened = self.store.open_branches(fan).await?;
        if opened.is_empty() {
            return Ok(Vec::new());
        }
        let begun = stream::iter(opened).map(|(index, start)| self.begin(fan.branch(index), start));
        let mut follow: Vec<Follow> = begun.buffer_unordered(WIDTH).flat_map(stream::iter).collect().await;
        // Each end of a branch asks for another one; once for all is enough.
        follow.retain(|next| *next != Follow::Open(fan));
        follow.push(Follow::Open(fan));
        Ok(follow)
    }

    /// Begins a branch that has just been opened.
    async fn begin(&self, branch: BranchId, start: String) -> Vec<Follow> {
        // As `open_branches` wrote it; its time is near enough that of this machine for a first step.
        let standing = Standing { start: Some(start), ..Standing::before(now_ms()) };
        match self.take_step(branch, &standing, Move::Begin).await {
            Ok(follow) => follow,
            Err(Error::Broken(_, reason)) => self.put_aside(branch, &standing, reason).await.unwrap_or_default(),
            Err(error) => {
                warn!(job = %branch.job, %branch, %error, "a branch begins later");
                Vec::new()
            }
        }
    }
}

/// What the end of a child means to the branch that waited for it.
fn child_ended(job: JobId, state: JobState, result: Option<String>, error: Option<String>) -> Result<Event> {
    if let (JobState::Completed, Some(result)) = (state, result) {
        return Ok(Event::TaskSucceeded { output: parse(job, &result)? });
    }
    let error: Option<JobError> = error.map(|error| parse(job, &error)).transpose()?;
    let why = error.map_or_else(String::new, |error| format!(": {}: {}", error.code, error.message));
    let cause = format!("the job ended as {}{why}", state.as_str());
    Ok(Event::TaskFailed { error: CHILD_FAILED.to_owned(), cause, details: Vec::new() })
}

/// How a branch of a fan-out failed, as it is kept until its parent has read it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct FanFailure {
    #[serde(flatten)]
    pub(super) error: JobError,
    #[serde(default)]
    pub(super) quarantine: bool,
}

fn parse<T: serde::de::DeserializeOwned>(job: JobId, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Error::Broken(job, error.to_string()))
}
