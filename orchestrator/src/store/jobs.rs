//! Jobs: submit, advance, load, read.

use std::collections::HashMap;

use relevo_shared::{JobId, SkillName, TaskId, job::JobState};

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{ADVANCE_JOB, LOAD_JOB, Reply, SUBMIT_JOB, TAKE_DUE, corrupt},
    tasks::read_outcome,
};
use crate::domain::task::Outcome;

/// What never changes about a job.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id, made by the replica that accepts it.
    pub id: JobId,
    /// Whose it is.
    pub client: String,
    /// Name of its blueprint.
    pub blueprint: String,
    /// The pinned text of its blueprint.
    pub hash: String,
    /// Its input, as JSON.
    pub input: String,
    /// The table it reads, as JSON.
    pub source: Option<String>,
    /// Higher goes first: -1000 to 1000.
    pub priority: i32,
}

/// How a job stands after a step, as the domain decided it.
#[derive(Debug, Clone)]
pub struct StepWrite {
    /// Its state.
    pub state: JobState,
    /// Where it is in its blueprint, as JSON.
    pub execution: String,
    /// The state of the blueprint that it is in; empty once it has ended.
    pub current: String,
    /// The states that it entered in this step, as a JSON array of names.
    pub entered: String,
    /// When to look at it again, in milliseconds from now.
    pub due_in_ms: Option<u64>,
    /// Its result, as JSON.
    pub result: Option<String>,
    /// Why it failed, as JSON.
    pub error: Option<String>,
    /// A task to queue.
    pub task: Option<TaskWrite>,
}

/// A task to queue.
#[derive(Debug, Clone)]
pub struct TaskWrite {
    /// Its id.
    pub id: TaskId,
    /// The skill that it needs.
    pub skill: SkillName,
    /// Its queue.
    pub queue: String,
    /// Its parameters, as JSON.
    pub params: String,
    /// Milliseconds that it may run.
    pub timeout_ms: Option<u64>,
    /// Milliseconds between two signs of life.
    pub heartbeat_ms: Option<u64>,
    /// From 1.
    pub attempt: u32,
    /// Of its job.
    pub priority: i32,
}

/// What the next step of a job is decided from.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Counts the steps; a step that starts from an old one is refused.
    pub revision: u64,
    /// Its state.
    pub state: JobState,
    /// The pinned text of its blueprint.
    pub hash: String,
    /// Where it is in its blueprint, as JSON.
    pub execution: String,
    /// Its input, as JSON.
    pub input: String,
    /// The table it reads, as JSON.
    pub source: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Whose it is.
    pub client: String,
    /// Higher goes first.
    pub priority: i32,
    /// Redis's clock when this was read, in milliseconds since 1970.
    pub now: i64,
}

/// A job whose time has come, with what it may have been waiting for.
#[derive(Debug, Clone)]
pub struct LoadedJob {
    /// How it stands.
    pub standing: Standing,
    /// The end of the task that it waits for, when that has come.
    pub finished: Option<Finished>,
    /// When its timer ends, in milliseconds since 1970.
    pub wait_until: Option<i64>,
}

/// A task that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The task.
    pub task: TaskId,
    /// How it ended.
    pub outcome: Outcome,
}

/// An entry of a stream: its id, then its fields.
type StreamEntry = (String, HashMap<String, String>);

/// A job as it is kept, for a view.
#[derive(Debug, Clone)]
pub struct JobRecord {
    /// Field to value.
    pub fields: HashMap<String, String>,
    /// States entered, with the instant in milliseconds since 1970.
    pub visits: Vec<(String, i64)>,
}

impl JobRecord {
    /// Whose it is.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        self.fields.get("client").map(String::as_str)
    }
}

impl Standing {
    /// Reads the fields that `complete_task` and `load_job` answer, in their order.
    pub(super) fn read(fields: Vec<Option<String>>, now: i64) -> Result<Self> {
        let mut fields = fields.into_iter();
        let mut next = || fields.next().flatten();
        let mut must = |name: &str| next().ok_or_else(|| corrupt(format!("a job without {name}")));
        let number = |name: &str, text: String| {
            text.parse::<i64>().map_err(|_| corrupt(format!("{name} is not a number: {text}")))
        };
        Ok(Self {
            revision: number("revision", must("revision")?)?.unsigned_abs(),
            state: JobState::from_word(&must("state")?)
                .ok_or_else(|| corrupt("a job in an unknown state".to_owned()))?,
            hash: must("hash")?,
            execution: must("execution")?,
            input: must("input")?,
            source: must("source").ok().filter(|source| !source.is_empty()),
            created_at: number("created_at", must("created_at")?)?,
            client: must("client")?,
            priority: i32::try_from(number("priority", must("priority")?)?).unwrap_or_default(),
            now,
        })
    }
}

