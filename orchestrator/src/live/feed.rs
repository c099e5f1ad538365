//! What one watcher of a job hears: how the job stands, then every message in order, once, to the end.

use std::sync::Arc;

use relevo_shared::{JobId, job::LogLevel};
use tracing::debug;

use super::{
    Message, Transport, Watchers, message,
    watchers::{Page, Watch},
};
use crate::{
    error::{Error, Result},
    store::Beside,
};

/// The messages for one watcher.
#[derive(Debug)]
pub struct Feed {
    watch: Watch,
    logs: Option<LogLevel>,
    metrics: bool,
    /// Goes before all else.
    first: Option<Message>,
    page: Arc<Page>,
    /// How many messages of the page were given.
    given: usize,
    /// The number of the last message.
    seq: u64,
    /// Whether all there was has been read.
    has_all: bool,
}

/// What a watcher asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// How messages reach it.
    pub transport: Transport,
    /// The number of the last message that it knows; none for one that has come just now.
    pub since: Option<u64>,
    /// Lines of the log of this gravity or more.
    pub logs: Option<LogLevel>,
    /// The figures that its tasks measure.
    pub metrics: bool,
}

impl Feed {
    /// Begins to watch a job for a client.
    ///
    /// # Errors
    /// [`Error::JobNotFound`], [`Error::QuotaExceeded`] when the client watches too much already, or when Redis is away.
    pub async fn begin(watchers: &Arc<Watchers>, job: JobId, client: &str, wish: Wish) -> Result<Self> {
        let watch = watchers.enter(job, client, wish.transport)?;
        let head = watchers.head(job).await?.ok_or_else(|| Error::JobNotFound(job.to_string()))?;
        // A number from the future is that of the latest message: whoever counts on is not left waiting for it.
        let seq = wish.since.map_or(head.seq, |since| since.min(head.seq));
        let head_ended = head.state.is_terminal();
        let beside = Beside { logs: wish.logs.is_some(), metrics: wish.metrics && head.has_metrics };
        let missed = seq < head.seq && watchers.has_gap(job, seq, beside).await?;
        let is_late = wish.since.is_none() && !head_ended;
        let first = (is_late || missed).then(|| message::snapshot(job, head, seq, missed).into());
        // Whoever knows the last message already is told no more.
        let over = head_ended && wish.since.is_some() && wish.since == watchers.end_of(job).await?;
        let page = Arc::new(Page { over, ..Page::default() });
        Ok(Self { watch, logs: wish.logs, metrics: wish.metrics, first, page, given: 0, seq, has_all: false })
    }

    /// The number up to which all was given.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The next message, when there is one; `None` after the last. Nothing is lost when this is dropped half-way.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.first.take().or_else(|| self.next_of_page()) {
                return Some(message);
            }
            if self.page.over {
                return None;
            }
            if self.has_all {
                self.watch.called().await;
                self.has_all = false;
            }
            // Whoever has read a page to its end and found no more stands where all do who keep up.
            let is_latest = !self.page.more;
            let beside = Beside { logs: self.logs.is_some(), metrics: self.metrics };
            match self.watch.read(self.seq, beside, is_latest).await {
                Ok(page) => {
                    self.has_all = !page.more && !page.over;
                    (self.page, self.given) = (page, 0);
                }
                Err(error) => {
                    // It is called again soon, whether something has happened or not.
                    debug!(job = %self.watch.job, %error, "a watcher waits for redis");
                    self.has_all = true;
                }
            }
        }
    }

    fn next_of_page(&mut self) -> Option<Message> {
        loop {
            let message = self.page.messages.get(self.given)?;
            self.given += 1;
            self.seq = message.seq;
            if message.level.is_none_or(|level| self.logs.is_some_and(|least| level >= least)) {
                return Some(message.clone());
            }
        }
    }
}
