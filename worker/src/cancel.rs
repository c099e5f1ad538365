//! The signal that tells one task to stop, and why.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Why a task was told to stop; it decides what is reported of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// This worker does not hold it any more: nothing is reported.
    LeaseLost,
    /// Its job was cancelled.
    Cancelled,
    /// Its deadline passed.
    Deadline,
    /// The worker shuts down and gives it back.
    Released,
}

/// A task's stop signal. The first reason is the one that counts.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    reason: OnceLock<StopReason>,
    token: CancellationToken,
}

impl StopSignal {
    /// Tells the task to stop, unless it was told already.
    pub fn stop(&self, reason: StopReason) {
        if self.0.reason.set(reason).is_ok() {
            self.0.token.cancel();
        }
    }

    /// Why it was told to stop; none while it was not.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        self.0.reason.get().copied()
    }

    /// Waits until it is told to stop.
    pub async fn stopped(&self) {
        self.0.token.cancelled().await;
    }
}
