//! What clients have used up of their rates and quotas, counted for all replicas together.

use std::time::Duration;

use super::{
    Result, Store,
    keys::Keys,
    script::{COUNT_JOB, Reply, SPEND_ALLOWANCE},
};
use crate::domain::quota::Rate;

/// Whether one more request may come, and how many after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// How long this one has to wait; `None` when it may come now.
    pub wait: Option<Duration>,
    /// Requests that may follow at once.
    pub remaining: u32,
    /// When the whole burst may come again.
    pub full_in: Duration,
}

impl Store {
    /// Counts one request against a rate. `who` is a name of one's own, for example `client:shop`.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn spend_allowance(&self, who: &str, rate: Rate) -> Result<Allowance> {
        let mut call = SPEND_ALLOWANCE.key(Keys::allowance(who));
        call.arg(rate.interval_us).arg(rate.burst);
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        let (remaining, full_us): (u32, u64) = (reply.next()?, reply.next()?);
        let wait = match reply.word() {
            "ok" => None,
            "wait" => Some(Duration::from_micros(reply.next()?)),
            _ => return Err(reply.unexpected()),
        };
        Ok(Allowance { wait, remaining, full_in: Duration::from_micros(full_us) })
    }

    /// Counts a job that a client is about to create. Answers how long today still lasts when it has had `limit` already.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn count_job(&self, client: &str, limit: u64) -> Result<Option<Duration>> {
        self.change_count(client, 1, limit).await
    }

    /// Takes a job off the count that was not created after all.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn uncount_job(&self, client: &str, limit: u64) -> Result<()> {
        self.change_count(client, -1, limit).await.map(|_| ())
    }

    async fn change_count(&self, client: &str, change: i32, limit: u64) -> Result<Option<Duration>> {
        let mut call = COUNT_JOB.key(Keys::jobs_today(client));
        call.arg(change).arg(limit);
        let mut reply: Reply = call.invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(None),
            "exceeded" => Ok(Some(Duration::from_millis(reply.next()?))),
            _ => Err(reply.unexpected()),
        }
    }
}
