//! The worker: claims tasks from an orchestrator, runs skills, streams files to S3, posts results back.
//!
//! [`worker::work`] is the whole; a skill sees only its [`relevo_shared::worker::Task`] and a [`context::TaskContext`].

mod backoff;
pub mod cancel;
mod claims;
pub mod client;
mod commit;
pub mod context;
#[cfg(feature = "torch")]
pub mod device;
pub mod files;
pub mod gpus;
mod heartbeat;
mod held;
mod host;
pub mod logging;
mod membership;
pub mod models;
#[cfg(feature = "torch")]
pub mod openmp;
mod outbox;
mod outcome;
mod reports;
mod runner;
pub mod settings;
#[cfg(feature = "torch")]
pub mod shelf;
pub mod skills;
mod socket;
mod telling;
mod usage;
mod work_folder;
pub mod worker;
