//! Commands to workers: a channel that every replica hears, and a note of which worker has a WebSocket open.

use std::time::Duration;

use relevo_shared::{TaskId, WorkerId, command::Command};
use serde::{Deserialize, Serialize};

use super::{
    Result, Store,
    channel::Heard,
    keys::Keys,
    millis,
    script::{LEAVE_SOCKET, RENEW_SOCKET, Reply},
};

const CHANNEL: &str = "relevo:commands";

/// How long a note of an open WebSocket stands unless it is renewed.
const PRESENCE: Duration = Duration::from_secs(30);

/// What every replica hears, and the one with the worker's WebSocket obeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// To tell a worker something.
    Tell {
        /// Whom.
        worker: WorkerId,
        /// What.
        command: Command,
    },
    /// That a worker has opened a WebSocket: any other one of it is to be closed.
    Opened {
        /// Who.
        worker: WorkerId,
        /// The one that stays open.
        socket: String,
    },
}

impl Store {
    /// Tells a worker something over its WebSocket, on whichever replica that is. Answers whether it has one open; without one
    /// nobody hears it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn tell_worker(&self, worker: &WorkerId, command: Command) -> Result<bool> {
        let order = Order::Tell { worker: worker.clone(), command };
        let mut pipe = redis::pipe();
        pipe.cmd("EXISTS").arg(Keys::socket(worker));
        pipe.cmd("PUBLISH").arg(CHANNEL).arg(text(&order)).ignore();
        let (open,): (bool,) = pipe.query_async(&mut self.connections.get().await?).await?;
        Ok(open)
    }

    /// Notes that a worker has opened this WebSocket, and has every replica close an older one.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn enter_socket(&self, worker: &WorkerId, socket: &str) -> Result<()> {
        let order = Order::Opened { worker: worker.clone(), socket: socket.to_owned() };
        let mut pipe = redis::pipe();
        pipe.cmd("SET").arg(Keys::socket(worker)).arg(socket).arg("PX").arg(millis(PRESENCE)).ignore();
        pipe.cmd("PUBLISH").arg(CHANNEL).arg(text(&order)).ignore();
        Ok(pipe.query_async(&mut self.connections.get().await?).await?)
    }

    /// Notes that the WebSocket of a worker is still open, and says whether a newer one has taken its place. To be called
    /// more often than the note stands: 30 seconds.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn renew_socket(&self, worker: &WorkerId, socket: &str) -> Result<bool> {
        let mut call = RENEW_SOCKET.key(Keys::socket(worker));
        call.arg(socket).arg(millis(PRESENCE));
        let reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(false),
            "replaced" => Ok(true),
            _ => Err(reply.unexpected()),
        }
    }

    /// Takes back the note of a WebSocket that was closed, unless a newer one has taken its place.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn leave_socket(&self, worker: &WorkerId, socket: &str) -> Result<()> {
        let mut call = LEAVE_SOCKET.key(Keys::socket(worker));
        let _: Reply = call.arg(socket).invoke_async(&mut self.connections.get().await?).await?;
        Ok(())
    }

    /// Who holds a task, for a message that names the task and not the worker.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn holder(&self, task: TaskId) -> Result<Option<WorkerId>> {
        let mut get = redis::cmd("HMGET");
        get.arg(self.keys.branch(task.branch)).arg("task").arg("worker");
        let (number, worker): (Option<String>, Option<String>) =
            get.query_async(&mut self.connections.get().await?).await?;
        let holder = worker.filter(|_| number == Some(task.number.to_string()));
        Ok(holder.and_then(|name| name.parse().ok()))
    }

    /// Listens for ever and calls `heard` for each order. An order that is missed is lost: whoever gives one has a slower way too.
    pub async fn listen_for_orders(&self, heard: impl Fn(Order)) {
        let heard = |what| {
            // A newer release may give orders that this one does not know.
            if let Heard::Message(text) = what
                && let Ok(order) = serde_json::from_str(&text)
            {
                heard(order);
            }
        };
        self.listen(CHANNEL, heard).await;
    }
}

fn text(order: &Order) -> String {
    serde_json::to_string(order).expect("an order has string keys only")
}
