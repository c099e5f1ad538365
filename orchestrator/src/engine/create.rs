//! Accepts a job: everything is checked before anything is stored.

use std::{collections::HashMap, sync::Arc, time::Duration};

use relevo_shared::{BranchId, JobId, job::CreateJob, problem::Detail};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Engine,
    facts::{KnownJob, OwnedFacts},
    follow::Follow,
};
use crate::{
    clients::Client,
    domain::{
        blueprint::{self, Blueprint, Event},
        reach::{NamedFile, named_files},
        scope::Scope,
        task::CHILD_FAILED,
    },
    error::{Error, Result},
    store::{FoundTable, JobFacts, NewJob, Standing, StepWrite, Submission},
    time::{from_rfc3339, now_ms},
};

/// Seconds that a timeout of a job may have: up to a year.
const TIMEOUTS: std::ops::RangeInclusive<u32> = 1..=31_622_400;
/// Milliseconds that a job may be put off: a year.
const LATEST_START_MS: i64 = 31_622_400_000;
const PRIORITIES: std::ops::RangeInclusive<i32> = -1000..=1000;
/// Jobs whose files one input may name: each is looked up.
const MOST_NAMED_JOBS: usize = 100;
/// Bytes of a key that a client chooses.
const LONGEST_KEY: usize = 256;
/// When a client with as many unfinished jobs as it may have can try again: some job may have ended by then.
const RETRY_WHEN_FULL: Duration = Duration::from_secs(5);
/// Jobs that may be each other's children, one within the other: a blueprint that starts itself ends here.
const DEEPEST: u32 = 16;

/// Who creates a job, and what goes with that.
#[derive(Debug, Clone, Default)]
pub struct Creation {
    /// The client that it will belong to.
    pub client: String,
    /// The user that the job is recorded under.
    pub user_id: Option<String>,
    /// The same user's name in another directory.
    pub user_soeid: Option<String>,
    /// Its id, where the caller has made one so that a repeated call creates nothing new.
    pub id: Option<JobId>,
    /// How many unfinished jobs the client may have.
    pub open_limit: Option<u64>,
    /// How many tasks of the client may run at once.
    pub task_limit: Option<u32>,
    /// Whether the client sees the jobs of others, and so may use their files.
    pub sees_all: bool,
    /// W3C trace context of the request.
    pub trace: Option<String>,
}

impl Creation {
    /// A job of this client, within its plan.
    #[must_use]
    pub fn of(client: &Client, id: Option<JobId>) -> Self {
        Self {
            client: client.name.clone(),
            user_id: client.user_id.clone(),
            user_soeid: client.user_soeid.clone(),
            id,
            open_limit: client.plan.max_open_jobs,
            task_limit: client.plan.max_concurrent_tasks,
            sees_all: client.has(Scope::Admin),
            trace: None,
        }
    }
}

/// A job that was created, or one like it that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// The job.
    pub id: JobId,
    /// Whether it is an older one with the same `unique_key`.
    pub existing: bool,
}

