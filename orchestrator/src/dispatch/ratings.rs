//! How well workers do: results are counted here and written to Redis now and then, so that none costs a call of its own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use relevo_shared::WorkerId;
use tracing::warn;

use crate::store::{Rating, Store};

/// How often the counts are written. Those of a replica that is killed in between are lost, and nothing hangs on them.
const PERIOD: Duration = Duration::from_millis(500);

/// Results since the last time that they were written.
#[derive(Debug)]
pub struct Ratings {
    store: Store,
    fresh: Mutex<HashMap<WorkerId, Rating>>,
}

impl Ratings {
    /// Nothing has been counted yet.
    #[must_use]
    pub fn new(store: Store) -> Arc<Self> {
        Arc::new(Self { store, fresh: Mutex::default() })
    }

    /// Counts a result of a worker.
    pub fn count(&self, worker: &WorkerId, good: bool) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let rating = fresh.entry(worker.clone()).or_default();
        if good {
            rating.good += 1;
        } else {
            rating.bad += 1;
        }
    }

    /// Writes what was counted, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut tick = tokio::time::interval(PERIOD);
        loop {
            tick.tick().await;
            let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
            for (worker, rating) in fresh {
                if let Err(error) = self.store.rate_worker(&worker, rating).await {
                    warn!(%worker, %error, "its latest results do not count for its reputation");
                }
            }
        }
    }
}
