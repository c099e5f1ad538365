//! Webhooks: those that are due, what became of each, and the way back for one that was given up.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use relevo_shared::{
    JobId,
    webhook::{DeliveryAttempt, DeliveryState},
};

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{DEFER_DELIVERIES, RECORD_ATTEMPT, REPLAY_DELIVERY, Reply, TAKE_DELIVERIES, corrupt},
};

/// What names a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryKey {
    /// The job that it tells of.
    pub job: JobId,
    /// What happened to it.
    pub event: String,
    /// Tells this event from earlier ones of its kind: the revision that it came with.
    pub mark: String,
}

impl DeliveryKey {
    /// The `webhook-id`: the same for every attempt, and without a full stop, which the signature uses between its parts.
    #[must_use]
    pub fn id(&self) -> String {
        let event = self.event.strip_prefix("job.").unwrap_or(&self.event);
        format!("msg_{}_{event}_{}", self.job.to_string().replace('-', ""), self.mark).replace('.', "-")
    }

    fn name(&self) -> String {
        format!("{}|{}", self.event, self.mark)
    }

    fn member(&self) -> String {
        format!("{}|{}", self.job, self.name())
    }

    fn read(member: &str) -> Option<Self> {
        let (job, name) = member.split_once('|')?;
        Self::of(job.parse().ok()?, name)
    }

    fn of(job: JobId, name: &str) -> Option<Self> {
        let (event, mark) = name.split_once('|')?;
        Some(Self { job, event: event.to_owned(), mark: mark.to_owned() })
    }
}

/// A delivery that this replica holds for a while.
#[derive(Debug, Clone)]
pub struct TakenDelivery {
    /// Its name.
    pub key: DeliveryKey,
    /// Shows that this replica still holds it.
    pub token: String,
    /// Where it goes.
    pub url: String,
    /// Whose job it is.
    pub client: String,
    /// When what it tells of happened, in milliseconds since 1970.
    pub created_at: i64,
    /// When the attempts began that count, in milliseconds since 1970.
    pub since: i64,
    /// Attempts since then.
    pub tries: u32,
    /// The attempts so far, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
    /// Redis's clock when it was taken, in milliseconds since 1970.
    pub taken_at: i64,
}

/// A delivery to be looked at later.
#[derive(Debug, Clone)]
pub struct Deferral {
    /// Its name.
    pub key: DeliveryKey,
    /// The token that it was taken with.
    pub token: String,
    /// Milliseconds from now.
    pub delay_ms: u64,
}

/// An attempt as it is written down.
#[derive(Debug, Clone)]
pub struct RecordedAttempt<'a> {
    /// How the delivery stands after it.
    pub state: DeliveryState,
    /// Milliseconds to the next one; none when it was the last.
    pub delay_ms: Option<u64>,
    /// Attempts so far that count.
    pub tries: u32,
    /// All attempts that are kept, oldest first.
    pub attempts: &'a [DeliveryAttempt],
}

/// A delivery as it is kept, for a view.
#[derive(Debug, Clone)]
pub struct DeliveryRecord {
    /// Its name.
    pub key: DeliveryKey,
    /// How it stands.
    pub state: DeliveryState,
    /// When what it tells of happened, in milliseconds since 1970.
    pub created_at: i64,
    /// When the next attempt is due, in milliseconds since 1970.
    pub next_at: Option<i64>,
    /// The attempts so far, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
}

/// What the script answers of one that was taken: member, token, url, client, created_at, since, tries, attempts.
type TakenFields = (String, String, String, String, f64, f64, u32, String);

impl Store {
    /// Webhooks of a partition that are due. Each is held back from other replicas for `hold`.
    ///
    /// # Errors
    /// When Redis is away, or the records cannot be read.
    pub async fn take_deliveries(&self, partition: u16, limit: usize, hold: Duration) -> Result<Vec<TakenDelivery>> {
        let mut call = TAKE_DELIVERIES.key(Keys::deliveries(partition));
        call.arg(Keys::prefix(partition)).arg(limit).arg(millis(hold));
        let (now, taken): (i64, Vec<TakenFields>) = call.invoke_async(&mut self.connections.get().await?).await?;
        let read = |(member, token, url, client, created_at, since, tries, attempts): TakenFields| {
            Some(TakenDelivery {
                key: DeliveryKey::read(&member)?,
                token,
                url,
                client,
                created_at: whole(created_at),
                since: whole(since),
                tries,
                attempts: serde_json::from_str(&attempts).ok()?,
                taken_at: now,
            })
        };
        Ok(taken.into_iter().filter_map(read).collect())
    }

