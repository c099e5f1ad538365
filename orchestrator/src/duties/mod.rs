//! What every replica does in the background. Each duty is safe to run twice and in many replicas at once.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

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
            stream::iter(due.drain(..))
                .for_each_concurrent(WIDTH, |job| async move {
                    if let Err(error) = engine.look_at(job).await {
                        warn!(%job, %error, "a job could not be moved; it is looked at again soon");
                    }
                })
                .await;
            if !full {
                break;
            }
        }
    }
    Ok(())
}
