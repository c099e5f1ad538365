//! Counts the jobs that a client creates in a day.

use tracing::warn;

use crate::{
    clients::Client,
    engine::Created,
    error::{Error, Result},
    store::Store,
};

/// Creates a job within the day's quota of its client. One that is refused, or was there before, does not count.
///
/// # Errors
/// [`Error::QuotaExceeded`], when Redis is away, or as the creation does.
pub async fn within_the_day(
    store: &Store,
    client: &Client,
    creation: impl Future<Output = Result<Created>>,
) -> Result<Created> {
    let Some(limit) = client.plan.jobs_per_day else { return creation.await };
    if let Some(retry_after) = store.count_job(&client.name, limit).await? {
        return Err(Error::QuotaExceeded { quota: "jobs_per_day", limit, retry_after });
    }
    let created = creation.await;
    if !created.as_ref().is_ok_and(|created| !created.existing)
        && let Err(error) = store.uncount_job(&client.name, limit).await
    {
        warn!(client = client.name, %error, "a job that was not created counts for the day");
    }
    created
}