impl Engine {
    /// Accepts a job for the blueprint at this endpoint.
    ///
    /// # Errors
    /// When there is no such blueprint, the input does not fit it, its dataset is unknown, the client has too many jobs, or
    /// Redis is away.
    pub async fn create_job(
        self: &Arc<Self>,
        creation: &Creation,
        endpoint: &str,
        request: CreateJob,
    ) -> Result<Created> {
        let blueprint = self.catalogue.at(endpoint)?;
        let start_in = check(&request)?;
        let input = blueprint.fill(request.initial_data.unwrap_or_default()).map_err(Error::invalid_fields)?;
        self.check_reach(creation, &input).await?;
        let source = self.pin_source(&blueprint, &input).await?;
        let client = &creation.client;
        let unique = request.unique_key.as_deref().map(|key| key_of("unique", client, key));
        let mut slots = Vec::new();
        if let Some(limit) = creation.task_limit {
            slots.push(format!("{}={limit}", client_slot(client)));
        }
        if let Some(key) = &request.concurrency_key {
            slots.push(format!("{}={}", key_of("slot", client, key), request.concurrency_limit.unwrap_or(1)));
        }
        let ms = |seconds: u32| u64::from(seconds) * 1000;
        let job = NewJob {
            client: client.clone(),
            user_id: creation.user_id.clone(),
            user_soeid: creation.user_soeid.clone(),
            dataset: dataset_of(&input),
            input: input.to_string(),
            source: source.as_ref().map(Value::to_string),
            priority: request.priority.unwrap_or(0),
            webhook_url: request.webhook_url,
            dispatch_ms: request.dispatch_timeout.map(ms),
            result_ms: [request.result_timeout, blueprint.timeout_seconds()].into_iter().flatten().min().map(ms),
            slots: slots.join(" "),
            trace: creation.trace.clone(),
            ..job_of(&blueprint)
        };
        let id = creation.id.unwrap_or_else(JobId::fresh);
        // Jobs that must meet lie in one partition.
        let id = unique.as_deref().map_or(id, |key| id.placed(seed(key)));
        let job = NewJob { unique, ..job };
        let (submission, follow) = self.submit(id, job, &blueprint, start_in, creation.open_limit).await?;
        self.follow_in_background(follow);
        match submission {
            Submission::Stored => Ok(Created { id, existing: false }),
            Submission::NotUnique(id) => Ok(Created { id, existing: true }),
            Submission::TooMany => {
                let limit = creation.open_limit.unwrap_or_default();
                Err(Error::QuotaExceeded { quota: "max_open_jobs", limit, retry_after: RETRY_WHEN_FULL })
            }
        }
    }

    /// Stores a job with its first step, or with the instant of that when it starts later. Answers what that leads to.
    async fn submit(
        &self,
        id: JobId,
        job: NewJob,
        blueprint: &Arc<Blueprint>,
        start_in: Option<u64>,
        open_limit: Option<u64>,
    ) -> Result<(Submission, Vec<Follow>)> {
        self.catalogue.pin(&self.store, blueprint).await?;
        let step = match start_in {
            Some(ms) => StepWrite::put_off(ms),
            None => self.first_step(id, &job, blueprint).await?,
        };
        let submission = self.store.submit_job(id, &job, open_limit, &step).await?;
        let mut follow = Vec::new();
        if submission == Submission::Stored {
            self.metrics.job_created(&job.blueprint);
            if step.end.is_some() {
                self.metrics.job_ended(step.state, 0);
            }
            follow.extend(Follow::on(BranchId::from(id), &step.wants));
        }
        Ok((submission, follow))
    }

    async fn first_step(&self, id: JobId, job: &NewJob, blueprint: &Arc<Blueprint>) -> Result<StepWrite> {
        let now = now_ms();
        let facts = JobFacts {
            state: relevo_shared::job::JobState::Pending,
            hash: job.hash.clone(),
            input: job.input.clone(),
            source: job.source.clone(),
            created_at: now,
            client: job.client.clone(),
            priority: job.priority,
            cancelling: false,
            slots: job.slots.clone(),
            trace: job.trace.clone(),
            depth: job.depth,
        };
        let standing = Standing::before(now);
        let facts = OwnedFacts::new(Arc::new(KnownJob::read(id, facts)?), None, now);
        let step = blueprint::start(blueprint, &facts.borrow());
        self.write_of(BranchId::from(id), &standing, blueprint, step, &facts).await
    }

    /// Why no job of this blueprint can be made with this input, as the blueprint that asks for it hears it; `None` when one can.
    pub(super) async fn check_child(&self, name: &str, params: &Value, parent: &JobFacts) -> Result<Option<Event>> {
        let failed = |error: &str, cause: String, details: Vec<Detail>| {
            Ok(Some(Event::TaskFailed { error: error.to_owned(), cause, details }))
        };
        let Ok(blueprint) = self.catalogue.named(name) else {
            return failed(CHILD_FAILED, format!("there is no blueprint `{name}`"), Vec::new());
        };
        if parent.depth >= DEEPEST {
            return failed(CHILD_FAILED, format!("{DEEPEST} jobs are each other's children already"), Vec::new());
        }
        let refused = |details| failed("Worker.InvalidInput", format!("blueprint `{name}` refuses the input"), details);
        match blueprint.fill(params.as_object().cloned().unwrap_or_default()) {
            Ok(input) => match self.pin_source(&blueprint, &input).await {
                Ok(_) => Ok(None),
                Err(Error::Invalid(_, details)) => refused(details),
                Err(error) => Err(error),
            },
            Err(details) => refused(details),
        }
    }

