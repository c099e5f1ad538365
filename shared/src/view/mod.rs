//! Jobs in the words of the documents beside `/api/v1`: the same job, other names.

pub mod jobs;
pub mod preproc;
pub mod sampling;
pub mod toolkit;
