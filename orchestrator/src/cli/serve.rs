//! Puts the parts together and serves until it is told to stop.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use axum::serve::ListenerExt;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::SignalKind,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Failure;
use crate::{
    blobs::Blobs,
    catalogue::Catalogue,
    clients::Directory,
    dispatch::{Commands, Dispatch, Ratings, Registry},
    duties,
    engine::Engine,
    http::{App, Gate, Limits, router},
    live::{Reports, Watchers},
    metrics::Metrics,
    settings::Settings,
    store::{Durations, Packing, Store, StoreError},
    time::now_ms,
    traces::Traces,
    webhooks::Webhooks,
};

/// Requests and webhooks under way may take this long after a signal; polls that wait are answered at once.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// A connection whose other end has taken nothing for so long is cut, whatever it was for.
#[cfg(target_os = "linux")]
const UNTAKEN: Duration = Duration::from_secs(60);
/// Bytes that the system keeps for one whose other end does not read, beside what that has taken in already.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// `relevo serve`.
pub(super) async fn serve(settings: Settings) -> Result<ExitCode, Failure> {
    let service = Service::prepare(&settings).await?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
    info!(listen = %listener.local_addr()?, "serving");
    service.run(listener).await?;
    Ok(ExitCode::SUCCESS)
}

/// All parts of an orchestrator, put together and not yet running.
pub(super) struct Service {
    app: App,
    packing: Packing,
    stopping: CancellationToken,
}

impl Service {
    /// Puts the parts together. What cannot work is refused here, before anybody is told that it serves.
    pub(super) async fn prepare(settings: &Settings) -> Result<Self, Failure> {
        let directory = Arc::new(Directory::load(settings)?);
        let (clients, worker_tokens) = directory.current().counts();
        if clients == 0 {
            warn!("no client token is set: nobody can create jobs");
        }
        if worker_tokens == 0 {
            warn!("no worker token is set: nobody can work");
        }
        let retention = Duration::from_secs(u64::from(settings.retention_days) * 24 * 3600);
        let confirm = Duration::from_secs(settings.confirm_seconds.into());
        let durations = Durations { retention, confirm, ..Durations::default() };
        let mut store = Store::new(&settings.redis_url, settings.partitions, durations)
            .map_err(|error| format!("the setting redis_url cannot be used: {error}"))?;
        let blobs = settings.s3.as_ref().map(Blobs::new);
        if let Some(blobs) = &blobs {
            // Also with the archive off: there may be jobs in it from before.
            store = store.with_archive(Arc::new(blobs.clone()));
        }
        let packing =
            Packing { after: Duration::from_secs_f64(settings.pack_after_seconds), archive: settings.archive };
        match store.settle().await {
            Err(error @ StoreError::Away(_)) => warn!(%error, "redis is not there yet"),
            other => other?,
        }
        let grace = Duration::from_secs(settings.cancel_grace_seconds.into());
        let stopping = CancellationToken::new();
        let catalogue = Arc::new(Catalogue::load(&settings.blueprints)?);
        let metrics = Arc::new(Metrics::new());
        metrics.include(store.calls());
        let traces = Traces::from_environment()
            .map_err(|error| format!("the collector that OTEL_EXPORTER_OTLP_ENDPOINT names cannot be used: {error}"))?;
        let traces = Arc::new(traces);
        let engine = Engine::new(
            store.clone(),
            Arc::clone(&catalogue),
            Arc::clone(&directory),
            Arc::clone(&metrics),
            Arc::clone(&traces),
            grace,
        );
        let engine = Arc::new(engine.with_files(blobs.clone()));
        let (moves, knows, counts) = (Arc::clone(&engine), Arc::clone(&directory), Arc::clone(&metrics));
        let webhooks = Webhooks::new(store.clone(), moves, knows, counts, settings)?;
        let app = App {
            catalogue,
            engine,
            webhooks: Arc::new(webhooks),
            dispatch: Dispatch::new(store.clone(), Arc::clone(&metrics), stopping.clone()),
            ratings: Ratings::new(store.clone()),
            registry: Arc::new(Registry::new(store.clone())),
            commands: Commands::new(store.clone(), stopping.clone()),
            reports: Reports::new(store.clone(), Arc::clone(&metrics), stopping.clone()),
            watchers: Watchers::new(
                store.clone(),
                Arc::clone(&metrics),
                stopping.clone(),
                settings.max_subscriptions_per_client,
                Duration::from_secs(settings.subscriber_patience_seconds.into()),
            ),
            store,
            blobs,
            directory,
            gate: Arc::new(Gate::new(settings)),
            metrics,
            traces,
            may_flush: settings.allow_flush,
            limits: Limits { json: settings.max_body_bytes, upload: settings.max_upload_bytes },
            started_at: now_ms(),
        };
        Ok(Self { app, packing, stopping })
    }

