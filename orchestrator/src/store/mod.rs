//! All that is kept in Redis, and the only place that imports `redis`. Rust decides, Lua applies.
//!
//! Every transition is one script in `lua/`; its header says what it touches and what it answers.

mod answers;
mod archive;
mod branches;
mod calls;
mod channel;
mod commands;
mod connections;
mod datasets;
mod definitions;
mod flush;
mod index;
mod jobs;
mod keys;
mod limits;
mod live;
mod overview;
mod packing;
mod pauses;
mod records;
mod removal;
mod reports;
mod schedules;
mod script;
mod secret;
mod standing;
mod step;
mod tasks;
mod turns;
mod wakes;
mod webhooks;
mod workers;

use std::{sync::Arc, time::Duration};

use prometheus::core::Collector;

pub use answers::{AnswerPlace, Reservation, Turn};
pub use archive::{Archive, Archiving};
pub use branches::{BranchAdvance, FanId, FanRecord, Swept};
pub use commands::Order;
pub use datasets::{CommitAs, DatasetRecord, FoundTable, ListedDataset};
pub use index::{FoundJobs, JobFilter, JobPage, PageStart};
pub use jobs::{Advance, Cancellation, Ended, NewJob, Retry, Submission, Told};
pub use limits::Allowance;
pub use live::{Beside, LiveChannel, LiveEvent, LiveHead, LivePage, LiveWhat};
pub use overview::RedisFacts;
pub use packing::Packing;
pub use pauses::{Pausable, Pauses};
pub use records::{EventRecord, JobRecord};
pub use removal::Deletion;
pub use schedules::{DueSchedules, FiringClaim, MOST_SCHEDULES, NextInstant, OpenFiring, SchedulePut, ScheduleRecord};
pub use standing::{Happened, JobFacts, LoadedBranch, Standing};
pub use step::{End, FanWrite, StepWrite, TaskWrite, Wants};
pub use tasks::{Claim, Claimed, ClaimedTask, Completion, Expired, LeaseAnswer, Renewed};
pub use wakes::Wake;
pub use webhooks::{Deferral, DeliveryKey, DeliveryRecord, RecordedAttempt, TakenDelivery};
pub use workers::{LiveWorker, Rating, Skills, WorkerRecord};

use connections::Connections;
use keys::Keys;

/// Why Redis gave no answer that can be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or did not answer in time; the same call may work later.
    #[error("redis is away: {0}")]
    Away(String),
    /// It answered with something that these scripts never write.
    #[error("redis holds something unexpected: {0}")]
    Corrupt(String),
    /// What has left Redis for the archive cannot be read, or the archive takes nothing.
    #[error("the archive is away: {0}")]
    Archive(String),
    /// Its release lacks commands that the scripts need.
    #[error("this is redis {0}, but 6.2 or later is needed")]
    TooOld(String),
    /// The setting does not fit the keys that are there.
    #[error("the setting partitions is {wanted}, but this Redis was first used with {kept}: set it to {kept}")]
    Partitions {
        /// As the keys have it.
        kept: u16,
        /// As the settings have it.
        wanted: u16,
    },
}

impl From<redis::RedisError> for StoreError {
    fn from(error: redis::RedisError) -> Self {
        use redis::{ErrorKind, ServerErrorKind};
        let passing = error.is_io_error()
            || error.is_timeout()
            || error.is_connection_dropped()
            || error.is_connection_refusal()
            || matches!(
                error.kind(),
                ErrorKind::Io
                    | ErrorKind::ClusterConnectionNotFound
                    | ErrorKind::Server(
                        ServerErrorKind::BusyLoading
                            | ServerErrorKind::TryAgain
                            | ServerErrorKind::ClusterDown
                            | ServerErrorKind::MasterDown
                            | ServerErrorKind::ReadOnly
                    )
            )
            // The disk or the memory of Redis is full: it takes writes again once somebody makes room.
            || matches!(error.code(), Some("MISCONF" | "OOM"));
        if passing { Self::Away(error.to_string()) } else { Self::Corrupt(error.to_string()) }
    }
}

/// Result of every call to the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How long finished things are kept, and other durations that the scripts are given.
#[derive(Debug, Clone, Copy)]
pub struct Durations {
    /// A finished job, with its events and logs.
    pub retention: Duration,
    /// The first lease of a claim, until the worker has shown that it has the task.
    pub confirm: Duration,
    /// How long a replica has a job to itself before another looks after it.
    pub recheck: Duration,
    /// How long the end of a task is remembered for results that come twice.
    pub keep_task: Duration,
    /// How long an answer is given again under its idempotency key.
    pub keep_answer: Duration,
    /// How long a replica has a request with an idempotency key to itself before another may serve it.
    pub lock_answer: Duration,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(7 * 24 * 3600),
            confirm: Duration::from_secs(8),
            recheck: Duration::from_secs(5),
            keep_task: Duration::from_secs(3600),
            keep_answer: Duration::from_secs(24 * 3600),
            lock_answer: Duration::from_secs(60),
        }
    }
}

/// A handle on Redis; cheap to clone.
#[derive(Clone)]
pub struct Store {
    connections: Arc<Connections>,
    keys: Keys,
    durations: Durations,
    archive: Option<Arc<dyn Archive>>,
    secret: Arc<secret::Known>,
}

impl Store {
    /// A store at this URL. Nothing is connected yet: Redis may come later.
    ///
    /// # Errors
    /// When the URL is not one of Redis.
    pub fn new(url: &str, partitions: u16, durations: Durations) -> Result<Self> {
        let connections = Arc::new(Connections::new(url)?);
        Ok(Self { connections, keys: Keys::new(partitions), durations, archive: None, secret: Arc::default() })
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        let mut connection = self.connections.get().await?;
        Ok(redis::cmd("PING").query_async::<()>(&mut connection).await?)
    }

    /// Makes sure that this Redis can be used: that it knows the commands of the scripts, and that its keys were written
    /// with as many partitions as are set now. With another number every job would seem to be gone.
    ///
    /// # Errors
    /// [`StoreError::TooOld`], [`StoreError::Partitions`], or when Redis is away.
    pub async fn settle(&self) -> Result<()> {
        let wanted = self.keys.partitions();
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").arg("server").cmd("SETNX").arg(Keys::partition_count()).arg(wanted).ignore();
        pipe.cmd("GET").arg(Keys::partition_count());
        // A script that is not there yet costs its first caller another round trip.
        for script in script::all() {
            pipe.load_script(script).ignore();
        }
        let (server, kept): (String, u16) = pipe.query_async(&mut self.connections.get().await?).await?;
        let version = server.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or_default().trim();
        let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
        if (numbers.next(), numbers.next()) < (Some(6), Some(2)) {
            return Err(StoreError::TooOld(version.to_owned()));
        }
        if kept == wanted { Ok(()) } else { Err(StoreError::Partitions { kept, wanted }) }
    }

    /// What Prometheus may read of the calls to Redis.
    #[must_use]
    pub fn calls(&self) -> Box<dyn Collector> {
        Box::new(self.connections.calls())
    }

    /// Numbers of all partitions.
    pub fn partitions(&self) -> std::ops::Range<u16> {
        0..self.keys.partitions()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("partitions", &self.keys.partitions()).finish_non_exhaustive()
    }
}

/// Milliseconds of a duration, as scripts take them.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
