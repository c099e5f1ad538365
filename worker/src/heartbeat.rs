//! The heartbeat: renews the leases of what is held, advertises the load, and learns what to stop.

use std::{collections::HashSet, sync::Arc, time::Duration};

use relevo_shared::{TaskId, worker::Heartbeat};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    backoff::Backoff,
    cancel::StopReason,
    client::{CallError, Client},
    held::Held,
    membership::Membership,
    skills::Registry,
    usage::Meter,
};

/// What a heartbeat is made of, and where it goes.
#[derive(Debug)]
pub(crate) struct Heart {
    /// The way to the orchestrator.
    pub(crate) client: Arc<Client>,
    /// Registers again when the orchestrator does not know the worker.
    pub(crate) membership: Arc<Membership>,
    /// The leases to renew.
    pub(crate) held: Arc<Held>,
    /// Tells which models are loaded.
    pub(crate) registry: Arc<Registry>,
    /// Tasks that may run at the same time.
    pub(crate) concurrency: usize,
    /// Most time between heartbeats; tasks may ask for less.
    pub(crate) period: Duration,
    /// What the machine uses.
    pub(crate) meter: Meter,
}

impl Heart {
    /// Beats until `stopped`, then once more to say goodbye. Beats at once when the worker begins to drain.
    pub(crate) async fn beat(self, draining: CancellationToken, stopped: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut said_draining = false;
        loop {
            let answer = self.send(self.status(&draining)).await;
            let pace = self.held.pace(self.period);
            let delay = match &answer {
                Ok(()) => {
                    backoff.reset();
                    pace
                }
                Err(fault) => {
                    let delay = backoff.next(fault.retry_after()).min(pace);
                    warn!(error = %fault, ?delay, "heartbeat failed");
                    delay
                }
            };
            let next = Instant::now() + delay;
            tokio::select! {
                () = stopped.cancelled() => break,
                () = draining.cancelled(), if !said_draining => said_draining = true,
                () = tokio::time::sleep_until(next) => {}
                () = self.held.confirmation_due(), if answer.is_ok() => {}
            }
        }
        // The orchestrator forgets a silent worker by itself, so a goodbye that fails costs nothing.
        let _ = self.send("offline").await;
    }

    async fn send(&self, status: &str) -> Result<(), CallError> {
        // The answer is about these claims alone: a task may be claimed anew before it comes.
        let claims = self.held.claims();
        let heartbeat = Heartbeat {
            status: Some(status.to_owned()),
            load: Some(f64::from(u32::try_from(self.held.running()).unwrap_or(u32::MAX))),
            current_tasks: Some(claims.iter().map(|claim| claim.task.to_string()).collect()),
            // They never change while the worker lives. Named here, they would let an orchestrator that forgot the worker
            // make up a registration without its resources and labels; unnamed, it asks for the real one.
            supported_skills: None,
            hot_cache: Some(self.registry.loaded_models()),
            usage: self.meter.latest(),
            ..Heartbeat::default()
        };
        let seen = self.membership.made();
        let reply = match self.client.heartbeat(&heartbeat).await {
            Err(unknown @ CallError::Unknown(_)) => {
                self.membership.rejoin(seen).await;
                return Err(unknown);
            }
            answer => answer?,
        };
        let [to_stop, cancelled] = [&reply.cancel_task_ids, &reply.cancelled_task_ids].map(|ids| read(ids));
        for claim in claims {
            if cancelled.contains(&claim.task) {
                info!(task = %claim.task, "told to stop: cancelled");
                self.held.stop(claim, StopReason::Cancelled);
            } else if to_stop.contains(&claim.task) {
                info!(task = %claim.task, "told to stop: another worker holds the task");
                self.held.stop(claim, StopReason::LeaseLost);
            } else {
                self.held.confirm(claim);
            }
        }
        Ok(())
    }

    fn status(&self, draining: &CancellationToken) -> &'static str {
        match self.held.running() {
            _ if draining.is_cancelled() => "draining",
            0 => "idle",
            running if running < self.concurrency => "busy",
            _ => "full",
        }
    }
}

fn read(ids: &[String]) -> HashSet<TaskId> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}
