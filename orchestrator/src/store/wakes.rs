//! The channel on which every replica hears that a queue has something.

use super::{Store, channel::Heard};

pub(super) const CHANNEL: &str = "relevo:wake";
/// The message that anything may have changed; no queue has this name.
pub(super) const ANY: &str = "*";

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
        let heard = |what| match what {
            Heard::Message(queue) if queue != ANY => heard(Wake::Queue(queue)),
            Heard::Message(_) | Heard::Subscribed => heard(Wake::Any),
        };
        self.listen(CHANNEL, heard).await;
    }
}
