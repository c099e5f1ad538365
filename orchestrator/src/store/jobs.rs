//! Jobs: submit, advance, cancel, end, retry.

use std::time::Duration;

use relevo_shared::{BranchId, JobId, TaskId, WorkerId, job::JobState};

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{ADVANCE_JOB, CANCEL_JOB, END_JOB, RETRY_JOB, Reply, SUBMIT_JOB, TAKE_DUE},
    standing::JobFacts,
    step::StepWrite,
};
use crate::domain::index::Attribute;

/// What is common to all branches of a job, as in `JOB_FIELDS` of the prelude.
const JOB_FIELDS: [&str; 11] = [
    "state",
    "hash",
    "input",
    "source",
    "created_at",
    "client",
    "priority",
    "cancelling_at",
    "slots",
    "trace",
    "depth",
];

/// What never changes about a job.
#[derive(Debug, Clone, Default)]
pub struct NewJob {
    /// Whose it is.
    pub client: String,
    /// Name of its blueprint.
    pub blueprint: String,
    /// What it is called in lists.
    pub kind: String,
    /// The user of its client.
    pub user_id: Option<String>,
    /// The same user's name in another directory.
    pub user_soeid: Option<String>,
    /// The dataset that its input names.
    pub dataset: Option<String>,
    /// The pinned text of its blueprint.
    pub hash: String,
    /// Its input, as JSON.
    pub input: String,
    /// The table it reads, as JSON.
    pub source: Option<String>,
    /// Higher goes first: -1000 to 1000.
    pub priority: i32,
    /// Told when it ends.
    pub webhook_url: Option<String>,
    /// Milliseconds that each of its tasks may wait for a worker.
    pub dispatch_ms: Option<u64>,
    /// Milliseconds within which it must end.
    pub result_ms: Option<u64>,
    /// No other unfinished job may have the same.
    pub unique: Option<String>,
    /// What its tasks must have a share of to run: words `<name>=<limit>`.
    pub slots: String,
    /// The branch of another job that waits for it.
    pub parent: Option<BranchId>,
    /// How many jobs it is a child of, one within the other.
    pub depth: u32,
    /// W3C trace context of the request that made it.
    pub trace: Option<String>,
}

impl NewJob {
    /// The names under which the index has it.
    fn found_by(&self) -> Vec<String> {
        let optional = [
            (Attribute::Dataset, &self.dataset),
            (Attribute::UserId, &self.user_id),
            (Attribute::UserSoeid, &self.user_soeid),
        ];
        let optional = optional.into_iter().filter_map(|(attribute, value)| Some(attribute.named(value.as_deref()?)));
        [Attribute::Client.named(&self.client), Attribute::Kind.named(&self.kind)].into_iter().chain(optional).collect()
    }
}

/// Answer to a new job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// It is stored.
    Stored,
    /// An unfinished job is like it: this one.
    NotUnique(JobId),
    /// Its client has too many unfinished jobs.
    TooMany,
}

/// Answer to a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advance {
    /// It is written. When the job has ended, the branch that waited for it can go on.
    Written {
        /// The branch of another job.
        parent: Option<BranchId>,
    },
    /// The job has moved on, or is gone.
    Stale,
    /// Its client wants it to end: no other step is taken.
    Cancelling,
}

/// Someone to be told that a task is to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Who holds it.
    pub worker: WorkerId,
    /// The task.
    pub task: TaskId,
}

/// Answer to a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// There is no such job.
    Missing,
    /// It has ended, in this state.
    Ended(JobState),
    /// Its workers have some time to stop; this one holds its task.
    Asked(Option<Told>),
    /// It has ended by this.
    Cancelled(Ended),
}

/// What is to be done once a job has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its last state, where it was not known before.
    pub state: String,
    /// The branch that waited for it.
    pub parent: Option<BranchId>,
    /// The job that it waited for.
    pub child: Option<JobId>,
    /// Who holds its task.
    pub told: Option<Told>,
}

/// Answer to a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retry {
    /// It goes on.
    Retried,
    /// There is no such job.
    Missing,
    /// It has not ended: it is in this state.
    NotEnded(JobState),
    /// It ended in this state, which is no failure.
    NotFailed(JobState),
    /// Another job with the same unique key is unfinished.
    NotUnique(JobId),
    /// It is packed: it is to be unpacked first.
    Packed,
}

