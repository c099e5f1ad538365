//! Tasks: claim, renew, complete, release, expire, progress.

use relevo_shared::{BranchId, JobId, SkillName, TaskId, WorkerId};

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{CLAIM_TASKS, COMPLETE_TASK, EXPIRE_LEASES, RELEASE_TASK, RENEW_LEASES, Reply, corrupt},
    standing::Standing,
};
use crate::domain::task::{DISPATCH_TIMEOUT, Outcome};

/// A task goes back to its queue this often when its claim was never confirmed; then it counts as lost. Enough for cut
/// connections, too few for a task that kills each worker that takes it.
const UNCONFIRMED_CLAIMS: u32 = 3;

/// Reads an outcome as `complete_task` wrote it.
pub(super) fn read_outcome(text: &str) -> Result<Outcome> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("outcome: {error}")))
}

pub(super) fn outcome_text(outcome: &Outcome) -> String {
    serde_json::to_string(outcome).expect("an outcome has string keys only")
}

/// A request for tasks.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// Who asks.
    pub worker: &'a WorkerId,
    /// The queues that it can serve.
    pub queues: &'a [&'a str],
    /// At most this many.
    pub max: usize,
    /// How long its leases last.
    pub lease_ms: u64,
    /// Whether a blueprint may be paused: then each task is looked at.
    pub some_paused: bool,
}

/// Answer to a request for tasks.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// The tasks, each with a lease.
    pub tasks: Vec<ClaimedTask>,
    /// Whether the queues hold none any more.
    pub emptied: bool,
}

/// A task with a lease on it.
#[derive(Debug, Clone)]
pub struct ClaimedTask {
    /// Its id.
    pub id: TaskId,
    /// The skill that it needs.
    pub skill: SkillName,
    /// Its parameters, as JSON.
    pub params: String,
    /// W3C trace context of its job.
    pub trace: Option<String>,
    /// From 1.
    pub attempt: u32,
    /// The fencing number of this claim.
    pub token: u64,
    /// Of its job.
    pub priority: i32,
    /// By when it must be done, in milliseconds since 1970.
    pub deadline: Option<i64>,
    /// Seconds between two signs of life that its blueprint asks for.
    pub heartbeat_seconds: Option<u32>,
    /// How long it waited in its queue, in milliseconds.
    pub queued_ms: i64,
}

/// Answer to the end of a task.
#[derive(Debug)]
pub enum Completion {
    /// It counts; the branch needs its next step.
    Accepted {
        /// How the branch stands.
        standing: Box<Standing>,
        /// What ran.
        skill: String,
        /// How long the task ran, in milliseconds.
        run_ms: i64,
    },
    /// The same result was accepted before.
    Duplicate,
    /// The worker does not hold the task (any more).
    LeaseLost,
    /// There is no such task.
    Missing,
}

/// A task that has ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// The branch that needs its next step.
    pub branch: BranchId,
    /// Who held the task; `None` when nobody came for it.
    pub worker: Option<WorkerId>,
}

/// Tasks that a worker named and should not go on with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewed {
    /// It does not hold them (any more).
    pub lost: Vec<String>,
    /// They are cancelled.
    pub cancelled: Vec<String>,
}

/// Answer to a hand-back or a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// It counts.
    Accepted,
    /// The task is cancelled: the worker should stop it.
    Cancelled,
    /// The worker does not hold the task (any more).
    LeaseLost,
    /// There is no such task.
    Missing,
}

impl LeaseAnswer {
    pub(super) fn read(word: &str) -> Result<Self> {
        match word {
            "ok" => Ok(Self::Accepted),
            "cancelled" => Ok(Self::Cancelled),
            "lease_lost" => Ok(Self::LeaseLost),
            "missing" => Ok(Self::Missing),
            _ => Err(corrupt(format!("unknown reply `{word}`"))),
        }
    }
}

/// A token as a script takes it.
pub(super) fn token_text(token: Option<u64>) -> String {
    token.map(|token| token.to_string()).unwrap_or_default()
}

impl Store {
    /// Claims tasks of one partition: the best heads of the queues, each with a lease.
    ///
    /// # Errors
    /// When Redis is away, or a record cannot be read.
    pub async fn claim_tasks(&self, partition: u16, claim: &Claim<'_>) -> Result<Claimed> {
        let mut call = CLAIM_TASKS.key(Keys::leases(partition));
        for queue in claim.queues {
            call.key(Keys::queue(partition, queue));
        }
        call.arg(Keys::prefix(partition)).arg(claim.worker.as_str()).arg(claim.max).arg(claim.lease_ms);
        call.arg(millis(self.durations.confirm));
        call.arg(if claim.some_paused { "1" } else { "" });
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        let tasks: Vec<Vec<String>> = reply.next()?;
        let tasks = tasks.into_iter().map(read_claimed).collect::<Result<_>>()?;
        Ok(Claimed { tasks, emptied: reply.word() == "empty" })
    }

