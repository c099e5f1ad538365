//! The way of a task's reports to the orchestrator: in the background, at most four a second, none for silent tasks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use relevo_shared::{WorkerId, worker::ProgressReport};
use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};
use tracing::{debug, info};

use crate::{
    backoff::Backoff,
    cancel::{StopReason, StopSignal},
    client::{CallError, Client},
    held::Claim,
    reports::Pending,
};

/// Time between two reports of a task.
const APART: Duration = Duration::from_millis(250);
/// How long the last report may hold up the result.
const LAST_REPORT: Duration = Duration::from_secs(10);

/// Where the reports of one task go.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) client: Arc<Client>,
    pub(crate) worker_id: WorkerId,
    pub(crate) claim: Claim,
    pub(crate) stop: StopSignal,
    /// Skills tell from threads of their own, where no runtime is at hand.
    pub(crate) runtime: Handle,
}

/// A task's voice. Without a route what it says is kept and never sent.
#[derive(Debug)]
pub(crate) struct Telling {
    route: Option<Route>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    told: Notify,
    ended: Notify,
}

#[derive(Debug, Default)]
struct State {
    pending: Pending,
    sending: Option<JoinHandle<()>>,
}

impl Telling {
    pub(crate) fn new(route: Option<Route>) -> Self {
        Self { route, shared: Arc::default() }
    }

    /// Notes something and sees to it that it is sent soon. Never blocks.
    pub(crate) fn tell(&self, note: impl FnOnce(&mut Pending, Instant)) {
        self.shared.with(|state| {
            note(&mut state.pending, Instant::now());
            if let (None, Some(route)) = (&state.sending, &self.route) {
                state.sending = Some(route.runtime.spawn(send_reports(route.clone(), Arc::clone(&self.shared))));
            }
        });
        self.shared.told.notify_one();
    }

    /// Sends what is left and waits until it has arrived. Returns at once for a task that told nothing.
    pub(crate) async fn finish(&self, failed: bool) {
        let sending = self.shared.with(|state| {
            if failed {
                state.pending.fail_running_stages(Instant::now());
            }
            state.sending.take()
        });
        let Some(mut sending) = sending else { return };
        self.shared.ended.notify_one();
        if tokio::time::timeout(LAST_REPORT, &mut sending).await.is_err() {
            sending.abort();
            info!("the last report could not be delivered; the result goes without it");
        }
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // A panic in between leaves a report that is incomplete, never one that is wrong.
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Sends report after report, until the task ended and the last one is out.
async fn send_reports(route: Route, shared: Arc<Shared>) {
    let mut ended = false;
    while !ended {
        tokio::select! {
            () = shared.told.notified() => {}
            () = shared.ended.notified() => ended = true,
        }
        let report = shared.with(|state| state.pending.take(&route.worker_id, route.claim.lease_token, Instant::now()));
        let Some(report) = report else { continue };
        deliver(&route, &report).await;
        if !ended && tokio::time::timeout(APART, shared.ended.notified()).await.is_ok() {
            // What was told since goes in one last round.
            shared.ended.notify_one();
        }
    }
}

/// Repeats a report until it is answered; what is told meanwhile waits and is coalesced.
async fn deliver(route: &Route, report: &ProgressReport) {
    let mut backoff = Backoff::default();
    loop {
        match route.client.report_progress(route.claim.task, report).await {
            Ok(reply) if !reply.cancelled => return,
            Ok(_) => return route.stop.stop(StopReason::Cancelled),
            Err(CallError::LeaseLost) => return route.stop.stop(StopReason::LeaseLost),
            Err(away @ CallError::Away { .. }) => {
                let delay = backoff.next(away.retry_after());
                debug!(error = %away, ?delay, "report not delivered yet");
                tokio::time::sleep(delay).await;
            }
            Err(refused) => return info!(error = %refused, "a report was refused"),
        }
    }
}
