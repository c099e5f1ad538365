//! A job in the words of `/jobs`.

use relevo_shared::view::preproc::{PreprocItem, PreprocJob};

use super::{View, job::Job};
use crate::time::rfc3339;

/// What lists tell of a job.
#[must_use]
pub fn preproc_item(job: &Job) -> PreprocItem {
    PreprocItem {
        job_id: job.id,
        kind: job.kind.clone(),
        status: View::Preproc.word(job.state).to_owned(),
        dataset_id: job.dataset_id().cloned(),
        progress: job.progress,
        error: job.error.as_ref().map(|error| error.message.clone()),
        created_at: rfc3339(job.created_at),
        started_at: job.started_at.map(rfc3339),
        finished_at: job.ended_at.map(rfc3339),
    }
}

/// All that there is to tell of a job.
#[must_use]
pub fn preproc_job(job: Job) -> PreprocJob {
    PreprocJob {
        item: preproc_item(&job),
        message: job.message,
        params: job.input,
        output: job.result.clone(),
        result: job.result,
    }
}
