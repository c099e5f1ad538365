//! `rbm.train` and what uses its models, as a worker runs them: from a table in S3 to artefacts, predictions and an audit.
#![cfg(feature = "torch")]
#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

#[path = "../bench/mod.rs"]
mod bench;
mod interrupted;
mod judged;
mod moods;
#[path = "../parquet/mod.rs"]
mod parquet;
mod refusals;
#[path = "../s3/mod.rs"]
mod s3;
mod sweeps;
#[path = "../tables/mod.rs"]
mod tables;
mod whole;
