//! The documents beside `/api/v1`: thin handlers over the same jobs, in other words.

pub(super) mod jobs;
mod listing;
pub(super) mod metrics;
mod numbers;
pub(super) mod preproc;
pub(super) mod removal;
pub(super) mod sample_rows;
pub(super) mod sampling;
pub(super) mod toolkit;

use super::{App, auth::Client, jobs::own_record};
use crate::{error::Result, view::Job};

/// A job that belongs to this client.
async fn own(app: &App, client: &Client, id: &str) -> Result<Job> {
    let (job, record) = own_record(app, client, id).await?;
    Job::read(job, record)
}
