//! Workers: what each said of itself, kept as long as it is heard of.

use std::time::Duration;

use relevo_shared::{
    WorkerId,
    worker::{Heartbeat, Registration, Skill},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{BEAT_WORKER, Reply, corrupt},
};

/// A worker as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerRecord {
    /// What it said when it registered, with the skills that it named last.
    pub registration: Registration,
    /// Its latest heartbeat, but for the tasks and the skills that it named.
    pub heartbeat: Heartbeat,
}

/// The skills that a heartbeat names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skills {
    /// All that the worker has.
    pub supported_skills: Vec<Skill>,
    /// Changes whenever they do.
    pub skills_hash: Option<String>,
}

/// Heartbeat of a worker that does not say how often it comes.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
/// A worker is forgotten after this at the earliest: some releases are silent for long.
const SHORTEST_MEMORY: Duration = Duration::from_secs(60);

impl WorkerRecord {
    /// How often it beats.
    #[must_use]
    pub fn heartbeat_period(&self) -> Duration {
        period(&self.registration)
    }

    /// How long its leases last.
    #[must_use]
    pub fn lease(&self) -> Duration {
        lease(&self.registration)
    }

    /// Whether its latest heartbeat tells of other skills than are known.
    #[must_use]
    pub fn has_other_skills(&self) -> bool {
        self.heartbeat.skills_hash.is_some() && self.heartbeat.skills_hash != self.registration.skills_hash
    }

    /// Models that are loaded on it.
    pub fn loaded_models(&self) -> impl Iterator<Item = &str> {
        self.heartbeat.hot_cache.iter().flatten().map(String::as_str)
    }

    /// Reads the fields `registration`, `heartbeat` and `skills`.
    fn read([registration, heartbeat, skills]: [Option<String>; 3]) -> Result<Option<Self>> {
        let Some(registration) = registration else { return Ok(None) };
        let mut registration: Registration = parse(&registration)?;
        if let Some(skills) = skills {
            let named: Skills = parse(&skills)?;
            registration.supported_skills = named.supported_skills;
            registration.skills_hash = named.skills_hash;
        }
        let heartbeat = heartbeat.map(|text| parse(&text)).transpose()?.unwrap_or_default();
        Ok(Some(Self { registration, heartbeat }))
    }
}

fn period(registration: &Registration) -> Duration {
    registration.heartbeat_seconds.map_or(DEFAULT_HEARTBEAT, |seconds| Duration::from_secs(seconds.into()))
}

/// Three heartbeats: one may be late, and one lost.
fn lease(registration: &Registration) -> Duration {
    period(registration) * 3
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("worker: {error}")))
}

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| corrupt(error.to_string()))
}

impl Store {
    /// Keeps a worker, in place of what was known of it, until it has not been heard of for a while.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn register_worker(&self, registration: &Registration) -> Result<()> {
        let key = Keys::worker(&registration.worker_id);
        let memory_ms = millis(lease(registration).max(SHORTEST_MEMORY));
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("DEL").arg(&key).ignore();
        pipe.cmd("HSET").arg(&key).arg("registration").arg(text(registration)?);
        pipe.arg("memory_ms").arg(memory_ms).ignore();
        pipe.cmd("PEXPIRE").arg(&key).arg(memory_ms).ignore();
        Ok(pipe.query_async::<()>(&mut self.connections.get().await?).await?)
    }

    /// Takes a heartbeat, or only a sign of life, from a worker. Answers what is known of it now; `None` when nothing is.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn beat_worker(
        &self,
        id: &WorkerId,
        heartbeat: Option<&Heartbeat>,
        skills: Option<&Skills>,
    ) -> Result<Option<WorkerRecord>> {
        let mut call = BEAT_WORKER.key(Keys::worker(id));
        call.arg(heartbeat.map(text).transpose()?.unwrap_or_default());
        call.arg(skills.map(text).transpose()?.unwrap_or_default());
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => WorkerRecord::read(reply.next()?),
            "missing" => Ok(None),
            _ => Err(reply.unexpected()),
        }
    }

    /// A worker; `None` when it is unknown or was not heard of for too long.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn worker(&self, id: &WorkerId) -> Result<Option<WorkerRecord>> {
        let mut command = redis::cmd("HMGET");
        command.arg(Keys::worker(id)).arg("registration").arg("heartbeat").arg("skills");
        WorkerRecord::read(command.query_async(&mut self.connections.get().await?).await?)
    }
}
