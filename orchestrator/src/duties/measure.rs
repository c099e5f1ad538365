//! Reads how full the queues are and how many workers there are, for the metrics.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    catalogue::Catalogue,
    domain::usage::{MOST_GPUS, gpu_levels},
    error::Result,
    metrics::{Levels, Metrics},
    store::Store,
};

/// As often as Prometheus usually looks.
const PERIOD: Duration = Duration::from_secs(5);
/// Workers whose devices are looked at; one has a GPU or more.
const MOST_WORKERS: usize = 5_000;
/// A worker that has been silent for longer is not counted.
const SILENCE: Duration = Duration::from_secs(60);

/// Runs for ever. While Redis is away there are no levels: none is better than an old one.
pub async fn measure(store: Store, catalogue: Arc<Catalogue>, metrics: Arc<Metrics>) {
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        metrics.set_levels(look(&store, &catalogue).await.ok());
    }
}

async fn look(store: &Store, catalogue: &Catalogue) -> Result<Levels> {
    let mut queues = catalogue.queues();
    queues.extend(store.requirements().await?.into_keys());
    let queues: Vec<String> = queues.into_iter().collect();
    let lengths = store.queue_lengths(&queues).await?;
    Ok(Levels {
        queued: queues.into_iter().zip(lengths).collect(),
        held: store.held_tasks().await?,
        workers: store.workers_heard_within(SILENCE).await?,
        gpus: gpu_levels(&store.devices_in_use(SILENCE, MOST_WORKERS).await?, MOST_GPUS),
    })
}
