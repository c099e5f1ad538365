//! Reads the folder of blueprints again when it changes, and at SIGHUP.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use crate::catalogue::Catalogue;

/// How often the folder is looked at.
const PERIOD: Duration = Duration::from_secs(2);

/// Runs for ever.
pub async fn watch(catalogue: Arc<Catalogue>) {
    let mut told = signal(SignalKind::hangup()).expect("SIGHUP can be listened for on Unix");
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let looked_at = Arc::clone(&catalogue);
        let read = tokio::select! {
            _ = tick.tick() => spawn_blocking(move || looked_at.reload_if_changed()),
            _ = told.recv() => spawn_blocking(move || looked_at.reload()),
        };
        read.await.expect("reading blueprints does not panic");
    }
}
