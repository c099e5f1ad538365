//! The types that cross a wire in Relevo: ids, the job view, the worker protocol, datasets, problem bodies, and the secrets
//! that both sides keep.
//!
//! Nothing here decides, stores or sends anything.

pub mod dataset;
pub mod id;
pub mod job;
pub mod problem;
pub mod secret;
pub mod worker;

pub use id::{BranchId, JobId, Place, SkillName, TaskId, WorkerId};
