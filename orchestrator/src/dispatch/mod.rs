//! Hands tasks to the long polls that wait for them.
//!
//! Polls wait in memory. A message from Redis wakes one of them, which then claims; nothing here holds a task, so a
//! replica that dies takes nothing with it.

mod registry;
mod waiting;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus::IntGauge;
use relevo_shared::WorkerId;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use registry::Registry;
use waiting::{Place, Waiting};

use crate::{
    domain::{
        blueprint::Requirements,
        placement::{Candidate, Profile, meets},
    },
    error::Result,
    metrics::Metrics,
    store::{Claim, Claimed, ClaimedTask, Store, Wake},
};

/// Behind the messages, in case one is lost: each queue that someone waits for is looked at this often.
const SLOW_POLL: Duration = Duration::from_secs(5);

/// A worker's request for tasks.
#[derive(Debug, Clone)]
pub struct Poll {
    /// Who asks.
    pub worker: WorkerId,
    /// What it can do.
    pub profile: Profile,
    /// How it stands among others that wait.
    pub candidate: Candidate,
    /// How long its leases last.
    pub lease: Duration,
    /// At most this many tasks.
    pub max: usize,
    /// How long it will wait.
    pub wait: Duration,
}

/// Hands out tasks; one per replica.
#[derive(Debug)]
pub struct Dispatch {
    store: Store,
    metrics: Arc<Metrics>,
    waiting: Arc<Waiting>,
    /// Queue to what its tasks ask for, for queues that ask for anything.
    requirements: Mutex<Arc<BTreeMap<String, Requirements>>>,
    stopping: CancellationToken,
}

impl Dispatch {
    /// A dispatch with nobody waiting.
    #[must_use]
    pub fn new(store: Store, metrics: Arc<Metrics>, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self { store, metrics, waiting: Arc::default(), requirements: Mutex::default(), stopping })
    }

    /// Waits until there is a task for this worker. Empty when there was none in time, or when this replica is stopping.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn next_tasks(&self, poll: Poll) -> Result<Vec<ClaimedTask>> {
        let deadline = Instant::now() + poll.wait;
        let _counted = Counted::new(self.metrics.waiting_polls());
        // Entered before the first claim: a task that comes between claim and wait is not missed.
        let mut known = self.known();
        let mut place = Place::enter(&self.waiting, queues_for(&poll.profile, &known), poll.candidate);
        while !self.stopping.is_cancelled() {
            if let Some(seen) = place.may_have_tasks() {
                let Claimed { tasks, emptied } = self.claim(&poll, place.queues()).await?;
                if emptied {
                    place.found_empty(&seen);
                }
                if !tasks.is_empty() {
                    if !emptied {
                        place.pass_on();
                    }
                    return Ok(tasks);
                }
            }
            tokio::select! {
                woken = timeout_at(deadline, place.woken()) => if woken.is_err() { break },
                () = self.stopping.cancelled() => {}
            }
            let now_known = self.known();
            if !Arc::ptr_eq(&known, &now_known) {
                // A task asks for what no task asked for before: this worker may have it.
                known = now_known;
                place = Place::enter(&self.waiting, queues_for(&poll.profile, &known), poll.candidate);
            }
        }
        Ok(Vec::new())
    }

    fn known(&self) -> Arc<BTreeMap<String, Requirements>> {
        Arc::clone(&self.requirements.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn claim(&self, poll: &Poll, queues: &[String]) -> Result<Claimed> {
        let lease_ms = u64::try_from(poll.lease.as_millis()).unwrap_or(u64::MAX);
        let mut all = Claimed { tasks: Vec::new(), emptied: true };
        for partition in self.store.partitions() {
            if all.tasks.len() >= poll.max {
                // The partitions that were not looked at may hold more.
                all.emptied = false;
                break;
            }
            let claim = Claim { worker: &poll.worker, queues, max: poll.max - all.tasks.len(), lease_ms };
            let here = self.store.claim_tasks(partition, &claim).await?;
            all.tasks.extend(here.tasks);
            all.emptied &= here.emptied;
        }
        for task in &all.tasks {
            self.metrics.task_claimed(task.skill.as_str(), task.queued_ms);
        }
        Ok(all)
    }

    /// Listens to Redis for ever, and looks at every queue now and then in case a message was lost.
    pub async fn run(self: Arc<Self>) {
        let (heard, mut fresh) = tokio::sync::mpsc::unbounded_channel::<()>();
        let listening = self.store.listen_for_wakes(|wake| match wake {
            Wake::Queue(queue) => {
                if queue.contains('|') && !self.knows(&queue) {
                    let _ = heard.send(());
                }
                self.waiting.wake(&queue);
            }
            Wake::Any => {
                let _ = heard.send(());
                self.waiting.wake_all();
            }
        });
        let slow_poll = async {
            let mut tick = tokio::time::interval(SLOW_POLL);
            loop {
                tokio::select! {
                    _ = tick.tick() => {}
                    _ = fresh.recv() => {}
                }
                while fresh.try_recv().is_ok() {}
                if let Err(error) = self.learn_requirements().await {
                    warn!(%error, "cannot read which requirements there are");
                }
                self.waiting.wake_all();
            }
        };
        tokio::join!(listening, slow_poll);
    }

    fn knows(&self, queue: &str) -> bool {
        self.known().contains_key(queue)
    }

    async fn learn_requirements(&self) -> Result<()> {
        let known = self.store.requirements().await?;
        let read = known.into_iter().filter_map(|(queue, text)| Some((queue, serde_json::from_str(&text).ok()?)));
        let read: BTreeMap<String, Requirements> = read.collect();
        let mut known = self.requirements.lock().unwrap_or_else(PoisonError::into_inner);
        if **known != read {
            *known = Arc::new(read);
        }
        Ok(())
    }
}

/// The queues that hold tasks which this worker may have.
fn queues_for(profile: &Profile, known: &BTreeMap<String, Requirements>) -> Vec<String> {
    let mut queues = Vec::new();
    for skill in &profile.skills {
        let start = format!("{skill}|");
        queues.push(skill.to_string());
        let special = known.range(start.clone()..).take_while(|(queue, _)| queue.starts_with(&start));
        queues.extend(special.filter(|(_, wanted)| meets(profile, wanted)).map(|(queue, _)| queue.clone()));
    }
    queues
}

/// Counts one more for as long as it lives, also when its poll is dropped half-way.
struct Counted<'a>(&'a IntGauge);

impl<'a> Counted<'a> {
    fn new(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
