//! Delivers webhooks: signed, tried again for a day, at least once, and never to an address inside.
//!
//! What is to be delivered lies in Redis; any replica takes what is due, holds it while it sends, and writes down what became
//! of it. A replica that dies meanwhile lets its hold run out, and another one sends again under the same id.

mod message;
mod secrets;
mod sender;
mod shares;
mod target;

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use relevo_shared::{
    JobId,
    secret::Secret,
    webhook::{DeliveryAttempt, DeliveryState, DeliveryView},
};
use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

pub use target::Targets;

use crate::{
    clients::Directory,
    domain::{
        delivery::{self, DAY_MS, Ending, Verdict},
        retry::Backoff,
    },
    engine::Engine,
    error::{Error, Result},
    metrics::Metrics,
    settings::Settings,
    store::{Deferral, RecordedAttempt, Store, TakenDelivery},
    time::{now_ms, rfc3339},
    view::job_view,
};
use secrets::Secrets;
use sender::{Sender, Sent};
use shares::{Entry, Shares, Showed};

/// How late a delivery may begin.
const PERIOD: Duration = Duration::from_millis(200);
/// Attempts under way at once, to all hosts together.
const MOST_UNDER_WAY: usize = 256;
/// Attempts under way to one host: at first, and once it has proven itself.
const PER_HOST: RangeInclusive<u32> = 2..=16;
/// Attempts under way for one client, however many hosts it names.
const PER_CLIENT: RangeInclusive<u32> = 64..=64;
/// Deliveries that are taken at once.
const BATCH: usize = 100;
/// Ties the receiver's work to the trace that the job belongs to (W3C Trace Context).
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// Attempts that are kept of a delivery, the latest.
const MOST_KEPT: usize = 50;

/// Delivers webhooks; one per replica.
#[derive(Debug)]
pub struct Webhooks {
    store: Store,
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    targets: Arc<Targets>,
    secrets: Secrets,
    sender: Sender,
    hosts: Mutex<Shares>,
    clients: Mutex<Shares>,
    backoff: Backoff,
    /// How long a delivery is held back from other replicas: longer than an attempt can take.
    hold: Duration,
}

impl Webhooks {
    /// Webhooks by these settings.
    ///
    /// # Errors
    /// When a setting makes no sense; the text names it.
    pub fn new(
        store: Store,
        engine: Arc<Engine>,
        directory: Arc<Directory>,
        metrics: Arc<Metrics>,
        settings: &Settings,
    ) -> Result<Self, String> {
        let targets = Targets::new(&settings.webhook_allow, &settings.webhook_ports)
            .map_err(|error| format!("the setting webhook_allow cannot be used: {error}"))?;
        let targets = Arc::new(targets);
        let timeout = Duration::from_secs(settings.webhook_timeout_seconds.into());
        let sender = Sender::new(Arc::clone(&targets), timeout).map_err(|error| format!("webhooks: {error}"))?;
        Ok(Self {
            secrets: Secrets::new(store.clone(), directory),
            store,
            engine,
            metrics,
            targets,
            sender,
            hosts: Mutex::new(Shares::new(PER_HOST)),
            clients: Mutex::new(Shares::new(PER_CLIENT)),
            backoff: delivery::backoff(settings.webhook_first_retry_seconds),
            hold: timeout * 2,
        })
    }

    /// Makes sure that a URL that a client gives for its webhooks may be called.
    ///
    /// # Errors
    /// [`Error::Invalid`], with what would be right.
    pub fn check_url(&self, url: Option<&str>) -> Result<()> {
        match url.map(|url| self.targets.read(url)) {
            Some(Err(reason)) => Err(Error::invalid("webhook_url", reason)),
            _ => Ok(()),
        }
    }

