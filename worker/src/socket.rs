//! The WebSocket to the orchestrator: commands arrive on it sooner than with the next heartbeat. Optional: without it
//! everything works, only later.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use relevo_shared::command::Command;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    backoff::Backoff,
    client::{Client, Socket},
    held::Held,
};

/// The orchestrator pings three times in this time; a line that stays silent for so long is cut.
const SILENCE: Duration = Duration::from_secs(30);
/// A line that held this long was a good one: the next attempt comes soon.
const SOUND: Duration = Duration::from_secs(10);

/// Obeys what comes over the WebSocket, and opens it again whenever it breaks, until `stopped`.
pub(crate) async fn obey(
    client: Arc<Client>,
    held: Arc<Held>,
    draining: CancellationToken,
    stopped: CancellationToken,
) {
    let talk = async {
        let mut backoff = Backoff::default();
        loop {
            let began = tokio::time::Instant::now();
            match client.open_socket().await {
                Ok(socket) => {
                    debug!("websocket opened");
                    let end = listen(socket, &held, &draining).await;
                    debug!(end, "websocket closed");
                }
                Err(fault) => debug!(error = %fault, "no websocket"),
            }
            if began.elapsed() > SOUND {
                backoff.reset();
            }
            tokio::time::sleep(backoff.next(None)).await;
        }
    };
    stopped.run_until_cancelled(talk).await;
}

/// Obeys until the line breaks; says how it ended.
async fn listen(mut socket: Socket, held: &Held, draining: &CancellationToken) -> String {
    loop {
        match timeout(SILENCE, socket.next()).await {
            Err(_) => return "it was silent for too long".to_owned(),
            Ok(None | Some(Err(Error::ConnectionClosed))) => return "the orchestrator closed it".to_owned(),
            Ok(Some(Err(fault))) => return fault.to_string(),
            Ok(Some(Ok(Message::Text(text)))) => match serde_json::from_str(text.as_str()) {
                Ok(command) => act(&command, held, draining),
                Err(fault) => warn!(error = %fault, "a command that this release does not know"),
            },
            // Answers to pings are written by the library when something is sent, and a flush sends them.
            Ok(Some(Ok(_))) => {
                if let Err(fault) = socket.flush().await {
                    return fault.to_string();
                }
            }
        }
    }
}

fn act(command: &Command, held: &Held, draining: &CancellationToken) {
    match command {
        Command::CancelTask { task_id, .. } => {
            info!(task = %task_id, "told to stop: cancelled");
            held.cancel(*task_id);
        }
        Command::Drain => {
            info!("told to drain");
            draining.cancel();
        }
    }
}
