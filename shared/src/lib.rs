//! The types that cross a wire in Relevo: ids, the job view, the worker protocol, datasets, problem bodies.
//!
//! Nothing here decides, stores or sends anything.

pub mod dataset;
pub mod id;
pub mod job;
pub mod problem;
pub mod worker;

pub use id::{JobId, SkillName, TaskId, WorkerId};
