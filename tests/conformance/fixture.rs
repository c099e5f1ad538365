//! What every story here begins with: a Redis of its own, a store on it, and jobs with one task.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use relevo::domain::task::Outcome;
use relevo::store::{
    Advance, Archive, Claim, ClaimedTask, Durations, End, Happened, NewJob, StepWrite, Store, Submission, TaskWrite,
    Wants,
};
use relevo_shared::{BranchId, JobId, WorkerId, job::JobState};
use rig::{Redis, SOON};

/// Long enough that no lease ends by itself while a story is told.
const LEASE_MS: u64 = 60_000;
/// Where firings without a job are kept.
const FIRINGS: &str = "relevo:{schedules}:open";

/// A store on a Redis that ends with it.
pub(crate) struct Bench {
    pub(crate) store: Store,
    redis: Redis,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Durations::default(), 1)
    }

    /// A store with several partitions.
    pub(crate) fn spread(partitions: u16) -> Self {
        Self::with(Durations::default(), partitions)
    }

    /// A store whose claims must be confirmed, and whose jobs are looked at again, within a moment.
    pub(crate) fn hasty() -> Self {
        let moment = Duration::from_millis(50);
        Self::with(Durations { confirm: moment, recheck: moment, ..Durations::default() }, 1)
    }

    /// A store that keeps what has ended for so long.
    pub(crate) fn keeping(retention: Duration) -> Self {
        Self::with(Durations { retention, ..Durations::default() }, 1)
    }

    /// The same store with an archive.
    pub(crate) fn archiving(mut self, archive: Arc<dyn Archive>) -> Self {
        self.store = self.store.with_archive(archive);
        self
    }

    /// Asks again and again until it is so.
    pub(crate) async fn wait_for(&self, what: &str, so: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !so().await {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
        }
    }

    fn with(durations: Durations, partitions: u16) -> Self {
        let redis = Redis::start();
        Self { store: Store::new(&redis.url(), partitions, durations).expect("the URL is Redis's own"), redis }
    }

    /// A connection of the story's own.
    pub(crate) fn connection(&self) -> redis::Connection {
        self.redis.connection()
    }

    /// Submits a job whose first task needs the skill `s`.
    pub(crate) async fn submit(&self, priority: i32) -> JobId {
        self.submit_like(&NewJob { priority, ..job() }).await
    }

    /// Submits a job like this one, with such a task.
    pub(crate) async fn submit_like(&self, job: &NewJob) -> JobId {
        let id = JobId::fresh();
        let submission = self.store.submit_job(id, job, None, &task_step(1)).await.expect("Redis answers");
        assert_eq!(submission, Submission::Stored);
        id
    }

    /// Writes the step of a job that stands at this revision; says whether it was written.
    pub(crate) async fn advance(&self, job: JobId, revision: u64, step: &StepWrite) -> bool {
        let advance = self.store.advance_job(job, revision, None, step).await.expect("Redis answers");
        matches!(advance, Advance::Written { .. })
    }

    /// Claims up to `max` tasks for a worker.
    pub(crate) async fn claim(&self, name: &str, max: usize) -> Vec<ClaimedTask> {
        let (worker, queues) = (worker(name), ["s"]);
        let claim = Claim { worker: &worker, queues: &queues, max, lease_ms: LEASE_MS, some_paused: false };
        self.store.claim_tasks(0, &claim).await.expect("Redis answers").tasks
    }

    /// Ends the leases that have run out; asks again until there is one.
    pub(crate) async fn expire(&self) -> Vec<BranchId> {
        let deadline = Instant::now() + SOON;
        loop {
            let jobs = self.store.expire_leases(0, 10).await.expect("Redis answers");
            if !jobs.is_empty() {
                return jobs.into_iter().map(|expired| expired.branch).collect();
            }
            assert!(Instant::now() < deadline, "no lease has run out");
        }
    }

    /// Lets every replica look after firings that one of them has to itself.
    pub(crate) fn forget_holds(&self) {
        let mut connection = self.redis.connection();
        let open: Vec<String> =
            redis::cmd("ZRANGE").arg(FIRINGS).arg(0).arg(-1).query(&mut connection).expect("Redis answers");
        for firing in open {
            redis::cmd("ZADD").arg(FIRINGS).arg(0).arg(firing).exec(&mut connection).expect("Redis answers");
        }
    }

    /// The error with which the task of a job has ended.
    pub(crate) async fn error_of(&self, job: JobId) -> String {
        let loaded = self.store.load_branch(job.into()).await.expect("Redis answers").expect("there is a step to take");
        match loaded.happened {
            Happened::Task(Outcome::Failed { error, .. }) => error,
            other => panic!("its task has not failed: {other:?}"),
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

/// What never changes about a job that has not been submitted yet.
pub(crate) fn job() -> NewJob {
    NewJob {
        client: "tests".to_owned(),
        blueprint: "one".to_owned(),
        kind: "one".to_owned(),
        hash: "0".repeat(64),
        input: "{}".to_owned(),
        ..NewJob::default()
    }
}

/// A step that queues a task.
pub(crate) fn task_step(number: u32) -> StepWrite {
    let task = TaskWrite {
        number,
        skill: "s".parse().expect("the name is one"),
        queue: "s".to_owned(),
        params: "{}".to_owned(),
        timeout_ms: None,
        heartbeat_ms: None,
        attempt: 1,
    };
    StepWrite { wants: Wants::Task(task), ..step(JobState::Pending) }
}

/// A step that waits for nothing; a terminal state ends the job.
pub(crate) fn step(state: JobState) -> StepWrite {
    StepWrite {
        state,
        execution: "{}".to_owned(),
        current: String::new(),
        entered: "[]".to_owned(),
        due_in_ms: None,
        end: state.is_terminal().then(|| End::Result("{}".to_owned())),
        setback: None,
        wants: Wants::Nothing,
    }
}
