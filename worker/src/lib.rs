//! The worker: claims tasks from an orchestrator, runs skills, streams files to S3, posts results back.

pub mod context;
pub mod skills;