    /// Gives back what was taken, to be looked at later.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn defer_deliveries(&self, partition: u16, deferrals: &[Deferral]) -> Result<()> {
        let mut call = DEFER_DELIVERIES.key(Keys::deliveries(partition));
        for Deferral { key, token, delay_ms } in deferrals {
            call.arg(key.member()).arg(token).arg(delay_ms);
        }
        Ok(call.invoke_async(&mut self.connections.get().await?).await?)
    }

    /// Writes down an attempt, unless the delivery is in other hands by now. Says whether it was written.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn record_attempt(&self, key: &DeliveryKey, token: &str, attempt: &RecordedAttempt<'_>) -> Result<bool> {
        let mut call = RECORD_ATTEMPT.key(Keys::deliveries(key.job.partition(self.keys.partitions())));
        call.key(self.keys.webhooks(key.job)).key(self.keys.job(key.job));
        call.arg(key.member()).arg(token).arg(key.name()).arg(attempt.state.as_str());
        call.arg(attempt.delay_ms.map(|ms| ms.to_string()).unwrap_or_default()).arg(attempt.tries);
        call.arg(serde_json::to_string(attempt.attempts).map_err(|error| corrupt(error.to_string()))?);
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(true),
            "lease_lost" => Ok(false),
            _ => Err(reply.unexpected()),
        }
    }

    /// Makes a delivery due now, whatever became of it. Says whether there is one of this id.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn replay_delivery(&self, job: JobId, id: &str) -> Result<bool> {
        let Some(found) = self.deliveries(job).await?.into_iter().find(|delivery| delivery.key.id() == id) else {
            return Ok(false);
        };
        let mut call = REPLAY_DELIVERY.key(Keys::deliveries(job.partition(self.keys.partitions())));
        call.key(self.keys.webhooks(job)).arg(found.key.member()).arg(found.key.name());
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(true),
            "missing" => Ok(false),
            _ => Err(reply.unexpected()),
        }
    }

    /// Where the webhooks of a job go; `None` when it has none, or is gone.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn webhook_url(&self, job: JobId) -> Result<Option<String>> {
        let mut command = redis::cmd("HGET");
        command.arg(self.keys.job(job)).arg("webhook_url");
        Ok(command.query_async(&mut self.connections.get().await?).await?)
    }

    /// The deliveries of a job, oldest first.
    ///
    /// # Errors
    /// When Redis is away, or the records cannot be read.
    pub async fn deliveries(&self, job: JobId) -> Result<Vec<DeliveryRecord>> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.keys.webhooks(job));
        let fields: HashMap<String, String> = command.query_async(&mut self.connections.get().await?).await?;
        let mut by_name: BTreeMap<&str, HashMap<&str, &str>> = BTreeMap::new();
        for (field, value) in &fields {
            let (name, field) = field.rsplit_once(':').unwrap_or((field, ""));
            by_name.entry(name).or_default().insert(field, value);
        }
        let read = |(name, fields): (&str, HashMap<&str, &str>)| {
            let instant = |field: &str| fields.get(field).and_then(|text| text.parse().ok());
            Some(DeliveryRecord {
                key: DeliveryKey::of(job, name)?,
                state: DeliveryState::from_word(fields.get("state")?)?,
                created_at: instant("created_at")?,
                next_at: instant("next_at"),
                attempts: serde_json::from_str(fields.get("attempts").unwrap_or(&"[]")).ok()?,
            })
        };
        let unreadable = |name: &str| corrupt(format!("the delivery {name} of job {job}"));
        let mut deliveries = by_name
            .into_iter()
            .map(|entry @ (name, _)| read(entry).ok_or_else(|| unreadable(name)))
            .collect::<Result<Vec<_>>>()?;
        deliveries.sort_by_key(|delivery| delivery.created_at);
        Ok(deliveries)
    }
}

/// A score, which Redis keeps as a float, as the whole milliseconds that it is.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 are whole and small")]
const fn whole(score: f64) -> i64 {
    score as i64
}
