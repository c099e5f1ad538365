//! Workers: what each said of itself, kept as long as it is heard of.

use std::time::Duration;

use relevo_shared::{
    WorkerId,
    worker::{Heartbeat, Registration, Skill, Usage},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{BEAT_WORKER, RATE_WORKER, REGISTER_WORKER, Reply, corrupt},
};
use crate::{domain::placement::Profile, time::now_ms};

/// A worker as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerRecord {
    /// What it said when it registered, with the skills that it named last.
    pub registration: Registration,
    /// Its latest heartbeat, but for the skills and the usage that it named.
    pub heartbeat: Heartbeat,
    /// What its machine uses, as it said last.
    pub usage: Option<Usage>,
    /// What became of its tasks.
    pub rating: Rating,
}

/// How many results of a worker were good, and how many were not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rating {
    /// Tasks that it did.
    pub good: u32,
    /// Tasks that it failed or lost.
    pub bad: u32,
}

impl Rating {
    /// The share of good results, 0 to 1; `None` before the first.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        let all = self.good + self.bad;
        (all > 0).then(|| f64::from(self.good) / f64::from(all))
    }
}

/// What requirements call the share of good results.
const REPUTATION: &str = "reputation";
/// The fields of a worker that make a record.
const FIELDS: [&str; 6] = ["registration", "heartbeat", "skills", "good", "bad", "usage"];
/// Results that count for a worker's rating; beyond it the older half is forgotten.
const RATED_RESULTS: u32 = 1000;

/// The skills that a heartbeat names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skills {
    /// All that the worker has.
    pub supported_skills: Vec<Skill>,
    /// Changes whenever they do.
    pub skills_hash: Option<String>,
}

/// A worker that is alive, with when it was heard of.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveWorker {
    /// What is known of it.
    pub record: WorkerRecord,
    /// When it registered, in milliseconds since 1970.
    pub registered_at: i64,
    /// When it was last heard of, in milliseconds since 1970.
    pub seen_at: i64,
}

/// Heartbeat of a worker that does not say how often it comes.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
/// No worker may say that it comes less often than once an hour, and three times that is what its leases last.
const LONGEST_MEMORY: Duration = Duration::from_secs(3 * 3600);
/// A worker is forgotten after this at the earliest: some releases are silent for long.
const SHORTEST_MEMORY: Duration = Duration::from_secs(60);

