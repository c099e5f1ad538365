//! Listens to one channel of Redis for ever.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::Store;

/// After this long without a message the connection is made anew: a broken one can look just like a silent one.
const SILENCE: Duration = Duration::from_secs(60);
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// What is heard on a channel.
pub(super) enum Heard {
    /// A message.
    Message(String),
    /// The subscription was made, or made anew: messages may have been missed.
    Subscribed,
}

impl Store {
    /// Calls `heard` for each message of a channel. After a lost connection it comes back by itself.
    pub(super) async fn listen(&self, channel: &str, heard: impl Fn(Heard)) {
        loop {
            match self.connections.client().get_async_pubsub().await {
                Ok(mut subscription) => {
                    if subscription.subscribe(channel).await.is_ok() {
                        heard(Heard::Subscribed);
                        let mut messages = subscription.on_message();
                        while let Ok(Some(message)) = timeout(SILENCE, messages.next()).await {
                            if let Ok(text) = message.get_payload() {
                                heard(Heard::Message(text));
                            }
                        }
                    }
                    debug!(channel, "subscribing to redis anew");
                }
                Err(error) => {
                    warn!(channel, %error, "cannot subscribe to redis");
                    sleep(RECONNECT_AFTER).await;
                }
            }
        }
    }
}
