//! The channel on which every replica hears that a queue has something.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::Store;

pub(super) const CHANNEL: &str = "relevo:wake";
/// The message that anything may have changed; no queue has this name.
pub(super) const ANY: &str = "*";
/// After this long without a message the connection is made anew: a broken one can look just like a silent one.
const SILENCE: Duration = Duration::from_secs(60);
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// What is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// This queue has a new task.
    Queue(String),
    /// Messages may have been missed: any queue may have new tasks.
    Any,
}

impl Store {
    /// Listens for ever and calls `heard` for each message. After a lost connection it comes back by itself.
    pub async fn listen_for_wakes(&self, heard: impl Fn(Wake)) {
        loop {
            match self.connections.client().get_async_pubsub().await {
                Ok(mut subscription) => {
                    if subscription.subscribe(CHANNEL).await.is_ok() {
                        heard(Wake::Any);
                        let mut messages = subscription.on_message();
                        while let Ok(Some(message)) = timeout(SILENCE, messages.next()).await {
                            if let Ok(queue) = message.get_payload::<String>() {
                                heard(if queue == ANY { Wake::Any } else { Wake::Queue(queue) });
                            }
                        }
                    }
                    debug!("subscribing to redis anew");
                }
                Err(error) => {
                    warn!(%error, "cannot subscribe to redis");
                    sleep(RECONNECT_AFTER).await;
                }
            }
        }
    }
}
