//! Schedules: what they create, their next instant, the firings that have no job yet, and what became of the latest.

use std::{collections::HashMap, time::Duration};

use relevo_shared::{
    JobId, ScheduleId,
    job::JobState,
    schedule::{Firing, ScheduleSpec},
};

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{CLAIM_FIRING, PUT_SCHEDULE, Reply, SETTLE_FIRING, TAKE_SCHEDULES, corrupt},
};

/// Schedules that a client may have.
pub const MOST_SCHEDULES: usize = 1_000;
/// What became of so many instants is remembered.
const KEPT_FIRINGS: usize = 50;
/// How long a replica has a firing to itself before another looks after it.
const HOLD: Duration = Duration::from_secs(5);

/// A schedule as it is kept.
#[derive(Debug, Clone)]
pub struct ScheduleRecord {
    /// Whose it is.
    pub client: String,
    /// What it creates and when.
    pub spec: ScheduleSpec,
    /// Its next instant in milliseconds since 1970; `None` while it is paused or when it is over.
    pub next: Option<i64>,
    /// Counts its edits.
    pub revision: u64,
    /// Firings that have no job yet.
    pub open: u64,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

impl ScheduleRecord {
    fn read(mut fields: HashMap<String, String>) -> Result<Option<Self>> {
        if fields.is_empty() {
            return Ok(None);
        }
        let mut text = |name: &str| fields.remove(name).ok_or_else(|| corrupt(format!("a schedule without {name}")));
        let number = |name: &str, text: &str| {
            text.parse::<i64>().map_err(|_| corrupt(format!("{name} of a schedule is not a number: {text}")))
        };
        let spec = serde_json::from_str(&text("spec")?).map_err(|error| corrupt(format!("schedule: {error}")))?;
        Ok(Some(Self {
            client: text("client")?,
            spec,
            next: text("next").ok().map(|at| number("next", &at)).transpose()?,
            revision: number("revision", &text("revision")?)?.unsigned_abs(),
            open: text("open").ok().map_or(Ok(0), |open| number("open", &open))?.unsigned_abs(),
            created_at: number("created_at", &text("created_at")?)?,
            updated_at: number("updated_at", &text("updated_at")?)?,
        }))
    }
}

/// What becomes of the next instant when a schedule is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextInstant {
    /// It stays as it is.
    Keep,
    /// It is this one, in milliseconds since 1970; or none.
    Set(Option<i64>),
}

/// What became of a schedule that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchedulePut {
    /// It is written.
    Written,
    /// It is no longer as it was read.
    Changed,
    /// It is not there (any more).
    Missing,
    /// The client has as many as it may have.
    Full,
}

/// A firing that was claimed and has no job yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFiring {
    /// Whose instant it is.
    pub schedule: ScheduleId,
    /// The instant in milliseconds since 1970.
    pub instant: i64,
}

/// What is to be done about schedules.
#[derive(Debug, Clone)]
pub struct DueSchedules {
    /// Redis's clock, in milliseconds since 1970.
    pub now: i64,
    /// Schedules whose next instant has come.
    pub schedules: Vec<ScheduleId>,
    /// Firings that a replica claimed and did not see through.
    pub firings: Vec<OpenFiring>,
}

/// An instant to claim, as the schedule stood when that was decided.
#[derive(Debug, Clone)]
pub struct FiringClaim<'a> {
    /// The schedule.
    pub schedule: &'a ScheduleId,
    /// Its revision when it was read.
    pub revision: u64,
    /// Its next instant when it was read.
    pub due: i64,
    /// What is its next instant from now on.
    pub next: Option<i64>,
    /// The instant to create a job for.
    pub fire: Option<i64>,
    /// What became of instants that get no job.
    pub passed_over: &'a [Firing],
}

impl OpenFiring {
    fn name(&self) -> String {
        format!("{}|{}", self.schedule, self.instant)
    }

