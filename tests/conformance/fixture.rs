//! What every story here begins with: a Redis of its own, a store on it, and jobs with one task.

use std::time::{Duration, Instant};

use relevo::domain::task::Outcome;
use relevo::store::{Claim, ClaimedTask, Durations, NewJob, StepWrite, Store, TaskWrite};
use relevo_shared::{JobId, TaskId, WorkerId, job::JobState};
use rig::{Redis, SOON};

/// Long enough that no lease ends by itself while a story is told.
const LEASE_MS: u64 = 60_000;

/// A store on a Redis that ends with it.
pub(crate) struct Bench {
    pub(crate) store: Store,
    _redis: Redis,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Durations::default())
    }

    /// A store whose claims must be confirmed, and whose jobs are looked at again, within a moment.
    pub(crate) fn hasty() -> Self {
        let moment = Duration::from_millis(50);
        Self::with(Durations { confirm: moment, recheck: moment, ..Durations::default() })
    }

    fn with(durations: Durations) -> Self {
        let redis = Redis::start();
        Self { store: Store::new(&redis.url(), 1, durations).expect("the URL is Redis's own"), _redis: redis }
    }

    /// Submits a job whose first task needs the skill `s`.
    pub(crate) async fn submit(&self, priority: i32) -> NewJob {
        let job = job(priority);
        self.store.submit_job(&job, &task_step(job.id, 1, priority)).await.expect("Redis answers");
        job
    }

    /// Claims up to `max` tasks for a worker.
    pub(crate) async fn claim(&self, name: &str, max: usize) -> Vec<ClaimedTask> {
        let (worker, queues) = (worker(name), ["s".to_owned()]);
        let claim = Claim { worker: &worker, queues: &queues, max, lease_ms: LEASE_MS };
        self.store.claim_tasks(0, &claim).await.expect("Redis answers").tasks
    }

    /// Ends the leases that have run out; asks again until there is one.
    pub(crate) async fn expire(&self) -> Vec<JobId> {
        let deadline = Instant::now() + SOON;
        loop {
            let jobs = self.store.expire_leases(0, 10).await.expect("Redis answers");
            if !jobs.is_empty() {
                return jobs;
            }
            assert!(Instant::now() < deadline, "no lease has run out");
        }
    }

    /// The error with which the task of a job has ended.
    pub(crate) async fn error_of(&self, job: JobId) -> String {
        let loaded = self.store.load_job(job).await.expect("Redis answers").expect("there is a step to take");
        match loaded.finished.expect("its task has ended").outcome {
            Outcome::Failed { error, .. } => error,
            Outcome::Succeeded { .. } => String::new(),
        }
    }

    /// One field of a job as it is kept.
    pub(crate) async fn field(&self, job: JobId, name: &str) -> Option<String> {
        let record = self.store.read_job(job).await.expect("Redis answers").expect("the job is there");
        record.fields.get(name).cloned()
    }
}

pub(crate) fn worker(name: &str) -> WorkerId {
    name.parse().expect("the name is one")
}

/// A job that has not been submitted yet.
pub(crate) fn job(priority: i32) -> NewJob {
    NewJob {
        id: JobId::fresh(),
        client: "tests".to_owned(),
        blueprint: "one".to_owned(),
        hash: "0".repeat(64),
        input: "{}".to_owned(),
        source: None,
        priority,
    }
}

/// A step that queues a task.
pub(crate) fn task_step(job: JobId, number: u32, priority: i32) -> StepWrite {
    let task = TaskWrite {
        id: TaskId { job, number },
        skill: "s".parse().expect("the name is one"),
        queue: "s".to_owned(),
        params: "{}".to_owned(),
        timeout_ms: None,
        heartbeat_ms: None,
        attempt: 1,
        priority,
    };
    StepWrite { state: JobState::Pending, task: Some(task), ..end_step(JobState::Pending) }
}

/// A step without a task; a terminal state ends the job.
pub(crate) fn end_step(state: JobState) -> StepWrite {
    StepWrite {
        state,
        execution: "{}".to_owned(),
        current: String::new(),
        entered: "[]".to_owned(),
        due_in_ms: None,
        result: state.is_terminal().then(|| "{}".to_owned()),
        error: None,
        task: None,
    }
}
