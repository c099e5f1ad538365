//! Commands to workers: the WebSockets that this replica holds, and what is to be said on them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use relevo_shared::{WorkerId, command::Command};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::{
    error::Result,
    store::{Order, Store},
};

/// Commands that may wait for a slow worker; those beyond reach it by its heartbeats.
const WAITING: usize = 64;

/// The WebSockets of this replica; one per replica.
#[derive(Debug)]
pub struct Commands {
    store: Store,
    open: Mutex<HashMap<WorkerId, Open>>,
    tracker: TaskTracker,
    stopping: CancellationToken,
}

#[derive(Debug)]
struct Open {
    socket: String,
    outbox: mpsc::Sender<Command>,
    replaced: CancellationToken,
}

/// A worker's end of one WebSocket.
#[derive(Debug)]
pub struct Line {
    /// Whose it is.
    pub worker: WorkerId,
    socket: String,
    inbox: mpsc::Receiver<Command>,
    replaced: CancellationToken,
}

impl Line {
    /// The next command; `None` when the worker has opened a newer WebSocket, and this one is to be closed.
    pub async fn next(&mut self) -> Option<Command> {
        tokio::select! {
            biased;
            () = self.replaced.cancelled() => None,
            command = self.inbox.recv() => command,
        }
    }
}

impl Commands {
    /// No WebSocket is open yet.
    #[must_use]
    pub fn new(store: Store, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self { store, open: Mutex::default(), tracker: TaskTracker::new(), stopping })
    }

    /// Opens a worker's WebSocket; an older one of the same worker is closed, on any replica.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn open(&self, worker: WorkerId) -> Result<Line> {
        let socket = uuid::Uuid::new_v4().to_string();
        let (outbox, inbox) = mpsc::channel(WAITING);
        let line = Line { worker, socket, inbox, replaced: CancellationToken::new() };
        let entry = Open { socket: line.socket.clone(), outbox, replaced: line.replaced.clone() };
        if let Some(older) = self.table().insert(line.worker.clone(), entry) {
            older.replaced.cancel();
        }
        self.store.enter_socket(&line.worker, &line.socket).await?;
        debug!(worker = %line.worker, "websocket opened");
        Ok(line)
    }

    /// Notes that a WebSocket is still open. One that a newer one has replaced is closed, had the message of it been lost.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn renew(&self, line: &Line) -> Result<()> {
        if self.store.renew_socket(&line.worker, &line.socket).await? {
            line.replaced.cancel();
        }
        Ok(())
    }

    /// Notes that a WebSocket was closed.
    pub async fn close(&self, line: Line) {
        {
            let mut table = self.table();
            if table.get(&line.worker).is_some_and(|open| open.socket == line.socket) {
                table.remove(&line.worker);
            }
        }
        // Redis forgets it by itself soon.
        if let Err(error) = self.store.leave_socket(&line.worker, &line.socket).await {
            debug!(worker = %line.worker, %error, "the note of a closed websocket stays for a while");
        }
        debug!(worker = %line.worker, "websocket closed");
    }

    /// Listens for orders for ever, and passes them on to the WebSockets that are here.
    pub async fn run(self: Arc<Self>) {
        self.store.listen_for_orders(|order| self.obey(order)).await;
    }

    fn obey(&self, order: Order) {
        let table = self.table();
        match order {
            Order::Tell { worker, command } => {
                if let Some(open) = table.get(&worker)
                    && open.outbox.try_send(command).is_err()
                {
                    warn!(%worker, "its websocket is too slow: a command is left to its heartbeats");
                }
            }
            Order::Opened { worker, socket } => {
                if let Some(open) = table.get(&worker)
                    && open.socket != socket
                {
                    open.replaced.cancel();
                }
            }
        }
    }

    /// Waits until this replica is told to stop.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Runs a conversation that [`Self::ended`] waits for.
    pub fn spawn(&self, conversation: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(conversation);
    }

    /// Waits until every conversation has ended, which they do when this replica stops.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn table(&self) -> MutexGuard<'_, HashMap<WorkerId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