    /// Takes the end of a task from the worker that holds it.
    ///
    /// # Errors
    /// When Redis is away, or the job cannot be read.
    pub async fn complete_task(
        &self,
        task: TaskId,
        worker: &WorkerId,
        token: Option<u64>,
        outcome: &Outcome,
        digest: &str,
    ) -> Result<Completion> {
        let (job, partition) = (task.job(), task.job().partition(self.keys.partitions()));
        let mut call = COMPLETE_TASK.key(self.keys.branch(task.branch));
        call.key(Keys::leases(partition)).key(Keys::due(partition)).key(self.keys.job(job));
        call.arg(self.keys.prefix_of(job)).arg(task.to_string()).arg(worker.as_str()).arg(token_text(token));
        call.arg(outcome_text(outcome)).arg(digest).arg(millis(self.durations.recheck));
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        Ok(match reply.word() {
            "ok" => {
                let (now, leased_at): (i64, i64) = (reply.next()?, reply.next()?);
                let skill = reply.next()?;
                let standing = Box::new(Standing::read(reply.next()?, reply.next_if_any()?, now)?);
                Completion::Accepted { standing, skill, run_ms: now - leased_at }
            }
            "duplicate" => Completion::Duplicate,
            "lease_lost" => Completion::LeaseLost,
            "missing" => Completion::Missing,
            _ => return Err(reply.unexpected()),
        })
    }

    /// Puts a task back into its queue, without counting an attempt.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn release_task(&self, task: TaskId, worker: &WorkerId, token: Option<u64>) -> Result<LeaseAnswer> {
        let mut call = RELEASE_TASK.key(self.keys.branch(task.branch));
        call.key(Keys::leases(task.job().partition(self.keys.partitions())));
        call.arg(self.keys.prefix_of(task.job())).arg(task.to_string());
        call.arg(worker.as_str()).arg(token_text(token));
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        LeaseAnswer::read(reply.word())
    }

    /// Renews the leases of a worker. Answers those of the tasks that it should not go on with.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn renew_leases(&self, worker: &WorkerId, tasks: &[TaskId]) -> Result<Renewed> {
        let mut renewed = Renewed::default();
        for partition in self.partitions() {
            let mut call = RENEW_LEASES.key(Keys::leases(partition));
            call.arg(Keys::prefix(partition)).arg(worker.as_str());
            let mut any = false;
            for task in tasks.iter().filter(|task| task.job().partition(self.keys.partitions()) == partition) {
                call.arg(task.to_string());
                any = true;
            }
            if any {
                let (lost, cancelled): (Vec<String>, Vec<String>) =
                    call.invoke_async(&mut self.connections.get().await?).await?;
                renewed.lost.extend(lost);
                renewed.cancelled.extend(cancelled);
            }
        }
        Ok(renewed)
    }

    /// Ends the leases of a partition that have run out, and tasks that nobody came for. Answers the branches that need
    /// their next step.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn expire_leases(&self, partition: u16, limit: usize) -> Result<Vec<Expired>> {
        let lost =
            Outcome::failed("States.HeartbeatTimeout", "the worker was not heard of for as long as its lease lasts");
        let overdue = Outcome::failed("States.Timeout", "the task ran longer than its TimeoutSeconds");
        let unclaimed = Outcome::failed(DISPATCH_TIMEOUT, "no worker took the task within the job's dispatch_timeout");
        let mut call = EXPIRE_LEASES.key(Keys::leases(partition));
        call.key(Keys::due(partition)).arg(Keys::prefix(partition)).arg(limit).arg(UNCONFIRMED_CLAIMS);
        call.arg(millis(self.durations.recheck)).arg(outcome_text(&lost)).arg(outcome_text(&overdue));
        call.arg(outcome_text(&unclaimed));
        let branches: Vec<String> = call.invoke_async(&mut self.connections.get().await?).await?;
        let expired = branches.chunks_exact(2);
        Ok(expired
            .filter_map(|pair| Some(Expired { branch: pair[0].parse().ok()?, worker: pair[1].parse().ok() }))
            .collect())
    }

    /// How many tasks of a job's partition are before a task in its queue, and how many are in it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn place_in_queue(&self, job: JobId, queue: &str, task: &str) -> Result<(u64, u64)> {
        let key = Keys::queue(job.partition(self.keys.partitions()), queue);
        let mut pipe = redis::pipe();
        pipe.cmd("ZRANK").arg(&key).arg(task).cmd("ZCARD").arg(&key);
        let (rank, length): (Option<u64>, u64) = pipe.query_async(&mut self.connections.get().await?).await?;
        Ok((rank.unwrap_or_default(), length))
    }
}

fn read_claimed(parts: Vec<String>) -> Result<ClaimedTask> {
    let parts: [String; 11] = parts.try_into().map_err(|_| corrupt("a claim of another length".to_owned()))?;
    let [id, skill, params, attempt, token, priority, deadline, heartbeat_ms, queued_at, now, trace] = parts;
    fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
        text.parse().map_err(|_| corrupt(format!("not a number: {text}")))
    }
    Ok(ClaimedTask {
        id: id.parse().map_err(|_| corrupt(format!("task id {id}")))?,
        skill: skill.parse().map_err(|_| corrupt(format!("skill {skill}")))?,
        params,
        trace: if trace.is_empty() { None } else { Some(trace) },
        attempt: number(&attempt)?,
        token: number(&token)?,
        priority: number(&priority)?,
        deadline: if deadline.is_empty() { None } else { Some(number(&deadline)?) },
        heartbeat_seconds: if heartbeat_ms.is_empty() { None } else { Some(number::<u32>(&heartbeat_ms)? / 1000) },
        queued_ms: number::<i64>(&now)? - number::<i64>(&queued_at)?,
    })
}