impl WorkerRecord {
    /// What it can do and has, with its reputation among the numbers once it has one.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let mut profile = Profile::of(&self.registration);
        profile.numbers.extend(self.rating.share().map(|share| (REPUTATION.to_owned(), share)));
        profile
    }

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

    /// Reads the fields of [`FIELDS`].
    fn read([registration, heartbeat, skills, good, bad, usage]: [Option<String>; 6]) -> Result<Option<Self>> {
        let Some(registration) = registration else { return Ok(None) };
        let mut registration: Registration = parse(&registration)?;
        if let Some(skills) = skills {
            let named: Skills = parse(&skills)?;
            registration.supported_skills = named.supported_skills;
            registration.skills_hash = named.skills_hash;
        }
        let heartbeat = heartbeat.map(|text| parse(&text)).transpose()?.unwrap_or_default();
        let count = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or_default();
        let rating = Rating { good: count(good), bad: count(bad) };
        let usage = usage.map(|text| parse(&text)).transpose()?;
        Ok(Some(Self { registration, heartbeat, usage, rating }))
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
        let id = &registration.worker_id;
        let mut call = REGISTER_WORKER.key(Keys::worker(id));
        call.key(Keys::workers()).arg(id.as_str()).arg(text(registration)?);
        call.arg(millis(lease(registration).max(SHORTEST_MEMORY))).arg(millis(LONGEST_MEMORY));
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        if reply.word() == "ok" { Ok(()) } else { Err(reply.unexpected()) }
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
        usage: Option<&Usage>,
    ) -> Result<Option<WorkerRecord>> {
        let mut call = BEAT_WORKER.key(Keys::worker(id));
        call.key(Keys::workers()).key(Keys::workers_with_devices()).arg(id.as_str());
        call.arg(heartbeat.map(text).transpose()?.unwrap_or_default());
        call.arg(skills.map(text).transpose()?.unwrap_or_default());
        call.arg(usage.map(text).transpose()?.unwrap_or_default());
        call.arg(u8::from(usage.is_some_and(|usage| usage.devices_usage.is_some()))).arg(millis(LONGEST_MEMORY));
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => WorkerRecord::read(reply.next()?),
            "missing" => Ok(None),
            _ => Err(reply.unexpected()),
        }
    }

    /// Counts results of a worker that is known.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn rate_worker(&self, id: &WorkerId, rating: Rating) -> Result<()> {
        let mut call = RATE_WORKER.key(Keys::worker(id));
        call.arg(rating.good).arg(rating.bad).arg(RATED_RESULTS);
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        if matches!(reply.word(), "ok" | "missing") { Ok(()) } else { Err(reply.unexpected()) }
    }

    /// A worker; `None` when it is unknown or was not heard of for too long.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn worker(&self, id: &WorkerId) -> Result<Option<WorkerRecord>> {
        let mut command = redis::cmd("HMGET");
        command.arg(Keys::worker(id)).arg(&FIELDS);
        WorkerRecord::read(command.query_async(&mut self.connections.get().await?).await?)
    }

    /// How many workers were heard of within this time.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn workers_heard_within(&self, time: Duration) -> Result<u64> {
        let since = now_ms().unsigned_abs().saturating_sub(millis(time));
        let mut count = redis::cmd("ZCOUNT");
        count.arg(Keys::workers()).arg(since).arg("+inf");
        Ok(count.query_async(&mut self.connections.get().await?).await?)
    }

    /// What workers use that have told of devices within this time, those that told last first; at most `most`.
    ///
    /// # Errors
    /// When Redis is away, or a record cannot be read.
    pub async fn devices_in_use(&self, time: Duration, most: usize) -> Result<Vec<(WorkerId, Usage)>> {
        let since = now_ms().unsigned_abs().saturating_sub(millis(time));
        let mut connection = self.connections.get().await?;
        let mut latest = redis::cmd("ZRANGE");
        latest.arg(Keys::workers_with_devices()).arg("+inf").arg(since).arg("BYSCORE").arg("REV");
        latest.arg("LIMIT").arg(0).arg(most);
        let named: Vec<String> = latest.query_async(&mut connection).await?;
        let workers: Vec<WorkerId> = named.iter().filter_map(|id| id.parse().ok()).collect();
        if workers.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for worker in &workers {
            pipe.cmd("HGET").arg(Keys::worker(worker)).arg("usage");
        }
        let usages: Vec<Option<String>> = pipe.query_async(&mut connection).await?;
        let told = workers.into_iter().zip(usages).filter_map(|(worker, usage)| Some((worker, usage?)));
        told.map(|(worker, usage)| Ok((worker, parse(&usage)?))).collect()
    }

    /// The workers that are alive, those that were heard of last first; at most `most`.
    ///
    /// # Errors
    /// When Redis is away, or a record cannot be read.
    pub async fn workers(&self, most: usize) -> Result<Vec<LiveWorker>> {
        let mut connection = self.connections.get().await?;
        let mut latest = redis::cmd("ZREVRANGE");
        latest.arg(Keys::workers()).arg(0).arg(most.saturating_sub(1)).arg("WITHSCORES");
        let named: Vec<(String, f64)> = latest.query_async(&mut connection).await?;
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for (id, _) in &named {
            let id = id.parse().map_err(|_| corrupt(format!("a worker called {id}")))?;
            pipe.cmd("HMGET").arg(Keys::worker(&id)).arg(&FIELDS).arg("registered_at");
        }
        let records: Vec<[Option<String>; 7]> = pipe.query_async(&mut connection).await?;
        let mut alive = Vec::with_capacity(named.len());
        for ((_, seen_at), [registration, heartbeat, skills, good, bad, usage, registered_at]) in
            named.into_iter().zip(records)
        {
            // The index remembers a worker longer than its record does: then it is not alive.
            let Some(record) = WorkerRecord::read([registration, heartbeat, skills, good, bad, usage])? else {
                continue;
            };
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole")]
            let seen_at = seen_at as i64;
            let registered_at = registered_at.and_then(|at| at.parse().ok()).unwrap_or(seen_at);
            alive.push(LiveWorker { record, registered_at, seen_at });
        }
        Ok(alive)
    }
}
