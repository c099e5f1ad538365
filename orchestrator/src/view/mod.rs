//! A job as it is kept, made into what each document calls a job. One record, no rules: every rendering is a pure function.

mod core;
mod job;
mod jobs;
mod preproc;
mod toolkit;
mod words;

pub use core::{history_event, job_view};
pub use job::{Job, number_or_text};
pub use jobs::{job_detail, job_item, log_entries};
pub use preproc::{preproc_item, preproc_job};
pub use toolkit::{Surroundings, envelope, job_status};
pub use words::View;
