//! Branches of jobs: their steps, and the fan-outs that they come from and lead to.

use relevo_shared::{BranchId, JobId, Place};

use super::{
    Result, Store,
    jobs::Told,
    keys::Keys,
    millis,
    script::{ADVANCE_BRANCH, DECIDE_APPROVAL, LOAD_BRANCH, OPEN_BRANCHES, Reply, STOCK_FAN, SWEEP_FAN, corrupt},
    standing::{Happened, LoadedBranch, Standing},
    step::StepWrite,
    tasks::{outcome_text, read_outcome},
};
use crate::domain::task::Outcome;

/// Branches that one script opens or stops.
const PART: usize = 50;
/// Outputs that are read at once.
const PAGE: usize = 500;
/// Starts of branches that one script stores, and their bytes.
const STOCK: (usize, usize) = (200, 256 * 1024);

/// A fan-out of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FanId {
    /// The job.
    pub job: JobId,
    /// Its number within the job.
    pub number: u32,
}

impl FanId {
    /// One of its branches.
    #[must_use]
    pub const fn branch(self, index: u32) -> BranchId {
        BranchId { job: self.job, place: Some(Place { fan: self.number, index }) }
    }
}

impl std::fmt::Display for FanId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.job, self.number)
    }
}

impl std::str::FromStr for FanId {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (job, number) = text.split_once('.').ok_or(())?;
        Ok(Self { job: job.parse().map_err(|_| ())?, number: number.parse().map_err(|_| ())? })
    }
}

/// How far a fan-out is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FanRecord {
    /// Its branches.
    pub total: u32,
    /// Those that have been opened.
    pub opened: u32,
    /// Those that are open.
    pub running: u32,
    /// Those that have ended.
    pub done: u32,
    /// Those of them that failed.
    pub failed: u32,
}

/// Answer to a step of a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BranchAdvance {
    /// It is written.
    Written,
    /// It is written, and the fan-out is complete or has failed: its parent can go on.
    Joined,
    /// It is written, and the fan-out has room for another branch.
    HasRoom,
    /// The branch or its job has moved on, or is gone.
    Stale,
}

/// What was found where a fan-out had been.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// Whether all of it is done.
    pub done: bool,
    /// Who is to be told to stop.
    pub told: Vec<Told>,
    /// Jobs to be cancelled.
    pub children: Vec<JobId>,
}