impl Store {
    /// Writes a new job and its first step.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn submit_job(&self, job: &NewJob, step: &StepWrite) -> Result<()> {
        let identity: [(&str, &str); 6] = [
            ("client", &job.client),
            ("blueprint", &job.blueprint),
            ("hash", &job.hash),
            ("input", &job.input),
            ("source", job.source.as_deref().unwrap_or_default()),
            ("priority", &job.priority.to_string()),
        ];
        let mut call = SUBMIT_JOB.key(self.keys.job(job.id));
        call.arg(self.keys.prefix_of(job.id)).arg(job.id.to_string()).arg(identity.len() * 2);
        for (name, value) in identity {
            call.arg(name).arg(value);
        }
        self.add_step(&mut call, step);
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            // The id is ours alone: it exists because the same call was answered too late and came again.
            "ok" | "exists" => Ok(()),
            _ => Err(reply.unexpected()),
        }
    }

    /// Writes the next step of a job, unless the job has moved on. Says whether it was written.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn advance_job(
        &self,
        id: JobId,
        revision: u64,
        finished: Option<TaskId>,
        step: &StepWrite,
    ) -> Result<bool> {
        let finished = finished.unwrap_or(TaskId { job: id, number: 0 });
        let mut call = ADVANCE_JOB.key(self.keys.job(id));
        call.key(Keys::due(id.partition(self.keys.partitions()))).key(self.keys.task(finished));
        call.arg(self.keys.prefix_of(id)).arg(id.to_string()).arg(revision).arg(millis(self.durations.keep_task));
        self.add_step(&mut call, step);
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(true),
            "stale" | "ended" | "missing" => Ok(false),
            _ => Err(reply.unexpected()),
        }
    }

    fn add_step(&self, call: &mut redis::ScriptInvocation<'_>, step: &StepWrite) {
        let none = "";
        call.arg(step.state.as_str()).arg(&step.execution).arg(&step.current).arg(&step.entered);
        call.arg(step.due_in_ms.map(|ms| ms.to_string()).unwrap_or_default());
        call.arg(step.result.as_deref().unwrap_or(none)).arg(step.error.as_deref().unwrap_or(none));
        match &step.task {
            None => (0..8).for_each(|_| {
                call.arg(none);
            }),
            Some(task) => {
                call.arg(task.id.to_string()).arg(task.skill.as_str()).arg(&task.queue).arg(&task.params);
                call.arg(task.timeout_ms.map(|ms| ms.to_string()).unwrap_or_default());
                call.arg(task.heartbeat_ms.map(|ms| ms.to_string()).unwrap_or_default());
                call.arg(task.attempt).arg(task.priority);
            }
        }
        if step.state.is_terminal() {
            call.arg(millis(self.durations.retention));
        } else {
            call.arg(none);
        }
    }

    /// Jobs of a partition whose time has come; each is held back from other replicas for a while.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn take_due(&self, partition: u16, limit: usize) -> Result<Vec<JobId>> {
        let mut call = TAKE_DUE.key(Keys::due(partition));
        call.arg(limit).arg(millis(self.durations.recheck));
        let ids: Vec<String> = call.invoke_async(&mut self.connections.get().await?).await?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Loads what the next step of a job is decided from. `None` when there is no step to take: the job is gone or has
    /// ended, or its task is still open; then it is taken off the list of those to look at.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn load_job(&self, id: JobId) -> Result<Option<LoadedJob>> {
        let mut call = LOAD_JOB.key(self.keys.job(id));
        call.key(Keys::due(id.partition(self.keys.partitions())));
        call.arg(self.keys.prefix_of(id)).arg(id.to_string());
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => {}
            "missing" | "ended" | "task_open" => return Ok(None),
            _ => return Err(reply.unexpected()),
        }
        let now: i64 = reply.next()?;
        let outcome: String = reply.next()?;
        let mut fields: Vec<Option<String>> = reply.next()?;
        let _ended_at = fields.pop();
        let task = fields.pop().flatten().filter(|task| !task.is_empty());
        let wait_until = fields.pop().flatten().and_then(|at| at.parse().ok());
        let finished = match task {
            Some(task) if !outcome.is_empty() => {
                let task = task.parse().map_err(|_| corrupt(format!("task id {task}")))?;
                Some(Finished { task, outcome: read_outcome(&outcome)? })
            }
            _ => None,
        };
        Ok(Some(LoadedJob { standing: Standing::read(fields, now)?, finished, wait_until }))
    }

    /// A job with the states that it entered; `None` when there is none.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn read_job(&self, id: JobId) -> Result<Option<JobRecord>> {
        let (fields, events): (HashMap<String, String>, Vec<StreamEntry>) = redis::pipe()
            .cmd("HGETALL")
            .arg(self.keys.job(id))
            .cmd("XRANGE")
            .arg(self.keys.events(id))
            .arg("-")
            .arg("+")
            .query_async(&mut self.connections.get().await?)
            .await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let mut visits = Vec::new();
        for (event_id, event) in events {
            let at = event_id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or_default();
            let entered: Vec<String> =
                event.get("entered").and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
            visits.extend(entered.into_iter().map(|name| (name, at)));
        }
        Ok(Some(JobRecord { fields, visits }))
    }

    /// Who a job belongs to; `None` when there is no such job.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn job_client(&self, id: JobId) -> Result<Option<String>> {
        let mut command = redis::cmd("HGET");
        command.arg(self.keys.job(id)).arg("client");
        Ok(command.query_async(&mut self.connections.get().await?).await?)
    }
}
