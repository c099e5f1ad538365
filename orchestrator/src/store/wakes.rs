//! The channel on which every replica hears that a queue has something.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::sleep;
use tracing::warn;

use super::Store;

const CHANNEL: &str = "relevo:wake";
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
                        while let Some(message) = messages.next().await {
                            if let Ok(queue) = message.get_payload::<String>() {
                                heard(Wake::Queue(queue));
                            }
                        }
                    }
                    warn!("the subscription to redis ended");
                }
                Err(error) => warn!(%error, "cannot subscribe to redis"),
            }
            sleep(RECONNECT_AFTER).await;
        }
    }
}
