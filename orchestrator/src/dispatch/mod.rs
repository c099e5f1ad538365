//! Hands tasks to the long polls that wait for them.
//!
//! Polls wait in memory. A message from Redis wakes one of them, which then claims; nothing here holds a task, so a
//! replica that dies takes nothing with it.

mod commands;
mod ratings;
mod registry;
mod waiting;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::IntGauge;
use relevo_shared::WorkerId;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use commands::{Commands, Line};
pub use ratings::Ratings;
pub use registry::Registry;
use waiting::{Place, Waiting};

use crate::{
    domain::{
        blueprint::Requirements,
        placement::{Profile, meets},
        ranking::{Candidate, Rank, Work},
    },
    error::Result,
    metrics::Metrics,
    store::{Claim, Claimed, ClaimedTask, Pauses, Store, Wake},
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

/// What this replica knows of the queues; every replica comes to know the same.
#[derive(Debug, Default, PartialEq)]
struct Known {
    /// Queue to what its tasks ask for, for queues that ask for anything.
    requirements: BTreeMap<String, Requirements>,
    /// What gets no tasks for now.
    pauses: Pauses,
}

/// When each worker had its last task.
#[derive(Debug, Default)]
struct Turns {
    taken: u64,
    last: HashMap<WorkerId, u64>,
}

/// Workers whose turns are remembered; beyond it all are forgotten.
const TURNS: usize = 20_000;

/// Tasks that one script hands out: it must not keep Redis from others for long.
const MOST_AT_ONCE: usize = 32;

/// Hands out tasks; one per replica.
#[derive(Debug)]
pub struct Dispatch {
    store: Store,
    metrics: Arc<Metrics>,
    waiting: Arc<Waiting>,
    known: Mutex<Arc<Known>>,
    /// Counts the tasks that were handed out, and remembers when each worker had its last.
    turns: Mutex<Turns>,
    stopping: CancellationToken,
}

impl Dispatch {
    /// A dispatch with nobody waiting.
    #[must_use]
    pub fn new(store: Store, metrics: Arc<Metrics>, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            store,
            metrics,
            waiting: Arc::default(),
            known: Mutex::default(),
            turns: Mutex::default(),
            stopping,
        })
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
        let mut place = self.enter(&poll, &known);
        while !self.stopping.is_cancelled() {
            if let Some(seen) = place.may_have_tasks() {
                let queues: Vec<&str> = place.queues().collect();
                let Claimed { tasks, emptied } =
                    self.claim(&poll, &queues, !known.pauses.blueprints.is_empty()).await?;
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
                // A task asks for what no task asked for before, or something was paused or resumed.
                known = now_known;
                place = self.enter(&poll, &known);
            }
        }
        Ok(Vec::new())
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, poll: &Poll, known: &Known) -> Place {
        let last_turn = self.turns().last.get(&poll.worker).copied().unwrap_or_default();
        let candidate = Candidate { last_turn, ..poll.candidate.clone() };
        Place::enter(&self.waiting, |since| {
            if known.pauses.worker(&poll.worker).is_some() {
                return Vec::new();
            }
            queues_for(&poll.profile, known, |work| candidate.rank(work, since))
        })
    }

    async fn claim(&self, poll: &Poll, queues: &[&str], some_paused: bool) -> Result<Claimed> {
        if queues.is_empty() {
            return Ok(Claimed { tasks: Vec::new(), emptied: true });
        }
        let lease_ms = u64::try_from(poll.lease.as_millis()).unwrap_or(u64::MAX);
        let mut all = Claimed { tasks: Vec::new(), emptied: true };
        for partition in self.store.partitions() {
            if all.tasks.len() >= poll.max {
                // The partitions that were not looked at may hold more.
                all.emptied = false;
                break;
            }
            let max = (poll.max - all.tasks.len()).min(MOST_AT_ONCE);
            let claim = Claim { worker: &poll.worker, queues, max, lease_ms, some_paused };
            let here = self.store.claim_tasks(partition, &claim).await?;
            all.tasks.extend(here.tasks);
            all.emptied &= here.emptied;
        }
        for task in &all.tasks {
            self.metrics.task_claimed(task.skill.as_str(), task.queued_ms);
        }
        if !all.tasks.is_empty() {
            let mut turns = self.turns();
            if turns.last.len() >= TURNS {
                turns.last.clear();
            }
            turns.taken += 1;
            let taken = turns.taken;
            turns.last.insert(poll.worker.clone(), taken);
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
                if let Err(error) = self.learn().await {
                    warn!(%error, "cannot read what the queues ask for");
                }
                self.waiting.wake_all();
            }
        };
        tokio::join!(listening, slow_poll);
    }

    fn knows(&self, queue: &str) -> bool {
        self.known().requirements.contains_key(queue)
    }

    /// Comes to know what the queues ask for and what is paused.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn learn(&self) -> Result<()> {
        let known = self.store.requirements().await?;
        let read = known.into_iter().filter_map(|(queue, text)| Some((queue, serde_json::from_str(&text).ok()?)));
        let read = Known { requirements: read.collect(), pauses: self.store.pauses().await? };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = **known != read;
        if changed {
            *known = Arc::new(read);
        }
        drop(known);
        if changed {
            self.waiting.stir();
        }
        Ok(())
    }
}

/// The queues that hold tasks which this worker may have, each with where it stands in the line.
fn queues_for(profile: &Profile, known: &Known, rank: impl Fn(Work<'_>) -> Rank) -> Vec<(String, Rank)> {
    let none = Requirements::default();
    let mut queues = Vec::new();
    for skill in profile.skills.iter().filter(|skill| !known.pauses.skills.contains(skill.as_str())) {
        let rank = |wanted: &Requirements| {
            let placement = wanted.placement.unwrap_or_default();
            rank(Work { skill: skill.as_str(), models: &wanted.models, placement })
        };
        let start = format!("{skill}|");
        queues.push((skill.to_string(), rank(&none)));
        let special = known.requirements.range(start.clone()..).take_while(|(queue, _)| queue.starts_with(&start));
        let met = special.filter(|(_, wanted)| meets(profile, wanted));
        queues.extend(met.map(|(queue, wanted)| (queue.clone(), rank(wanted))));
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
