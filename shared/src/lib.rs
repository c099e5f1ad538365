//! The types that cross a wire in Relevo: ids, the job view, the worker protocol, datasets, files, webhooks, problem bodies,
//! the secrets that both sides keep, and how whole numbers are read.
//!
//! Nothing here decides, stores or sends anything.

pub mod dataset;
pub mod file;
pub mod id;
pub mod job;
pub mod problem;
pub mod secret;
pub mod webhook;
pub mod whole;
pub mod worker;

pub use id::{BranchId, JobId, Place, SkillName, TaskId, WorkerId};