impl Store {
    /// Writes the next step of a branch of a fan-out, unless it has moved on.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn advance_branch(
        &self,
        branch: BranchId,
        revision: u64,
        finished: Option<u32>,
        step: &StepWrite,
    ) -> Result<BranchAdvance> {
        let fan = branch.place.map(|place| FanId { job: branch.job, number: place.fan });
        let fan = fan.ok_or_else(|| corrupt(format!("{branch} is no branch of a fan-out")))?;
        let mut call = ADVANCE_BRANCH.key(self.keys.branch(branch));
        call.key(Keys::due(branch.job.partition(self.keys.partitions())));
        call.key(self.keys.job(branch.job)).key(self.keys.fan(fan));
        call.arg(self.keys.prefix_of(branch.job)).arg(branch.to_string()).arg(revision);
        call.arg(millis(self.durations.keep_task));
        call.arg(finished.map(|number| number.to_string()).unwrap_or_default());
        step.add_to(&mut call);
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => match reply.next::<String>()?.as_str() {
                "joined" => Ok(BranchAdvance::Joined),
                "more" => Ok(BranchAdvance::HasRoom),
                _ => Ok(BranchAdvance::Written),
            },
            "stale" | "ended" | "missing" => Ok(BranchAdvance::Stale),
            _ => Err(reply.unexpected()),
        }
    }

    /// Loads what the next step of a branch is decided from. `None` when there is no step to take: the branch is gone or
    /// has ended, or what it waits for has not come; then it is taken off the list of those to look at.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn load_branch(&self, branch: BranchId) -> Result<Option<LoadedBranch>> {
        let mut call = LOAD_BRANCH.key(self.keys.branch(branch));
        call.key(Keys::due(branch.job.partition(self.keys.partitions()))).key(self.keys.job(branch.job));
        call.arg(self.keys.prefix_of(branch.job)).arg(branch.to_string());
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => {}
            "idle" => return Ok(None),
            _ => return Err(reply.unexpected()),
        }
        let now = reply.next_as()?;
        let mut text = || reply.next::<String>().map(|text| if text.is_empty() { None } else { Some(text) });
        let outcome = text()?;
        let (state, result, error) = (text()?, text()?, text()?);
        let (fan, fan_error, room) = (text()?, text()?, text()?);
        let (fields, job) = (reply.next()?, reply.next_if_any()?);
        let standing = Standing::read(fields, job, now)?;
        let happened = match (outcome, standing.child, fan.as_deref()) {
            (Some(outcome), ..) if standing.task.is_some() => Happened::Task(read_outcome(&outcome)?),
            (_, _, Some("succeeded")) => Happened::FanSucceeded,
            (_, _, Some("failed")) => Happened::FanFailed(fan_error.unwrap_or_default()),
            (_, _, Some(_)) if room.is_some() => Happened::FanHasRoom,
            (_, Some(_), _) => match state.and_then(|state| relevo_shared::job::JobState::from_word(&state)) {
                Some(state) if state.is_terminal() => {
                    let (result, error) = match (result, error, standing.child) {
                        // Nobody has looked for so long that it is packed.
                        (None, None, Some(child)) => self.read_end(child).await?,
                        (result, error, _) => (result, error),
                    };
                    Happened::Child { state, result, error }
                }
                Some(_) => Happened::Nothing,
                None => Happened::ChildMissing,
            },
            _ => Happened::Nothing,
        };
        Ok(Some(LoadedBranch { standing, happened }))
    }

    /// The result and the error of a job that has ended.
    async fn read_end(&self, job: JobId) -> Result<(Option<String>, Option<String>)> {
        let mut fields = self.read_job(job).await?.map(|record| record.fields).unwrap_or_default();
        let mut text = |name: &str| fields.remove(name).filter(|text| !text.is_empty());
        Ok((text("result"), text("error")))
    }

    /// Stores the starts of a fan-out's branches, before it begins. Those of a fan-out that never does go by themselves.
    ///
    /// # Errors
    /// When Redis is away, or somebody else stores the same.
    pub async fn stock_fan(&self, fan: FanId, starts: &[String]) -> Result<()> {
        let mut offset = 0;
        while offset < starts.len() {
            let mut bytes = 0;
            let fits = |start: &&String| {
                bytes += start.len();
                bytes <= STOCK.1
            };
            let part = starts[offset..].iter().take(STOCK.0).take_while(fits).count().max(1);
            let mut call = STOCK_FAN.key(self.keys.items(fan));
            call.arg(offset).arg(millis(self.durations.keep_task)).arg(&starts[offset..offset + part]);
            let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
            match reply.word() {
                "ok" => {}
                // The job is stored, with this fan-out: its creation was answered too late and came again.
                "begun" => return Ok(()),
                "stale" => return Err(corrupt(format!("the branches of {fan} are not as they were written"))),
                _ => return Err(reply.unexpected()),
            }
            offset += part;
        }
        Ok(())
    }

    /// Opens the next branches of a fan-out, as many as may run together and at most a part. Answers index and start of each.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn open_branches(&self, fan: FanId) -> Result<Vec<(u32, String)>> {
        let mut call = OPEN_BRANCHES.key(self.keys.job(fan.job));
        call.key(self.keys.fan(fan)).key(self.keys.items(fan));
        call.key(Keys::due(fan.job.partition(self.keys.partitions())));
        call.arg(self.keys.prefix_of(fan.job)).arg(fan.to_string()).arg(PART).arg(millis(self.durations.recheck));
        let words: Vec<String> = call.invoke_async(&mut self.connections.get().await?).await?;
        let pairs = words.chunks_exact(2).map(|pair| {
            let index = pair[0].parse().map_err(|_| corrupt(format!("index {}", pair[0])))?;
            Ok((index, pair[1].clone()))
        });
        pairs.collect()
    }

    /// How far a fan-out is; `None` when there is none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read_fan(&self, fan: FanId) -> Result<Option<FanRecord>> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.fan(fan)).arg(&["total", "opened", "running", "done", "failed"]);
        let counts: [Option<u32>; 5] = command.query_async(&mut self.connections.get().await?).await?;
        let [Some(total), Some(opened), Some(running), Some(done), Some(failed)] = counts else { return Ok(None) };
        Ok(Some(FanRecord { total, opened, running, done, failed }))
    }

    /// The branch that waits for a fan-out.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn fan_parent(&self, fan: FanId) -> Result<Option<BranchId>> {
        let mut command = redis::cmd("HGET");
        command.arg(self.keys.fan(fan)).arg("parent");
        let parent: Option<String> = command.query_async(&mut self.connections.get().await?).await?;
        Ok(parent.and_then(|parent| parent.parse().ok()))
    }

    /// The variables that the branches of a fan-out can read, as JSON.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn fan_variables(&self, fan: FanId) -> Result<Option<String>> {
        let mut command = redis::cmd("HGET");
        command.arg(self.keys.fan(fan)).arg("variables");
        Ok(command.query_async(&mut self.connections.get().await?).await?)
    }

    /// The outputs of a fan-out's branches, as JSON, in order; those of branches that failed are left out.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn fan_outputs(&self, fan: FanId) -> Result<Vec<String>> {
        let mut connection = self.connections.get().await?;
        let total: Option<usize> =
            redis::cmd("HGET").arg(self.keys.fan(fan)).arg("total").query_async(&mut connection).await?;
        let mut outputs = Vec::with_capacity(total.unwrap_or_default());
        for first in (0..total.unwrap_or_default()).step_by(PAGE) {
            let mut command = redis::cmd("HMGET");
            command.arg(self.keys.results(fan));
            for index in first..(first + PAGE).min(total.unwrap_or_default()) {
                command.arg(index);
            }
            let page: Vec<Option<String>> = command.query_async(&mut connection).await?;
            outputs.extend(page.into_iter().flatten());
        }
        Ok(outputs)
    }

    /// Fan-outs of a partition that are over and whose branches are to be stopped.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn take_sweeps(&self, partition: u16, limit: usize) -> Result<Vec<FanId>> {
        self.take(Keys::sweep(partition), limit).await
    }

    /// Stops a part of the branches of a fan-out that is over.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn sweep_fan(&self, fan: FanId) -> Result<Swept> {
        let mut call = SWEEP_FAN.key(self.keys.fan(fan));
        call.key(Keys::sweep(fan.job.partition(self.keys.partitions()))).key(self.keys.job(fan.job));
        call.arg(self.keys.prefix_of(fan.job)).arg(fan.to_string()).arg(PART).arg(millis(self.durations.keep_task));
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        let (told, children): (Vec<String>, Vec<String>) = (reply.next()?, reply.next()?);
        let told = told
            .chunks_exact(2)
            .filter_map(|pair| Some(Told { worker: pair[0].parse().ok()?, task: pair[1].parse().ok()? }));
        Ok(Swept {
            done: reply.word() == "done",
            told: told.collect(),
            children: children.iter().filter_map(|child| child.parse().ok()).collect(),
        })
    }

    /// Takes a person's decision. Says whether the branch waited for one.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn decide_approval(
        &self,
        branch: BranchId,
        decision: &str,
        actor: &str,
        comment: &str,
        outcome: &Outcome,
    ) -> Result<bool> {
        let mut call = DECIDE_APPROVAL.key(self.keys.branch(branch));
        call.key(self.keys.approvals(branch.job)).key(self.keys.job(branch.job));
        call.key(Keys::due(branch.job.partition(self.keys.partitions())));
        call.arg(self.keys.prefix_of(branch.job)).arg(branch.to_string()).arg(decision).arg(actor).arg(comment);
        call.arg(outcome_text(outcome)).arg(millis(self.durations.recheck));
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(true),
            "not_waiting" => Ok(false),
            _ => Err(reply.unexpected()),
        }
    }
}