    /// What a client's webhooks are signed with.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn secrets(&self, client: &str) -> Result<Vec<Secret>> {
        self.secrets.of(client).await
    }

    /// The deliveries of a job, oldest first.
    ///
    /// # Errors
    /// When Redis is away, or the records cannot be read.
    pub async fn deliveries(&self, job: JobId) -> Result<Vec<DeliveryView>> {
        let url = self.store.webhook_url(job).await?.unwrap_or_default();
        let records = self.store.deliveries(job).await?;
        Ok(records.into_iter().map(|record| message::view(record, &url)).collect())
    }

    /// Sends a delivery again, whatever became of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the job has none of this id, or when Redis is away.
    pub async fn replay(&self, job: JobId, id: &str) -> Result<()> {
        if self.store.replay_delivery(job, id).await? {
            return Ok(());
        }
        Err(Error::NotFound(format!("job {job} has no delivery {id:?}")))
    }

    /// Delivers until it is told to stop, and then ends what is under way.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let mut under_way = JoinSet::new();
        let mut tick = interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut away = false;
        while !stopping.is_cancelled() {
            tokio::select! {
                () = stopping.cancelled() => {}
                _ = tick.tick() => {
                    let result = self.deliver_due(&mut under_way).await;
                    match &result {
                        // Said once, not five times a second for as long as Redis is away.
                        Err(error) if !away => warn!(%error, "webhooks wait"),
                        _ => {}
                    }
                    away = result.is_err();
                }
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// One round over all partitions: begins what may begin, and puts off what may not.
    async fn deliver_due(self: &Arc<Self>, under_way: &mut JoinSet<()>) -> Result<()> {
        while under_way.try_join_next().is_some() {}
        for partition in self.store.partitions() {
            loop {
                let limit = BATCH.min(MOST_UNDER_WAY - under_way.len());
                if limit == 0 {
                    return Ok(());
                }
                let taken = self.store.take_deliveries(partition, limit, self.hold).await?;
                let full = taken.len() == limit;
                let mut deferrals = Vec::new();
                for delivery in taken {
                    let (this, host) = (Arc::clone(self), authority(&delivery.url));
                    match self.enter(&host, &delivery.client) {
                        Entry::Now => {
                            under_way.spawn(async move { this.attempt(&host, delivery).await });
                        }
                        // Its host has been left alone for so long that there is no use in waiting.
                        Entry::Later(_) if age_ms(&delivery) >= DAY_MS => {
                            under_way.spawn(async move { this.give_up(delivery).await });
                        }
                        Entry::Later(wait) => {
                            let delay_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                            deferrals.push(Deferral { key: delivery.key, token: delivery.token, delay_ms });
                        }
                    }
                }
                if !deferrals.is_empty() {
                    self.store.defer_deliveries(partition, &deferrals).await?;
                }
                if !full {
                    break;
                }
            }
        }
        Ok(())
    }

    /// One attempt, from the job as it is to the log of what became of it.
    async fn attempt(&self, host: &str, delivery: TakenDelivery) {
        let begun = Instant::now();
        let sent = self.send(&delivery).await;
        let took = begun.elapsed();
        let now = Instant::now();
        lock(&self.hosts).leave(host, showed(sent.as_ref().ok()), took, now);
        lock(&self.clients).leave(&delivery.client, Showed::Well, took, now);
        let job = delivery.key.job;
        let result = match sent {
            Ok(sent) => self.record(delivery, sent, took).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            warn!(%job, host, %error, "a webhook is left to a later attempt");
        }
    }

    /// Whether an attempt may begin, for its host and for its client.
    fn enter(&self, host: &str, client: &str) -> Entry {
        let now = Instant::now();
        match lock(&self.clients).enter(client, now) {
            Entry::Now => {}
            later @ Entry::Later(_) => return later,
        }
        let entry = lock(&self.hosts).enter(host, now);
        if entry != Entry::Now {
            lock(&self.clients).leave(client, Showed::Nothing, Duration::ZERO, now);
        }
        entry
    }

    async fn give_up(&self, delivery: TakenDelivery) {
        let (job, error) = (delivery.key.job, "not sent: its host has not answered for long".to_owned());
        let sent = Sent { ending: Ending::Failed, error: Some(error) };
        if let Err(error) = self.record(delivery, sent, Duration::ZERO).await {
            warn!(%job, %error, "a webhook is given up later");
        }
    }

    async fn send(&self, delivery: &TakenDelivery) -> Result<Sent> {
        let key = &delivery.key;
        let record = self.store.read_job(key.job).await?.ok_or_else(|| Error::JobNotFound(key.job.to_string()))?;
        let trace = record.fields.get("trace").and_then(|trace| HeaderValue::from_str(trace).ok());
        let approval = self.engine.wanted_approval(key.job, &record).await?;
        let message = message::message(key, delivery.created_at, &job_view(key.job, record, approval)?);
        let body = serde_json::to_vec(&message).expect("a message has string keys only");
        let (id, seconds) = (key.id(), now_ms() / 1000);
        let signatures = secrets::signatures(&self.secrets.of(&delivery.client).await?, &id, seconds, &body);
        let headers = [
            (HEADER_WEBHOOK_ID, id),
            (HEADER_WEBHOOK_TIMESTAMP, seconds.to_string()),
            (HEADER_WEBHOOK_SIGNATURE, signatures),
        ]
        .map(|(name, value)| {
            let value = HeaderValue::from_str(&value).expect("ids, numbers and base64 are plain ASCII");
            (HeaderName::from_static(name), value)
        });
        let trace = trace.filter(|trace| !trace.is_empty()).map(|trace| (TRACE_PARENT, trace));
        Ok(self.sender.send(&delivery.url, headers.into_iter().chain(trace).collect(), body).await)
    }

    async fn record(&self, delivery: TakenDelivery, sent: Sent, took: Duration) -> Result<()> {
        let age_ms = age_ms(&delivery);
        let TakenDelivery { key, token, tries, mut attempts, taken_at, .. } = delivery;
        let tries = tries + 1;
        let verdict = delivery::after_attempt(sent.ending, tries, age_ms, &self.backoff, fastrand::f64());
        let status = match sent.ending {
            Ending::Answered { status, .. } => Some(status),
            Ending::Failed | Ending::Refused => None,
        };
        let (at, duration_seconds) = (rfc3339(taken_at), took.as_secs_f64());
        attempts.push(DeliveryAttempt { at, status, error: sent.error.clone(), duration_seconds });
        attempts.drain(..attempts.len().saturating_sub(MOST_KEPT));
        let delay_ms = match verdict {
            Verdict::RetryIn(ms) => Some(ms),
            Verdict::Over(_) => None,
        };
        let attempt = RecordedAttempt { state: verdict.state(), delay_ms, tries, attempts: &attempts };
        let written = self.store.record_attempt(&key, &token, &attempt).await?;
        self.metrics.webhook_attempted(verdict.state(), took);
        let (id, event, error) = (key.id(), key.event, sent.error.unwrap_or_default());
        match verdict {
            _ if !written => info!(job = %key.job, id, "a webhook was sent by another replica too"),
            Verdict::RetryIn(ms) => info!(job = %key.job, id, event, tries, error, retry_in_ms = ms, "webhook failed"),
            Verdict::Over(DeliveryState::Delivered) => debug!(job = %key.job, id, event, tries, "webhook delivered"),
            Verdict::Over(state) => {
                warn!(job = %key.job, id, event, tries, error, state = state.as_str(), "webhook given up");
            }
        }
        Ok(())
    }
}

fn lock(shares: &Mutex<Shares>) -> MutexGuard<'_, Shares> {
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a delivery has been tried for.
fn age_ms(delivery: &TakenDelivery) -> u64 {
    u64::try_from(delivery.taken_at - delivery.since).unwrap_or(0)
}

/// What an attempt shows of its host. A status that only this URL can be blamed for says that the host is well.
fn showed(sent: Option<&Sent>) -> Showed {
    match sent.map(|sent| sent.ending) {
        Some(Ending::Failed) => Showed::Unwell,
        Some(Ending::Answered { status: 429 | 503, retry_after_ms: Some(ms) }) => {
            Showed::Busy(Duration::from_millis(ms))
        }
        Some(Ending::Answered { status: 429 | 502..=504, .. }) => Showed::Unwell,
        Some(Ending::Answered { .. }) => Showed::Well,
        None | Some(Ending::Refused) => Showed::Nothing,
    }
}

/// Host and port of a URL, which stand for the receiver.
fn authority(url: &str) -> String {
    Url::parse(url).map_or_else(
        |_| String::new(),
        |url| format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default()),
    )
}
