//! Workers: what each said of itself, kept as long as it is heard of.

use std::time::Duration;

use relevo_shared::{
    WorkerId,
    worker::{Heartbeat, Registration},
};
use serde::{Deserialize, Serialize};

use super::{Result, Store, keys::Keys, millis, script::corrupt};

/// A worker as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// What it said when it registered.
    pub registration: Registration,
    /// Its latest heartbeat, but for the tasks it named.
    #[serde(default)]
    pub heartbeat: Heartbeat,
}

/// Heartbeat of a worker that does not say how often it comes.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
/// A worker is forgotten after this at the earliest: some releases are silent for long.
const SHORTEST_MEMORY: Duration = Duration::from_secs(60);

impl WorkerRecord {
    /// How long its leases last: three heartbeats.
    #[must_use]
    pub fn lease(&self) -> Duration {
        let beat = self.registration.heartbeat_seconds.map_or(DEFAULT_HEARTBEAT, |s| Duration::from_secs(s.into()));
        beat * 3
    }

    /// Models that are loaded on it.
    pub fn loaded_models(&self) -> impl Iterator<Item = &str> {
        self.heartbeat.hot_cache.iter().flatten().map(String::as_str)
    }
}

impl Store {
    /// Keeps a worker until it has not been heard of for a while.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn register_worker(&self, record: &WorkerRecord) -> Result<()> {
        let text = serde_json::to_string(record).map_err(|error| corrupt(error.to_string()))?;
        let id = &record.registration.worker_id;
        let memory = record.lease().max(SHORTEST_MEMORY);
        let mut command = redis::cmd("SET");
        command.arg(Keys::worker(id)).arg(text).arg("PX").arg(millis(memory));
        Ok(command.query_async::<()>(&mut self.connections.get().await?).await?)
    }

    /// A worker; `None` when it is unknown or was not heard of for too long.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn worker(&self, id: &WorkerId) -> Result<Option<WorkerRecord>> {
        let text: Option<String> =
            redis::cmd("GET").arg(Keys::worker(id)).query_async(&mut self.connections.get().await?).await?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| corrupt(format!("worker {id}: {error}"))))
            .transpose()
    }
}
