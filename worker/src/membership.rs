//! The worker's registration: made once, and again whenever the orchestrator has forgotten it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use relevo_shared::worker::{Registration, Resources, Skill};
use serde_json::json;
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::{
    backoff::Backoff,
    client::{CallError, Client},
    gpus, host,
    settings::Settings,
    skills::Registry,
};

/// Keeps the worker known to its orchestrator.
#[derive(Debug)]
pub(crate) struct Membership {
    client: Arc<Client>,
    registration: Registration,
    made: AtomicU64,
    making: Mutex<()>,
}

impl Membership {
    /// Prepares the registration; sends nothing yet.
    #[must_use]
    pub(crate) fn new(client: Arc<Client>, settings: &Settings, registry: &Registry) -> Self {
        let gpus = gpus::gpus();
        let registration = Registration {
            worker_type: settings.worker_type.clone(),
            resources: Some(Resources {
                max_concurrent_tasks: u32::try_from(settings.concurrency).ok(),
                cpu_cores: host::cpu_cores(),
                ram_gb: host::ram_gb(),
                gpu_info: gpus::largest(&gpus),
                devices: (!gpus.is_empty()).then_some(gpus),
                ..Resources::default()
            }),
            installed_models: Some(registry.installed_models.clone()),
            labels: settings.labels.clone(),
            // Views of jobs tell which process ran them.
            capabilities: Some(json!({ "pid": std::process::id() })),
            heartbeat_seconds: u32::try_from(settings.heartbeat.as_secs()).ok(),
            ..Registration::of_skills(
                settings.worker_id.clone(),
                registry.names().into_iter().map(Skill::Name).collect(),
            )
        };
        Self { client, registration, made: AtomicU64::new(0), making: Mutex::new(()) }
    }

    /// Counts the registrations, so that two loops which meet the same refusal register once.
    #[must_use]
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// Registers for the first time; waits as long as the orchestrator is away.
    ///
    /// # Errors
    /// The token or the registration was refused: a person must mend the settings.
    pub(crate) async fn join(&self) -> Result<(), CallError> {
        let mut backoff = Backoff::default();
        loop {
            match self.client.register(&self.registration).await {
                Ok(()) => break,
                Err(away @ CallError::Away { .. }) => {
                    let delay = backoff.next(away.retry_after());
                    warn!(error = %away, ?delay, "not registered yet");
                    tokio::time::sleep(delay).await;
                }
                Err(refused) => return Err(refused),
            }
        }
        self.made.fetch_add(1, Ordering::Release);
        info!(worker = %self.registration.worker_id, "registered");
        Ok(())
    }

    /// Registers again unless that happened since `seen`. When it fails, the caller's next call meets the reason.
    pub(crate) async fn rejoin(&self, seen: u64) {
        let _one_at_a_time = self.making.lock().await;
        if self.made() == seen
            && let Err(refused) = self.join().await
        {
            warn!(error = %refused, "not registered again");
        }
    }
}
