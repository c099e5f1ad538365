//! What every replica does in the background. Each duty is safe to run twice and in many replicas at once.

mod blueprints;
mod jobs;
mod measure;

use std::{sync::Arc, time::Duration};

pub use blueprints::watch as watch_blueprints;

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

pub use measure::measure;

use crate::{dispatch::Ratings, engine::Engine, error::Result, store::Store};

/// How late a timer, an expired lease or an instant of a schedule may be noticed.
const PERIOD: Duration = Duration::from_millis(200);

/// Runs for ever: ends leases that have run out, and moves jobs whose time has come.
pub async fn look_after_jobs(store: Store, engine: Arc<Engine>, ratings: Arc<Ratings>) {
    let round = || {
        let (store, engine, ratings) = (store.clone(), Arc::clone(&engine), Arc::clone(&ratings));
        async move { jobs::look_after(&store, &engine, &ratings).await }
    };
    for_ever("jobs", round).await;
}

/// Runs for ever: creates the jobs of schedules.
pub async fn look_after_schedules(engine: Arc<Engine>) {
    let round = || {
        let engine = Arc::clone(&engine);
        async move { engine.tend_schedules().await }
    };
    for_ever("schedules", round).await;
}

/// Does a round of a duty again and again.
async fn for_ever<R: Future<Output = Result<()>>>(duty: &'static str, round: impl Fn() -> R) {
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tick.tick().await;
        let result = round().await;
        match &result {
            // Said once, not five times a second for as long as Redis is away.
            Err(error) if !away => warn!(duty, %error, "a duty waits"),
            _ => {}
        }
        away = result.is_err();
    }
}
