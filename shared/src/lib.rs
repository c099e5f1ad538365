//! The types that cross a wire in Relevo: ids, the job view, the worker protocol, datasets, files, problem bodies, the secrets that
//! both sides keep, and how whole numbers are read.
//!
//! Nothing here decides, stores or sends anything.

pub mod command;
pub mod dataset;
pub mod file;
pub mod id;
pub mod job;
pub mod problem;
pub mod secret;
pub mod token;
pub mod whole;
pub mod worker;

pub use id::{BranchId, JobId, Place, SkillName, TaskId, WorkerId};