    fn read(name: &str) -> Result<Self> {
        let parts = name.split_once('|').and_then(|(schedule, instant)| {
            Some(Self { schedule: schedule.parse().ok()?, instant: instant.parse().ok()? })
        });
        parts.ok_or_else(|| corrupt(format!("a firing called {name}")))
    }
}

fn entry(firing: &Firing) -> String {
    serde_json::to_string(firing).expect("a firing has string keys only")
}

/// An instant as scripts take it.
fn instant(at: Option<i64>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

impl Store {
    /// Redis's clock, in milliseconds since 1970.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn clock(&self) -> Result<i64> {
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut self.connections.get().await?).await?;
        Ok(seconds * 1000 + micros / 1000)
    }

    /// Writes a schedule: a new one when `revision` is 0, else in place of that revision.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn put_schedule(
        &self,
        id: &ScheduleId,
        client: &str,
        revision: u64,
        spec: &ScheduleSpec,
        next: NextInstant,
    ) -> Result<SchedulePut> {
        let mut call = PUT_SCHEDULE.key(Keys::schedule(id));
        call.key(Keys::schedules_due()).key(Keys::schedules_of(client)).arg(id.as_str()).arg(revision).arg(client);
        call.arg(serde_json::to_string(spec).map_err(|error| corrupt(error.to_string()))?);
        call.arg(match next {
            NextInstant::Keep => "keep".to_owned(),
            NextInstant::Set(at) => instant(at),
        });
        call.arg(MOST_SCHEDULES);
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(SchedulePut::Written),
            "changed" => Ok(SchedulePut::Changed),
            "missing" => Ok(SchedulePut::Missing),
            "full" => Ok(SchedulePut::Full),
            _ => Err(reply.unexpected()),
        }
    }

    /// A schedule; `None` when there is none of this id.
    ///
    /// # Errors
    /// When Redis is away, or the record cannot be read.
    pub async fn schedule(&self, id: &ScheduleId) -> Result<Option<ScheduleRecord>> {
        let mut command = redis::cmd("HGETALL");
        command.arg(Keys::schedule(id));
        ScheduleRecord::read(command.query_async(&mut self.connections.get().await?).await?)
    }

    /// The schedules of a client with what became of the latest instant of each, the newest first.
    ///
    /// # Errors
    /// When Redis is away, or a record cannot be read.
    pub async fn schedules(&self, client: &str) -> Result<Vec<(ScheduleId, ScheduleRecord, Option<Firing>)>> {
        let mut connection = self.connections.get().await?;
        let mut newest = redis::cmd("ZREVRANGE");
        newest.arg(Keys::schedules_of(client)).arg(0).arg(-1);
        let ids: Vec<String> = newest.query_async(&mut connection).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.iter().map(|id| id.parse().map_err(|_| corrupt(format!("a schedule called {id}"))));
        let ids = ids.collect::<Result<Vec<ScheduleId>>>()?;
        let mut pipe = redis::pipe();
        for id in &ids {
            pipe.cmd("HGETALL").arg(Keys::schedule(id)).cmd("LINDEX").arg(Keys::firings(id)).arg(0);
        }
        let mut answers = pipe.query_async::<Vec<redis::Value>>(&mut connection).await?.into_iter();
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let (record, latest) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
            let record = redis::from_redis_value(record).map_err(|error| corrupt(error.to_string()))?;
            let latest: Option<String> = redis::from_redis_value(latest).map_err(|error| corrupt(error.to_string()))?;
            // One that was deleted between the two questions is left out.
            if let Some(record) = ScheduleRecord::read(record)? {
                found.push((id, record, latest.map(|text| read_entry(&text)).transpose()?));
            }
        }
        Ok(found)
    }

    /// Forgets a schedule with its history. Jobs that it created stay.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn delete_schedule(&self, id: &ScheduleId, client: &str) -> Result<()> {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("DEL").arg(Keys::schedule(id)).arg(Keys::firings(id)).ignore();
        pipe.cmd("ZREM").arg(Keys::schedules_due()).arg(id.as_str()).ignore();
        pipe.cmd("ZREM").arg(Keys::schedules_of(client)).arg(id.as_str()).ignore();
        Ok(pipe.query_async::<()>(&mut self.connections.get().await?).await?)
    }

    /// Schedules whose next instant has come, and firings that somebody claimed and did not see through; those are then
    /// the caller's for a while. At most `most` of each.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn take_schedules(&self, most: usize) -> Result<DueSchedules> {
        let mut call = TAKE_SCHEDULES.key(Keys::schedules_due());
        call.key(Keys::firings_open()).arg(millis(HOLD)).arg(most);
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        let (now, ids, firings) = (reply.next()?, reply.next::<Vec<String>>()?, reply.next::<Vec<String>>()?);
        let id = |text: &String| text.parse().map_err(|_| corrupt(format!("a schedule called {text}")));
        Ok(DueSchedules {
            now,
            schedules: ids.iter().map(id).collect::<Result<_>>()?,
            firings: firings.iter().map(|name| OpenFiring::read(name)).collect::<Result<_>>()?,
        })
    }

    /// Claims the next instant of a schedule. False when somebody else did, or the schedule was edited.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn claim_firing(&self, claim: &FiringClaim<'_>) -> Result<bool> {
        let mut call = CLAIM_FIRING.key(Keys::schedule(claim.schedule));
        call.key(Keys::schedules_due()).key(Keys::firings_open()).key(Keys::firings(claim.schedule));
        call.arg(claim.schedule.as_str()).arg(claim.revision).arg(claim.due);
        call.arg(instant(claim.next)).arg(instant(claim.fire)).arg(millis(HOLD)).arg(KEPT_FIRINGS);
        for firing in claim.passed_over {
            call.arg(entry(firing));
        }
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(true),
            "lost" => Ok(false),
            _ => Err(reply.unexpected()),
        }
    }

    /// Writes down what became of a firing; of one by hand when `open` is `None`. False when somebody did so before, or the
    /// schedule is gone.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn settle_firing(&self, id: &ScheduleId, open: Option<&OpenFiring>, firing: &Firing) -> Result<bool> {
        let mut call = SETTLE_FIRING.key(Keys::schedule(id));
        call.key(Keys::firings_open()).key(Keys::firings(id));
        call.arg(open.map(OpenFiring::name).unwrap_or_default()).arg(entry(firing)).arg(KEPT_FIRINGS);
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(true),
            "gone" => Ok(false),
            _ => Err(reply.unexpected()),
        }
    }

    /// What became of the latest instants of a schedule, the newest first.
    ///
    /// # Errors
    /// When Redis is away, or an entry cannot be read.
    pub async fn firings(&self, id: &ScheduleId) -> Result<Vec<Firing>> {
        let mut command = redis::cmd("LRANGE");
        command.arg(Keys::firings(id)).arg(0).arg(-1);
        let texts: Vec<String> = command.query_async(&mut self.connections.get().await?).await?;
        texts.iter().map(|text| read_entry(text)).collect()
    }

    /// Whether one of these jobs has not ended.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn any_unfinished(&self, jobs: &[JobId]) -> Result<bool> {
        if jobs.is_empty() {
            return Ok(false);
        }
        let mut pipe = redis::pipe();
        for job in jobs {
            pipe.cmd("HGET").arg(self.keys.job(*job)).arg("state");
        }
        let states: Vec<Option<String>> = pipe.query_async(&mut self.connections.get().await?).await?;
        let mut states = states.iter().flatten().filter_map(|word| JobState::from_word(word));
        Ok(states.any(|state| !state.is_terminal()))
    }
}

fn read_entry(text: &str) -> Result<Firing> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("firing: {error}")))
}
