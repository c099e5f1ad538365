//! The workers that this replica has heard of lately, so that a poll need not ask Redis who polls.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use relevo_shared::{
    WorkerId,
    worker::{Heartbeat, Registration},
};
use tokio::time::Instant;

use crate::{
    error::{Error, Result},
    store::{Store, WorkerRecord},
};

/// What another replica heard is seen here after this long at the latest.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// Stale entries are dropped once there are this many.
const SWEEP_ABOVE: usize = 20_000;

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
    /// When Redis is away.
    pub async fn register(&self, registration: Registration) -> Result<()> {
        self.keep(WorkerRecord { registration, heartbeat: Heartbeat::default() }).await
    }

    /// Takes a heartbeat. A worker that was forgotten is registered from it when it names its skills.
    ///
    /// # Errors
    /// [`Error::WorkerNotFound`] for an unknown worker that does not say what it can do.
    pub async fn heartbeat(&self, id: &WorkerId, mut heartbeat: Heartbeat) -> Result<()> {
        let skills = heartbeat.supported_skills.take().filter(|skills| !skills.is_empty());
        let mut record = match (self.find(id).await, &skills) {
            (Ok(record), _) => WorkerRecord::clone(&record),
            (Err(Error::WorkerNotFound), Some(_)) => WorkerRecord {
                registration: Registration {
                    worker_id: id.clone(),
                    worker_type: None,
                    supported_skills: Vec::new(),
                    resources: None,
                    installed_models: None,
                    labels: Vec::new(),
                    capabilities: None,
                    heartbeat_seconds: None,
                },
                heartbeat: Heartbeat::default(),
            },
            (Err(error), _) => return Err(error),
        };
        if let Some(skills) = skills {
            record.registration.supported_skills = skills;
        }
        heartbeat.current_tasks = None;
        record.heartbeat = heartbeat;
        self.keep(record).await
    }

    /// Keeps a worker that says nothing new.
    ///
    /// # Errors
    /// [`Error::WorkerNotFound`] for an unknown worker.
    pub async fn refresh(&self, id: &WorkerId) -> Result<()> {
        let record = self.find(id).await?;
        self.keep(WorkerRecord::clone(&record)).await
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
        let record = Arc::new(self.store.worker(id).await?.ok_or(Error::WorkerNotFound)?);
        self.remember(Arc::clone(&record));
        Ok(record)
    }

    async fn keep(&self, record: WorkerRecord) -> Result<()> {
        self.store.register_worker(&record).await?;
        self.remember(Arc::new(record));
        Ok(())
    }

    fn remember(&self, record: Arc<WorkerRecord>) {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.len() >= SWEEP_ABOVE {
            lately.retain(|_, (_, heard)| heard.elapsed() < FRESH_FOR);
        }
        lately.insert(record.registration.worker_id.clone(), (record, Instant::now()));
    }
}
