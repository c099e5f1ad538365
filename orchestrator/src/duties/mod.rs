//! What every replica does in the background. Each duty is safe to run twice and in many replicas at once.

mod blueprints;
mod housekeeping;
mod jobs;
mod measure;

use std::{sync::Arc, time::Duration};

pub use blueprints::watch as watch_blueprints;

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

pub use measure::measure;

use relevo_shared::JobId;

use crate::{
    dispatch::Ratings,
    engine::Engine,
    error::Result,
    store::{Packing, Store},
};

/// How late a timer, an expired lease or an instant of a schedule may be noticed.
const PERIOD: Duration = Duration::from_millis(200);

/// Runs for ever: ends leases that have run out, and moves jobs whose time has come.
pub async fn look_after_jobs(store: Store, engine: Arc<Engine>, ratings: Arc<Ratings>) {
    let round = || {
        let (store, engine, ratings) = (store.clone(), Arc::clone(&engine), Arc::clone(&ratings));
        async move { jobs::look_after(&store, &engine, &ratings).await }
    };
    for_ever("jobs", PERIOD, round).await;
}

/// Runs for ever: creates the jobs of schedules.
pub async fn look_after_schedules(engine: Arc<Engine>) {
    let round = || {
        let engine = Arc::clone(&engine);
        async move { engine.tend_schedules().await }
    };
    for_ever("schedules", PERIOD, round).await;
}

/// Runs for ever: packs jobs that ended a while ago, and clears up after those whose retention is over.
pub async fn keep_house(store: Store, how: Packing) {
    // Tells this process from others; that such an id can be a job's does not matter.
    let replica = JobId::fresh().to_string();
    let pack = || {
        let (store, replica) = (store.clone(), replica.clone());
        async move { housekeeping::pack(&store, &replica, how).await }
    };
    let sweep = || {
        let (store, replica) = (store.clone(), replica.clone());
        async move { housekeeping::sweep(&store, &replica).await }
    };
    let packing = for_ever("packing", housekeeping::PACKING_PERIOD, pack);
    tokio::join!(packing, for_ever("sweeping", housekeeping::SWEEPING_PERIOD, sweep));
}

/// Does a round of a duty again and again.
async fn for_ever<R: Future<Output = Result<()>>>(duty: &'static str, period: Duration, round: impl Fn() -> R) {
    let mut tick = interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tick.tick().await;
        let result = round().await;
        match &result {
            // Said once, not again and again for as long as Redis is away.
            Err(error) if !away => warn!(duty, %error, "a duty waits"),
            _ => {}
        }
        away = result.is_err();
    }
}
