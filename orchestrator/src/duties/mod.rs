//! What every replica does in the background. Each duty is safe to run twice and in many replicas at once.

mod measure;

use std::{fmt::Display, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

pub use measure::measure;

use crate::{engine::Engine, error::Result, store::Store};

/// How late a timer or an expired lease may be noticed.
const PERIOD: Duration = Duration::from_millis(200);
/// Jobs that are taken at once.
const BATCH: usize = 100;
/// Jobs that are moved at the same time.
const WIDTH: usize = 16;

/// Runs for ever: ends leases that have run out, and moves jobs whose time has come.
pub async fn run(store: Store, engine: Arc<Engine>) {
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tick.tick().await;
        let result = look_after(&store, &engine).await;
        match &result {
            // Said once, not five times a second for as long as Redis is away.
            Err(error) if !away => warn!(%error, "duties wait"),
            _ => {}
        }
        away = result.is_err();
    }
}

/// One round over all partitions.
async fn look_after(store: &Store, engine: &Engine) -> Result<()> {
    for partition in store.partitions() {
        let mut due = store.expire_leases(partition, BATCH).await?;
        loop {
            let taken = store.take_due(partition, BATCH).await?;
            let full = taken.len() == BATCH;
            due.extend(taken);
            each(due.drain(..), |branch| engine.look_at(branch)).await;
            if !full {
                break;
            }
        }
        each(store.take_overdue(partition, BATCH).await?, |job| engine.end_overdue(job)).await;
        each(store.take_sweeps(partition, BATCH).await?, |fan| engine.sweep(fan)).await;
    }
    Ok(())
}

/// Does the same for many, some at a time. What fails is tried again soon, because it stays on its list.
async fn each<T: Display + Copy, F: Future<Output = Result<()>>>(
    entries: impl IntoIterator<Item = T>,
    act: impl Fn(T) -> F,
) {
    let act = &act;
    stream::iter(entries)
        .for_each_concurrent(WIDTH, |entry| async move {
            if let Err(error) = act(entry).await {
                // Whatever it is, its id begins with that of its job.
                let name = entry.to_string();
                let job = name.split('.').next();
                warn!(job, entry = name, %error, "a duty is left to a later look");
            }
        })
        .await;
}