    /// Serves on this listener until SIGTERM or SIGINT.
    pub(super) async fn run(self, listener: TcpListener) -> Result<(), Failure> {
        let Self { app, packing, stopping } = self;
        let traces = Arc::clone(&app.traces);
        let mut background = JoinSet::new();
        background.spawn(Arc::clone(&app.dispatch).run());
        background.spawn(Arc::clone(&app.commands).run());
        background.spawn(Arc::clone(&app.watchers).run());
        background.spawn(Arc::clone(&app.ratings).run());
        background.spawn(Arc::clone(&app.directory).run());
        background.spawn(duties::look_after_jobs(app.store.clone(), Arc::clone(&app.engine), Arc::clone(&app.ratings)));
        background.spawn(duties::look_after_schedules(Arc::clone(&app.engine)));
        background.spawn(duties::keep_house(app.store.clone(), packing));
        background.spawn(duties::watch_blueprints(Arc::clone(&app.catalogue)));
        background.spawn(duties::measure(app.store.clone(), Arc::clone(&app.catalogue), Arc::clone(&app.metrics)));
        let mut delivering = tokio::spawn(Arc::clone(&app.webhooks).run(stopping.clone()));
        let listener = listener.tap_io(|socket| tune(socket));
        // Where a request comes from counts for its limits.
        let (commands, reports, watchers) =
            (Arc::clone(&app.commands), Arc::clone(&app.reports), Arc::clone(&app.watchers));
        let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
        let told = stopping.clone();
        let serving = axum::serve(listener, service).with_graceful_shutdown(told.cancelled_owned());
        let mut served = tokio::spawn(serving.into_future());
        let failed = tokio::select! {
            () = told_to_stop() => None,
            ended = background.join_next() => Some(format!("a background task ended: {ended:?}")),
            ended = &mut delivering => Some(format!("the delivery of webhooks ended: {ended:?}")),
            ended = &mut served => Some(format!("the server ended: {ended:?}")),
        };
        info!("stopping");
        stopping.cancel();
        if let Some(reason) = failed {
            return Err(reason.into());
        }
        let all_done = async {
            let _ = tokio::join!(served, commands.ended(), watchers.ended(), delivering);
            reports.ended().await;
        };
        let _ = tokio::time::timeout(SHUTDOWN_GRACE, all_done).await;
        let _ = tokio::task::spawn_blocking(move || traces.close()).await;
        Ok(())
    }
}

/// Sets a connection up that has been accepted. What cannot be set stays as the system has it.
fn tune(socket: &TcpStream) {
    // Answers are small and wanted at once.
    let _ = socket.set_nodelay(true);
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(socket);
        let _ = socket.set_tcp_user_timeout(Some(UNTAKEN));
        let _ = socket.set_tcp_notsent_lowat(UNSENT);
    }
}

/// Ends when this process gets SIGTERM or SIGINT.
pub(super) async fn told_to_stop() {
    let mut terminate =
        tokio::signal::unix::signal(SignalKind::terminate()).expect("SIGTERM can be listened for on Unix");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