    /// Submits the job that a branch waits for, as the branch has it written down.
    pub(super) async fn submit_child(&self, branch: BranchId, child: JobId) -> Result<Vec<Follow>> {
        let fields = self.store.read_branch(branch).await?;
        let Some(parent) = self.store.job_facts(branch.job).await? else { return Ok(Vec::new()) };
        let name = fields.get("skill").cloned().unwrap_or_default();
        let params: Map<String, Value> =
            fields.get("params").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let broken = |what: String| Error::Broken(branch.job, what);
        let blueprint = self.catalogue.named(&name).map_err(|_| broken(format!("blueprint `{name}` is gone")))?;
        let input = blueprint.fill(params).map_err(|_| broken(format!("blueprint `{name}` has changed")))?;
        let source = self.pin_source(&blueprint, &input).await.map_err(|error| match error {
            Error::Invalid(reason, _) => broken(reason),
            other => other,
        })?;
        let (user_id, user_soeid) = self.store.job_user(branch.job).await?;
        let job = NewJob {
            client: parent.client,
            user_id,
            user_soeid,
            dataset: dataset_of(&input),
            input: input.to_string(),
            source: source.as_ref().map(Value::to_string),
            priority: parent.priority,
            result_ms: blueprint.timeout_seconds().map(|seconds| u64::from(seconds) * 1000),
            slots: parent.slots,
            trace: parent.trace,
            parent: Some(branch),
            depth: parent.depth + 1,
            ..job_of(&blueprint)
        };
        let (_, follow) = Box::pin(self.submit(child, job, &blueprint, None, None)).await?;
        Ok(follow)
    }

    /// Refuses an input that names files of jobs which the client does not see: workers can read them all.
    async fn check_reach(&self, creation: &Creation, input: &Value) -> Result<()> {
        let Some(blobs) = &self.blobs else { return Ok(()) };
        let mut seen = HashMap::new();
        for NamedFile { field, job } in named_files(input, &|uri| blobs.key_of(uri)) {
            let visible = match job {
                None => false,
                Some(job) if seen.contains_key(&job) => seen[&job],
                Some(_) if seen.len() == MOST_NAMED_JOBS => {
                    let reason = format!("names files of more than {MOST_NAMED_JOBS} jobs");
                    return Err(Error::invalid(format!("initial_data.{field}"), reason));
                }
                Some(job) => {
                    let owner = self.store.job_client(job).await?;
                    let visible = owner.is_some_and(|owner| owner == creation.client || creation.sees_all);
                    seen.insert(job, visible);
                    visible
                }
            };
            if !visible {
                return Err(Error::invalid(format!("initial_data.{field}"), "there is no such file of a job of yours"));
            }
        }
        Ok(())
    }

