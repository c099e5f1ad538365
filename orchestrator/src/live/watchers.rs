//! Who watches which job on this replica, and whether there may be something new for them.
//!
//! One connection to Redis hears of every job that somebody here watches, and of no other. A look at each now and then stands
//! behind it, in case a message is lost.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use relevo_shared::JobId;
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::message::{self, Message};
use crate::{
    error::{Error, Result},
    metrics::Metrics,
    store::{Beside, LiveChannel, LiveHead, Store, StoreError},
};

/// Each job that is watched is looked at this often, message or not; the jobs in so many parts, one after the other.
const SLOW_POLL: Duration = Duration::from_secs(2);
const PARTS: u32 = 20;
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
const PING: Duration = Duration::from_secs(20);
/// Channels in one command.
const CHANNELS: usize = 500;
/// Events that are read at once: what a reader that is slow holds in memory.
const PAGE: usize = 32;
const COME_AGAIN: Duration = Duration::from_secs(10);

/// How messages reach a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// As server-sent events.
    Sse,
    /// Over a WebSocket.
    WebSocket,
}

impl Transport {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

/// Every watcher of this replica; one per replica.
#[derive(Debug)]
pub struct Watchers {
    store: Store,
    pub(super) metrics: Arc<Metrics>,
    table: Mutex<Table>,
    changed: Notify,
    most_of_client: usize,
    patience: Duration,
    tracker: TaskTracker,
    stopping: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    jobs: HashMap<JobId, (usize, Arc<Watched>)>,
    /// Jobs that have got their first watcher or lost their last since this was looked at.
    changed: HashSet<JobId>,
    of_client: HashMap<String, usize>,
    /// Counts the jobs, to look at as many in each part.
    entered: u32,
}

/// A job that is watched.
#[derive(Debug)]
struct Watched {
    /// When it is looked at without being called.
    part: u32,
    /// Counts the times when there may have been something new.
    called: watch::Sender<u64>,
    /// What came last, by whether the lines of the log are in it and whether the figures are: those who have read all the rest share it.
    latest: [tokio::sync::Mutex<Option<Latest>>; 4],
    /// Its tasks tell figures: before they do, nobody looks for any.
    has_metrics: AtomicBool,
}

#[derive(Debug)]
struct Latest {
    after: u64,
    called: u64,
    page: Arc<Page>,
}

/// Messages in order, and how they end.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) messages: Vec<Message>,
    /// Whether there are more already.
    pub(super) more: bool,
    /// Whether the last of them is the last of all.
    pub(super) over: bool,
}

/// One watcher of one job.
#[derive(Debug)]
pub(super) struct Watch {
    watchers: Arc<Watchers>,
    watched: Arc<Watched>,
    called: watch::Receiver<u64>,
    pub(super) job: JobId,
    client: String,
    transport: Transport,
}

impl Watchers {
    /// Nobody watches yet. A client may have so many watchers on this replica; a message may take so long to be taken.
    #[must_use]
    pub fn new(
        store: Store,
        metrics: Arc<Metrics>,
        stopping: CancellationToken,
        most_of_client: usize,
        patience: Duration,
    ) -> Arc<Self> {
        let (table, changed, tracker) = (Mutex::default(), Notify::new(), TaskTracker::new());
        Arc::new(Self { store, metrics, table, changed, most_of_client, patience, tracker, stopping })
    }

    /// How long a watcher may take to take a message.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// Waits until this replica is told to stop.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Runs a conversation that [`Self::ended`] waits for.
    pub fn spawn(&self, conversation: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(conversation);
    }

    /// Waits until every conversation has ended, which they do when this replica stops.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// A watcher was cut off, because it did not take what there was for it.
    pub fn dropped(&self, transport: Transport) {
        self.metrics.watcher_dropped(transport.as_str());
    }

