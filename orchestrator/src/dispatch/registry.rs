//! The workers that this replica has heard of lately, so that a poll need not ask Redis who polls.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use relevo_shared::{
    WorkerId,
    worker::{Heartbeat, Registration, Skill},
};
use tokio::time::Instant;

use crate::{
    domain::usage::within_limits,
    error::{Error, Result},
    store::{Skills, Store, WorkerRecord},
};

/// What another replica heard is seen here after this long at the latest.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// Stale entries are dropped once there are this many.
const SWEEP_ABOVE: usize = 20_000;

/// How often a worker may say that it beats: its leases last three times as long.
const HEARTBEAT_SECONDS: std::ops::RangeInclusive<u32> = 1..=3600;

/// Every skill is a queue that each claim of the worker looks at.
const MOST_SKILLS: usize = 500;

fn check_skills(skills: &[Skill]) -> Result<()> {
    if skills.len() <= MOST_SKILLS {
        return Ok(());
    }
    Err(Error::invalid("supported_skills", format!("must be at most {MOST_SKILLS} skills, not {}", skills.len())))
}

/// Workers by id, in Redis and for a few seconds in memory.
#[derive(Debug)]
pub struct Registry {
    store: Store,
    lately: Mutex<HashMap<WorkerId, (Arc<WorkerRecord>, Instant)>>,
}

impl Registry {
    /// A registry that has heard of nobody.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, lately: Mutex::default() }
    }

    /// Registers a worker, or registers it anew.
    ///
    /// # Errors
    /// When what it says makes no sense, or Redis is away.
    pub async fn register(&self, registration: Registration) -> Result<Arc<WorkerRecord>> {
        if let Some(seconds) = registration.heartbeat_seconds
            && !HEARTBEAT_SECONDS.contains(&seconds)
        {
            let reason = format!("must be {} to {}", HEARTBEAT_SECONDS.start(), HEARTBEAT_SECONDS.end());
            return Err(Error::invalid("heartbeat_seconds", reason));
        }
        check_skills(&registration.supported_skills)?;
        self.store.register_worker(&registration).await?;
        // Read back: what was known of its results goes on.
        let record = self.store.worker(&registration.worker_id).await?.ok_or(Error::WorkerNotFound)?;
        Ok(self.remember(record))
    }

    /// Takes a heartbeat. A worker that was forgotten is registered from it when it names its skills.
    ///
    /// # Errors
    /// [`Error::WorkerNotFound`] for an unknown worker that does not say what it can do.
    pub async fn heartbeat(&self, id: &WorkerId, mut heartbeat: Heartbeat) -> Result<Arc<WorkerRecord>> {
        // Some releases name no skills while they are busy, and mean nothing by it.
        let skills = heartbeat.supported_skills.take().filter(|skills| !skills.is_empty());
        check_skills(skills.as_deref().unwrap_or_default())?;
        let skills_hash = heartbeat.skills_hash.clone();
        let skills = skills.map(|supported_skills| Skills { supported_skills, skills_hash });
        let running = heartbeat.current_tasks.as_ref().and_then(|tasks| u32::try_from(tasks.len()).ok());
        heartbeat.load = heartbeat.load.or(running.map(f64::from));
        heartbeat.other.retain(|name, _| name != "security");
        // Later releases name it only when it has changed: the last one holds until then.
        let usage = heartbeat.usage.take().map(within_limits);
        match (self.store.beat_worker(id, Some(&heartbeat), skills.as_ref(), usage.as_ref()).await?, skills) {
            (Some(record), _) => Ok(self.remember(record)),
            (None, Some(Skills { supported_skills, skills_hash })) => {
                let registration = Registration::of_skills(id.clone(), supported_skills);
                self.register(Registration { skills_hash, ..registration }).await
            }
            (None, None) => Err(Error::WorkerNotFound),
        }
    }

    /// Keeps a worker that says nothing new.
    ///
    /// # Errors
    /// [`Error::WorkerNotFound`] for an unknown worker.
    pub async fn refresh(&self, id: &WorkerId) -> Result<()> {
        let record = self.store.beat_worker(id, None, None, None).await?.ok_or(Error::WorkerNotFound)?;
        self.remember(record);
        Ok(())
    }

    /// A worker that is registered.
    ///
    /// # Errors
    /// [`Error::WorkerNotFound`] for an unknown worker.
    pub async fn find(&self, id: &WorkerId) -> Result<Arc<WorkerRecord>> {
        let known = self.lately.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some((record, heard)) = known
            && heard.elapsed() < FRESH_FOR
        {
            return Ok(record);
        }
        let record = self.store.worker(id).await?.ok_or(Error::WorkerNotFound)?;
        Ok(self.remember(record))
    }

    fn remember(&self, record: WorkerRecord) -> Arc<WorkerRecord> {
        let record = Arc::new(record);
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.len() >= SWEEP_ABOVE {
            lately.retain(|_, (_, heard)| heard.elapsed() < FRESH_FOR);
        }
        lately.insert(record.registration.worker_id.clone(), (Arc::clone(&record), Instant::now()));
        record
    }
}