fn told(reply: &mut Reply) -> Result<Option<Told>> {
    let (worker, task): (String, String) = (reply.next()?, reply.next()?);
    Ok(worker.parse().ok().zip(task.parse().ok()).map(|(worker, task)| Told { worker, task }))
}

impl Store {
    /// Writes a new job and its first step. `open_limit` is how many unfinished jobs its client may have.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn submit_job(
        &self,
        id: JobId,
        job: &NewJob,
        open_limit: Option<u64>,
        step: &StepWrite,
    ) -> Result<Submission> {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let (priority, parent) = (job.priority.to_string(), job.parent.map(|parent| parent.to_string()));
        let depth = number(Some(job.depth.into()).filter(|depth| *depth > 0));
        let (dispatch_ms, result_ms) = (number(job.dispatch_ms), number(job.result_ms));
        let identity = [
            ("client", job.client.as_str()),
            ("blueprint", &job.blueprint),
            ("kind", &job.kind),
            ("user_id", job.user_id.as_deref().unwrap_or_default()),
            ("user_soeid", job.user_soeid.as_deref().unwrap_or_default()),
            ("dataset", job.dataset.as_deref().unwrap_or_default()),
            ("hash", &job.hash),
            ("input", &job.input),
            ("source", job.source.as_deref().unwrap_or_default()),
            ("priority", &priority),
            ("webhook_url", job.webhook_url.as_deref().unwrap_or_default()),
            ("dispatch_ms", &dispatch_ms),
            ("result_ms", &result_ms),
            ("unique", job.unique.as_deref().unwrap_or_default()),
            ("slots", &job.slots),
            ("parent", parent.as_deref().unwrap_or_default()),
            ("depth", &depth),
            ("trace", job.trace.as_deref().unwrap_or_default()),
        ];
        let identity: Vec<_> = identity.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let mut call = SUBMIT_JOB.key(self.keys.job(id));
        call.arg(self.keys.prefix_of(id)).arg(id.to_string()).arg(millis(self.durations.retention));
        let found_by = job.found_by();
        call.arg(number(open_limit)).arg(id.as_bytes()).arg(found_by.len());
        for name in found_by {
            call.arg(name);
        }
        call.arg(identity.len() * 2);
        for (name, value) in identity {
            call.arg(name).arg(value);
        }
        step.add_to(&mut call);
        if !result_ms.is_empty() {
            call.arg("deadline_ms").arg(result_ms);
        }
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            // The id is the caller's alone: it exists because the same call was answered too late and came again.
            "ok" | "exists" => Ok(Submission::Stored),
            "not_unique" => Ok(Submission::NotUnique(reply.next_as()?)),
            "too_many" => Ok(Submission::TooMany),
            _ => Err(reply.unexpected()),
        }
    }

    /// Writes the next step of a job's own branch, unless the job has moved on. `finished` is the number of its task that
    /// has ended.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn advance_job(
        &self,
        id: JobId,
        revision: u64,
        finished: Option<u32>,
        step: &StepWrite,
    ) -> Result<Advance> {
        let mut call = ADVANCE_JOB.key(self.keys.job(id));
        call.key(Keys::due(id.partition(self.keys.partitions())));
        call.arg(self.keys.prefix_of(id)).arg(id.to_string()).arg(revision).arg(millis(self.durations.retention));
        call.arg(finished.map(|number| number.to_string()).unwrap_or_default());
        step.add_to(&mut call);
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(Advance::Written { parent: reply.next_maybe()? }),
            "stale" | "ended" | "missing" => Ok(Advance::Stale),
            "cancelling" => Ok(Advance::Cancelling),
            _ => Err(reply.unexpected()),
        }
    }

    /// Ends a job at its client's wish: at once, or after those that hold its tasks had time to stop.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn cancel_job(&self, id: JobId, actor: &str, grace: Duration, error: &str) -> Result<Cancellation> {
        let mut call = CANCEL_JOB.key(self.keys.job(id));
        call.key(Keys::deadlines(id.partition(self.keys.partitions())));
        call.arg(self.keys.prefix_of(id)).arg(id.to_string()).arg(actor).arg(millis(grace));
        call.arg(millis(self.durations.retention)).arg(error);
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "missing" => Ok(Cancellation::Missing),
            "ended" => Ok(Cancellation::Ended(reply.next_as()?)),
            "asked" => Ok(Cancellation::Asked(told(&mut reply)?)),
            "cancelled" => {
                let (parent, child) = (reply.next_maybe()?, reply.next_maybe()?);
                Ok(Cancellation::Cancelled(Ended { state: "cancelled".to_owned(), parent, child, told: None }))
            }
            _ => Err(reply.unexpected()),
        }
    }

    /// Ends a job whose time is over. `None` when it is not.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn end_job(&self, id: JobId, overdue: &str, cancelled: &str) -> Result<Option<Ended>> {
        let mut call = END_JOB.key(self.keys.job(id));
        call.key(Keys::deadlines(id.partition(self.keys.partitions())));
        call.arg(self.keys.prefix_of(id)).arg(id.to_string()).arg(millis(self.durations.retention));
        call.arg(overdue).arg(cancelled);
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "idle" => Ok(None),
            "ok" => Ok(Some(Ended {
                state: reply.next()?,
                parent: reply.next_maybe()?,
                child: reply.next_maybe()?,
                told: told(&mut reply)?,
            })),
            _ => Err(reply.unexpected()),
        }
    }

    /// Lets a failed or quarantined job go on from the state that failed.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn retry_job(&self, id: JobId, actor: &str) -> Result<Retry> {
        let mut call = RETRY_JOB.key(self.keys.job(id));
        call.key(Keys::due(id.partition(self.keys.partitions())));
        call.arg(self.keys.prefix_of(id)).arg(id.to_string()).arg(actor);
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(Retry::Retried),
            "missing" => Ok(Retry::Missing),
            "not_ended" => Ok(Retry::NotEnded(reply.next_as()?)),
            "not_failed" => Ok(Retry::NotFailed(reply.next_as()?)),
            "not_unique" => Ok(Retry::NotUnique(reply.next_as()?)),
            "packed" => Ok(Retry::Packed),
            _ => Err(reply.unexpected()),
        }
    }

    /// Jobs of a partition whose time is over; each is held back from other replicas for a while.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn take_overdue(&self, partition: u16, limit: usize) -> Result<Vec<JobId>> {
        self.take(Keys::deadlines(partition), limit).await
    }

    /// Branches of a partition whose time has come; each is held back from other replicas for a while.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn take_due(&self, partition: u16, limit: usize) -> Result<Vec<BranchId>> {
        self.take(Keys::due(partition), limit).await
    }

    /// The entries of a sorted set whose instant has come.
    pub(super) async fn take<T: std::str::FromStr>(&self, key: String, limit: usize) -> Result<Vec<T>> {
        let mut call = TAKE_DUE.key(key);
        call.arg(limit).arg(millis(self.durations.recheck));
        let entries: Vec<String> = call.invoke_async(&mut self.connections.get().await?).await?;
        Ok(entries.iter().filter_map(|entry| entry.parse().ok()).collect())
    }

    /// What is common to all branches of a job; `None` when there is no such job.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn job_facts(&self, id: JobId) -> Result<Option<JobFacts>> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.job(id)).arg(&JOB_FIELDS);
        let fields: [Option<String>; JOB_FIELDS.len()] =
            command.query_async(&mut self.connections.get().await?).await?;
        match &fields[..2] {
            [None, _] => Ok(None),
            // It is packed.
            [_, None] => {
                let record = self.read_job(id).await?;
                record
                    .map(|mut record| JobFacts::read(JOB_FIELDS.map(|name| record.fields.remove(name)).into()))
                    .transpose()
            }
            _ => JobFacts::read(fields.into()).map(Some),
        }
    }

    /// The user under which a job was recorded: its `user_id` and `user_soeid`.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn job_user(&self, id: JobId) -> Result<(Option<String>, Option<String>)> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.job(id)).arg("user_id").arg("user_soeid");
        Ok(command.query_async(&mut self.connections.get().await?).await?)
    }

    /// A number for a fan-out that this job has not had yet.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn number_fan(&self, id: JobId) -> Result<u32> {
        let mut command = redis::cmd("HINCRBY");
        command.arg(self.keys.job(id)).arg("fans").arg(1);
        Ok(command.query_async(&mut self.connections.get().await?).await?)
    }
}