    /// Whether a job has ended, and this is the number of its end, or a later one.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn is_over_at(&self, job: JobId, seq: u64) -> Result<bool> {
        Ok(self.end_of(job).await?.is_some_and(|end| end <= seq))
    }

    /// The number of a job's last message, once it has ended.
    pub(super) async fn end_of(&self, job: JobId) -> Result<Option<u64>> {
        let end = message::of_end(job, self.store.read_job(job).await?);
        Ok(end.map(|end| end.seq()))
    }

    pub(super) fn enter(self: &Arc<Self>, job: JobId, client: &str, transport: Transport) -> Result<Watch> {
        let mut table = self.table();
        let of_client = table.of_client.entry(client.to_owned()).or_default();
        if *of_client >= self.most_of_client {
            let limit = u64::try_from(self.most_of_client).unwrap_or(u64::MAX);
            return Err(Error::QuotaExceeded { quota: "subscriptions", limit, retry_after: COME_AGAIN });
        }
        *of_client += 1;
        table.entered = (table.entered + 1) % PARTS;
        let part = table.entered;
        let (count, watched) = table.jobs.entry(job).or_insert_with(|| (0, Arc::new(Watched::new(part))));
        *count += 1;
        let (is_first, watched) = (*count == 1, Arc::clone(watched));
        if is_first {
            table.changed.insert(job);
        }
        drop(table);
        if is_first {
            self.changed.notify_one();
        }
        self.metrics.watchers(transport.as_str()).inc();
        let called = watched.called.subscribe();
        Ok(Watch { watchers: Arc::clone(self), watched, called, job, client: client.to_owned(), transport })
    }

    /// How a job stands for those who begin to watch it; `None` when it is gone.
    pub(super) async fn head(&self, job: JobId) -> Result<Option<LiveHead>> {
        Ok(self.store.live_head(job).await?)
    }

    pub(super) async fn has_gap(&self, job: JobId, after: u64, beside: Beside) -> Result<bool> {
        Ok(self.store.live_has_gap(job, after, beside).await?)
    }

    async fn read(&self, job: JobId, watched: &Watched, after: u64, beside: Beside) -> Result<Page> {
        let metrics = beside.metrics && watched.has_metrics.load(Ordering::Relaxed);
        let mut read = self.store.read_live(job, after, Beside { metrics, ..beside }, PAGE).await?;
        if beside.metrics && !metrics && read.has_metrics {
            watched.has_metrics.store(true, Ordering::Relaxed);
            // What was read without them would pass them over.
            read = self.store.read_live(job, after, beside, PAGE).await?;
        }
        let of_event = |event| Message::from(message::of_event(job, event));
        let mut page = Page { messages: read.events.into_iter().map(of_event).collect(), more: read.more, over: false };
        if read.over && !read.more {
            let reached = page.messages.last().map_or(after, |message| message.seq);
            if read.packed
                && let Some(head) = self.head(job).await?
                && reached < head.seq
            {
                // Whoever takes so long over a job that has ended hears that not all of it is left.
                page.messages.push(message::snapshot(job, head, reached, true).into());
            }
            // A retry may have come in between: then there is no end.
            let end = message::of_end(job, self.store.read_job(job).await?);
            page.over = end.is_some();
            page.messages.extend(end.map(Message::from));
        }
        Ok(page)
    }

    /// Listens to Redis for ever.
    pub async fn run(self: Arc<Self>) {
        tokio::join!(self.listen(), self.look_anyway());
    }

    async fn listen(&self) {
        loop {
            if self.table().jobs.is_empty() {
                self.changed.notified().await;
                continue;
            }
            let lost = match self.store.live_channel().await {
                Ok(channel) => self.hear(channel).await,
                Err(error) => error,
            };
            warn!(error = %lost, "those who watch jobs are called again soon");
            sleep(RECONNECT_AFTER).await;
        }
    }

    /// Calls watchers when their jobs are heard of, until the connection is lost.
    async fn hear(&self, mut channel: LiveChannel) -> StoreError {
        let mut heard = HashSet::new();
        {
            let mut table = self.table();
            table.changed = table.jobs.keys().copied().collect();
        }
        let mut ping = interval(PING);
        loop {
            if let Err(error) = self.tune(&mut channel, &mut heard).await {
                return error;
            }
            tokio::select! {
                job = channel.next() => match job {
                    Some(job) => self.call(job),
                    None => return StoreError::Away("the connection was closed".to_owned()),
                },
                () = self.changed.notified() => {}
                _ = ping.tick() => if let Err(error) = channel.ping().await { return error },
            }
        }
    }

    /// Listens for those jobs that are watched, and for no others. Messages from before may have been missed.
    async fn tune(&self, channel: &mut LiveChannel, heard: &mut HashSet<JobId>) -> Result<(), StoreError> {
        let (fresh, gone): (Vec<_>, Vec<_>) = {
            let mut table = self.table();
            let changed = std::mem::take(&mut table.changed);
            let differs = |job: &JobId| table.jobs.contains_key(job) != heard.contains(job);
            changed.into_iter().filter(differs).partition(|job| table.jobs.contains_key(job))
        };
        for jobs in fresh.chunks(CHANNELS) {
            channel.add(jobs).await?;
            heard.extend(jobs);
            jobs.iter().for_each(|job| self.call(*job));
        }
        for jobs in gone.chunks(CHANNELS) {
            channel.remove(jobs).await?;
            for job in jobs {
                heard.remove(job);
            }
        }
        if !(fresh.is_empty() && gone.is_empty()) {
            debug!(jobs = heard.len(), "listening for jobs that are watched");
        }
        Ok(())
    }

    async fn look_anyway(&self) {
        let mut tick = interval(SLOW_POLL / PARTS);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for part in (0..PARTS).cycle() {
            tick.tick().await;
            for (_, watched) in self.table().jobs.values().filter(|(_, watched)| watched.part == part) {
                watched.call();
            }
        }
    }

    fn call(&self, job: JobId) {
        if let Some((_, watched)) = self.table().jobs.get(&job) {
            watched.call();
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn new(part: u32) -> Self {
        Self { part, called: watch::Sender::new(0), latest: Default::default(), has_metrics: AtomicBool::new(false) }
    }

    fn call(&self) {
        self.called.send_modify(|times| *times += 1);
    }
}

impl Watch {
    /// Waits until there may be something new since the last reading began.
    pub(super) async fn called(&mut self) {
        // The sender lives as long as this.
        let _ = self.called.changed().await;
    }

    /// What came after a message. Those who have read everything before it read it once for all.
    pub(super) async fn read(&mut self, after: u64, beside: Beside, is_latest: bool) -> Result<Arc<Page>> {
        let wanted = *self.called.borrow_and_update();
        if !is_latest {
            return Ok(Arc::new(self.watchers.read(self.job, &self.watched, after, beside).await?));
        }
        let alike = usize::from(beside.logs) + 2 * usize::from(beside.metrics);
        let mut latest = self.watched.latest[alike].lock().await;
        if let Some(known) = latest.as_ref().filter(|known| known.after == after && known.called >= wanted) {
            return Ok(Arc::clone(&known.page));
        }
        let called = *self.watched.called.borrow();
        let page = Arc::new(self.watchers.read(self.job, &self.watched, after, beside).await?);
        *latest = Some(Latest { after, called, page: Arc::clone(&page) });
        Ok(page)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchers.metrics.watchers(self.transport.as_str()).dec();
        let mut table = self.watchers.table();
        if let Some(of_client) = table.of_client.get_mut(&self.client) {
            *of_client -= 1;
            if *of_client == 0 {
                table.of_client.remove(&self.client);
            }
        }
        let Some((count, _)) = table.jobs.get_mut(&self.job) else { return };
        *count -= 1;
        if *count == 0 {
            table.jobs.remove(&self.job);
            table.changed.insert(self.job);
            drop(table);
            self.watchers.changed.notify_one();
        }
    }
}