    /// Finds the table that a job reads and holds it at its present commit, so that every attempt reads the same rows.
    async fn pin_source(&self, blueprint: &Arc<Blueprint>, input: &Value) -> Result<Option<Value>> {
        let text = |name: &str| input.get(name).map(dataset_name);
        // A dataset that the job writes need not be there yet.
        let reads = blueprint.input.pointer("/properties/dataset_id").is_some_and(|id| id["format"] != "new-dataset");
        let Some(id) = text("dataset_id").filter(|_| reads) else { return Ok(None) };
        let table_key = text("table_key").unwrap_or_else(|| "primary".to_owned());
        let source_ref = text("source_ref").unwrap_or_else(|| "main".to_owned());
        let FoundTable { table, known, refs } = self.store.table(&id, &table_key, &source_ref).await?;
        let Some(table) = table else {
            if known.is_empty() {
                return Err(Error::invalid("initial_data.dataset_id", format!("there is no dataset {id:?}")));
            }
            if known.contains(&table_key) {
                let reason = format!(
                    "table {table_key:?} of dataset {id:?} has no ref or commit {source_ref:?}; its refs: {}",
                    refs.join(", ")
                );
                return Err(Error::invalid("initial_data.source_ref", reason));
            }
            let reason = format!("dataset {id:?} has no table {table_key:?}; its tables: {}", known.join(", "));
            return Err(Error::invalid("initial_data.table_key", reason));
        };
        blueprint.check_columns(input, &table.columns).map_err(Error::invalid_fields)?;
        Ok(Some(serde_json::to_value(table).expect("a table has string keys only")))
    }
}

/// Checks what a client asks for beside its input. Answers in how many milliseconds the job is to start, when it is put off.
pub(super) fn check(request: &CreateJob) -> Result<Option<u64>> {
    let mut details = Vec::new();
    let mut refuse = |name: &str, reason: String| details.push(Detail::new(name, reason));
    for (name, seconds) in [("dispatch_timeout", request.dispatch_timeout), ("result_timeout", request.result_timeout)]
    {
        if seconds.is_some_and(|seconds| !TIMEOUTS.contains(&seconds)) {
            refuse(name, format!("must be {} to {} seconds", TIMEOUTS.start(), TIMEOUTS.end()));
        }
    }
    if request.priority.is_some_and(|priority| !PRIORITIES.contains(&priority)) {
        refuse("priority", format!("must be {} to {}", PRIORITIES.start(), PRIORITIES.end()));
    }
    for (name, key) in [("unique_key", &request.unique_key), ("concurrency_key", &request.concurrency_key)] {
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > LONGEST_KEY) {
            refuse(name, format!("must be 1 to {LONGEST_KEY} bytes"));
        }
    }
    match (request.concurrency_limit, &request.concurrency_key) {
        (Some(0), _) => refuse("concurrency_limit", "must be 1 or more".to_owned()),
        (Some(_), None) => refuse("concurrency_limit", "needs a `concurrency_key`".to_owned()),
        _ => {}
    }
    let start_in = request.run_at.as_deref().and_then(|text| match from_rfc3339(text).map(|at| at - now_ms()) {
        Some(..=0) => None,
        Some(ms @ 1..=LATEST_START_MS) => Some(ms.unsigned_abs()),
        _ => {
            refuse("run_at", "must be an RFC 3339 instant at most a year ahead".to_owned());
            None
        }
    });
    if details.is_empty() { Ok(start_in) } else { Err(Error::invalid_fields(details)) }
}

/// A job of this blueprint of which nothing else is known.
fn job_of(blueprint: &Blueprint) -> NewJob {
    NewJob {
        blueprint: blueprint.name.clone(),
        kind: blueprint.kind.clone(),
        hash: blueprint.hash().to_owned(),
        ..NewJob::default()
    }
}

/// The name under which what a client calls `key` is kept: two clients never share one.
fn key_of(kind: &str, client: &str, key: &str) -> String {
    hex::encode(&Sha256::digest(format!("{kind}\0{client}\0{key}"))[..12])
}

/// The slot of which every task of a client with a limit needs a share.
fn client_slot(client: &str) -> String {
    key_of("slots", client, "")
}

/// Jobs with the same key lie in the same partition.
fn seed(key: &str) -> u16 {
    let hash = Sha256::digest(key);
    u16::from_be_bytes([hash[0], hash[1]])
}

/// The dataset that an input names, as text: what lists find the job by.
fn dataset_of(input: &Value) -> Option<String> {
    let named = input.get("dataset_id").filter(|named| named.is_string() || named.is_number());
    named.map(dataset_name).filter(|name| !name.is_empty())
}

/// A dataset's name as text: a number names the dataset of the same digits.
fn dataset_name(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
