//! Jobs that are removed: one at its client's wish, or all that ended long enough ago.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use relevo_shared::{JobId, job::JobState};
use tracing::info;

use super::Engine;
use crate::{
    domain::action::Action,
    error::{Error, Result},
    store::{Deletion, FanId, JobFilter, JobRecord},
};

/// Jobs that are looked at in one go.
const PAGE: usize = 500;
/// Jobs that are removed at the same time.
const WIDTH: usize = 16;

/// What a clean-up has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Jobs that are gone.
    pub jobs_deleted: u64,
    /// Bytes of Redis and of S3 that are free now.
    pub bytes_freed: u64,
}

impl Engine {
    /// Removes a job that has ended: its record, history, logs, webhooks and files. Answers the bytes that were freed. What the
    /// archive holds of it lies among other jobs and goes with them, at the end of their retention.
    ///
    /// # Errors
    /// [`Error::JobNotFound`], [`Error::NotNow`] when it has not ended, or when Redis or S3 is away.
    pub async fn delete_job(&self, id: JobId) -> Result<u64> {
        let record = self.store.read_job(id).await?.ok_or_else(|| Error::JobNotFound(id.to_string()))?;
        let state = record.fields.get("state").and_then(|word| JobState::from_word(word));
        if let Some(state) = state.filter(|state| !state.is_terminal()) {
            return Err(Error::NotNow(id, Action::Delete, state));
        }
        match self.remove(id, &record).await? {
            (Deletion::Deleted(_), bytes) => {
                info!(job = %id, bytes, "job deleted");
                Ok(bytes)
            }
            (Deletion::Missing, _) => Err(Error::JobNotFound(id.to_string())),
            (Deletion::NotEnded(state), _) => Err(Error::NotNow(id, Action::Delete, state)),
        }
    }

    /// Removes the jobs of a client, or of all when there is none, that ended in one of these states at least so long ago.
    ///
    /// # Errors
    /// When Redis or S3 is away; what was removed until then stays so.
    pub async fn clean_up(&self, client: Option<&str>, states: &[JobState], older_than: Duration) -> Result<Cleaned> {
        let mut cleaned = Cleaned::default();
        let states: Vec<JobState> = states.iter().copied().filter(|state| state.is_terminal()).collect();
        if states.is_empty() {
            return Ok(cleaned);
        }
        let older_than = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
        let latest = self.store.clock().await?.saturating_sub(older_than);
        // No job ends before it is created.
        let created_before = Some(latest.saturating_add(1));
        let filter = JobFilter { client: client.map(str::to_owned), states, created_before, ..JobFilter::default() };
        let found = self.store.find_jobs(&filter).await?;
        for offset in (0..found.total()).step_by(PAGE) {
            let page = self.store.read_found(&found, offset, PAGE).await?;
            let over = |record: &JobRecord| {
                record.fields.get("ended_at").and_then(|at| at.parse().ok()).is_some_and(|at: i64| at <= latest)
            };
            let over = page.into_iter().filter(|(_, record)| over(record));
            let mut removals =
                stream::iter(over).map(async |(id, record)| self.remove(id, &record).await).buffer_unordered(WIDTH);
            while let Some((deletion, bytes)) = removals.try_next().await? {
                cleaned.jobs_deleted += u64::from(matches!(deletion, Deletion::Deleted(_)));
                cleaned.bytes_freed += bytes;
            }
        }
        for partition in self.store.partitions() {
            cleaned.bytes_freed += self.store.drop_empty_chunks(partition).await?;
        }
        info!(client, jobs = cleaned.jobs_deleted, bytes = cleaned.bytes_freed, "cleaned up");
        Ok(cleaned)
    }

    /// Removes a job that has ended, as far as it can be seen. Its files go first: should S3 be away, the job is still there to be
    /// removed again.
    async fn remove(&self, id: JobId, record: &JobRecord) -> Result<(Deletion, u64)> {
        let mut bytes = match &self.blobs {
            Some(blobs) => blobs.remove_files(id).await?,
            None => 0,
        };
        let deletion = self.store.delete_job(id).await?;
        if let Deletion::Deleted(freed) = deletion {
            bytes += freed;
            let fans = record.fields.get("fans").and_then(|fans| fans.parse().ok()).unwrap_or(0);
            for number in 1..=fans {
                bytes += self.store.delete_fan(FanId { job: id, number }).await?;
            }
        }
        Ok((deletion, bytes))
    }
}
