//! The types that cross a wire in Relevo: ids, views of jobs, blueprints, schedules and workers, the worker protocol, datasets,
//! files, webhooks, problem bodies, the secrets that both sides keep, and how whole numbers are read.
//!
//! Nothing here decides, stores or sends anything.

pub mod blueprint;
pub mod command;
pub mod dataset;
pub mod explain;
pub mod file;
pub mod id;
pub mod job;
pub mod live;
pub mod metric;
pub mod overview;
pub mod problem;
pub mod schedule;
pub mod secret;
pub mod token;
pub mod view;
pub mod webhook;
pub mod whole;
pub mod worker;

pub use id::{BranchId, JobId, Place, ScheduleId, SkillName, TaskId, WorkerId};
