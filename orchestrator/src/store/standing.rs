//! How a branch stands: what its next step is decided from, as the scripts answer it.

use relevo_shared::{JobId, job::JobState};

use super::{Result, script::corrupt};
use crate::domain::task::Outcome;

/// How a branch stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Redis's clock when this was read, in milliseconds since 1970.
    pub now: i64,
    /// Counts the steps; a step that starts from an old one is refused.
    pub revision: u64,
    /// Where it is in its blueprint, as JSON; `None` when it has not begun.
    pub execution: Option<String>,
    /// How it begins: `again` from the state that failed, or the start of a branch, as JSON.
    pub start: Option<String>,
    /// When its timer ends, in milliseconds since 1970.
    pub wait_until: Option<i64>,
    /// The number of its task.
    pub task: Option<u32>,
    /// The fan-out that it waits for.
    pub fan: Option<u32>,
    /// The job that it waits for.
    pub child: Option<JobId>,
    /// What is common to all branches of the job; read along with the job's own branch only.
    pub job: Option<JobFacts>,
}

/// What is common to all branches of a job.
#[derive(Debug, Clone)]
pub struct JobFacts {
    /// Its state.
    pub state: JobState,
    /// The pinned text of its blueprint.
    pub hash: String,
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
    /// Whether its client wants it to end.
    pub cancelling: bool,
    /// What its tasks must have a share of to run.
    pub slots: String,
    /// W3C trace context of the request that made it.
    pub trace: Option<String>,
    /// How many jobs it is a child of, one within the other.
    pub depth: u32,
}

/// A branch whose time has come, with what it may have been waiting for.
#[derive(Debug, Clone)]
pub struct LoadedBranch {
    /// How it stands.
    pub standing: Standing,
    /// What has happened to what it waits for.
    pub happened: Happened,
}

/// What has happened to what a branch waits for.
#[derive(Debug, Clone)]
pub enum Happened {
    /// Nothing but the passing of time.
    Nothing,
    /// Its task or approval has ended.
    Task(Outcome),
    /// Its child has ended in this state, with this result or error, both as JSON.
    Child {
        /// The last state.
        state: JobState,
        /// The result.
        result: Option<String>,
        /// The error.
        error: Option<String>,
    },
    /// Its child is not there: it was to be submitted, and nobody has.
    ChildMissing,
    /// Its fan-out has succeeded.
    FanSucceeded,
    /// Its fan-out has failed with this error, as JSON.
    FanFailed(String),
    /// Its fan-out has room for more branches.
    FanHasRoom,
}

/// Reads the fields of a reply in their order.
pub(super) struct Fields(std::vec::IntoIter<Option<String>>);

impl Fields {
    pub(super) fn new(fields: Vec<Option<String>>) -> Self {
        Self(fields.into_iter())
    }

    /// The next field; `None` when it is absent or empty.
    pub(super) fn next(&mut self) -> Option<String> {
        self.0.next().flatten().filter(|text| !text.is_empty())
    }

    fn must(&mut self, name: &str) -> Result<String> {
        self.next().ok_or_else(|| corrupt(format!("a job without {name}")))
    }

    fn number<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let read = |text: String| text.parse().map_err(|_| corrupt(format!("{name} cannot be read: {text}")));
        self.next().map(read).transpose()
    }
}

impl Standing {
    /// That of a branch before its first step.
    #[must_use]
    pub const fn before(now: i64) -> Self {
        Self {
            now,
            revision: 0,
            execution: None,
            start: None,
            wait_until: None,
            task: None,
            fan: None,
            child: None,
            job: None,
        }
    }

    /// Reads `BRANCH_FIELDS` and, for the job's own branch, `JOB_FIELDS` of the prelude.
    pub(super) fn read(branch: Vec<Option<String>>, job: Option<Vec<Option<String>>>, now: i64) -> Result<Self> {
        let mut fields = Fields::new(branch);
        Ok(Self {
            now,
            revision: fields.number("revision")?.ok_or_else(|| corrupt("a branch without revision".to_owned()))?,
            execution: fields.next(),
            start: fields.next(),
            wait_until: fields.number("wait_until")?,
            task: fields.number("task")?,
            fan: fields.number("fan")?,
            child: fields.number("child")?,
            job: job.map(JobFacts::read).transpose()?,
        })
    }
}

impl JobFacts {
    pub(super) fn read(fields: Vec<Option<String>>) -> Result<Self> {
        let mut fields = Fields::new(fields);
        let state = fields.must("state")?;
        Ok(Self {
            state: JobState::from_word(&state).ok_or_else(|| corrupt(format!("a job in the state {state}")))?,
            hash: fields.must("hash")?,
            input: fields.must("input")?,
            source: fields.next(),
            created_at: fields.number("created_at")?.unwrap_or_default(),
            client: fields.must("client")?,
            priority: fields.number("priority")?.unwrap_or_default(),
            cancelling: fields.next().is_some(),
            slots: fields.next().unwrap_or_default(),
            trace: fields.next(),
            depth: fields.number("depth")?.unwrap_or_default(),
        })
    }
}
