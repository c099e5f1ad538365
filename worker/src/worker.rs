//! The worker as a whole: starts its loops, and on shutdown drains them in order.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    cancel::StopReason,
    claims,
    client::{CallError, Client},
    files::Files,
    heartbeat::Heart,
    held::Held,
    membership::Membership,
    outbox::outbox,
    runner::Runner,
    settings::Settings,
    skills::Registry,
    socket,
    usage::Meter,
    work_folder::WorkFolders,
};

/// How long hand-backs and last results may take once the time to drain is over.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The folder for temporary files cannot be used.
    #[error("work_dir: {path} cannot be used: {fault}")]
    WorkFolder {
        /// The folder.
        path: String,
        /// Why not.
        fault: io::Error,
    },
    /// The machine's TLS library cannot be used.
    #[error("no HTTP client can be made: {0}")]
    Http(#[from] reqwest::Error),
    /// The orchestrator refused this worker.
    #[error("{0}")]
    Refused(#[from] CallError),
    /// A part of the worker stopped by itself, which is a defect.
    #[error("the {0} loop stopped by itself")]
    Broken(&'static str),
}

/// Registers and works until `shutdown`, then drains: claims nothing more, lets tasks finish, hands back what does not.
///
/// # Errors
/// The settings do not work out here, or the orchestrator refuses the worker.
pub async fn work(settings: Settings, registry: Registry, shutdown: CancellationToken) -> Result<(), WorkerError> {
    let folders = WorkFolders::open(&settings.work_dir)
        .map_err(|fault| WorkerError::WorkFolder { path: settings.work_dir.display().to_string(), fault })?;
    let client = Arc::new(Client::new(&settings)?);
    let registry = Arc::new(registry);
    let held = Arc::new(Held::default());
    let membership = Arc::new(Membership::new(Arc::clone(&client), &settings, &registry));
    let Some(joined) = shutdown.run_until_cancelled(membership.join()).await else { return Ok(()) };
    joined?;

    let (outbox, delivery) = outbox(Arc::clone(&client), Arc::clone(&held), settings.worker_id.clone());
    let runner = Arc::new(Runner {
        worker_id: settings.worker_id.clone(),
        registry: Arc::clone(&registry),
        files: Arc::new(Files::new(settings.s3.as_ref())),
        folders,
        client: Arc::clone(&client),
        held: Arc::clone(&held),
        outbox,
        tracker: TaskTracker::new(),
    });
    let heart = Heart {
        client: Arc::clone(&client),
        membership: Arc::clone(&membership),
        held: Arc::clone(&held),
        registry,
        concurrency: settings.concurrency,
        period: settings.heartbeat,
        meter: Meter::start(settings.heartbeat),
    };
    let silence = CancellationToken::new();
    if settings.websocket {
        let socket = socket::obey(Arc::clone(&client), Arc::clone(&held), shutdown.clone(), silence.clone());
        // Not waited for: nothing depends on it, and it ends with the silence.
        tokio::spawn(socket);
    }
    let mut claiming =
        tokio::spawn(claims::claim(client, membership, Arc::clone(&runner), settings.concurrency, shutdown.clone()));
    let mut delivering = tokio::spawn(delivery);
    let mut beating = tokio::spawn(heart.beat(shutdown.clone(), silence.clone()));

    tokio::select! {
        // First: the loops end by themselves once the worker is told to stop, and that is no defect.
        biased;
        () = shutdown.cancelled() => {}
        _ = &mut claiming => return Err(WorkerError::Broken("claim")),
        _ = &mut delivering => return Err(WorkerError::Broken("delivery")),
        _ = &mut beating => return Err(WorkerError::Broken("heartbeat")),
    }
    drain(runner, &held, claiming, delivering, Instant::now() + settings.drain).await;
    silence.cancel();
    let _ = beating.await;
    info!("stopped");
    Ok(())
}

/// Ends what is under way: tasks by `finish_by`, then by handing them back; then the delivery of what they left.
async fn drain(
    runner: Arc<Runner>,
    held: &Held,
    claiming: JoinHandle<()>,
    mut delivering: JoinHandle<()>,
    finish_by: Instant,
) {
    info!(running = held.running(), "draining");
    let _ = claiming.await;
    runner.tracker.close();
    if timeout_at(finish_by, runner.tracker.wait()).await.is_err() {
        info!(running = held.running(), "handing back what is not finished");
        held.stop_all(StopReason::Released);
        let _ = timeout(LAST_WORDS, runner.tracker.wait()).await;
    }
    // The last sender goes with it, so the delivery ends when its queue is empty.
    drop(runner);
    if timeout(LAST_WORDS, &mut delivering).await.is_err() {
        warn!(
            tasks = held.claims().len(),
            "results could not be delivered; the leases will expire and the tasks run again"
        );
        delivering.abort();
    }
}
