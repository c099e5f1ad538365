//! What Relevo decides, as pure functions: inputs in, verdicts out.
//!
//! Nothing here waits, reads a clock, draws a random number or touches the world; such things come in as arguments.

pub mod action;
pub mod blueprint;
pub mod dataset;
pub mod delivery;
pub mod gathered;
pub mod index;
pub mod job;
pub mod packing;
pub mod placement;
pub mod progress;
pub mod quota;
pub mod ranking;
pub mod reach;
pub mod retry;
pub mod schedule;
#[cfg(test)]
mod schedule_tests;
pub mod scope;
pub mod seal;
pub mod series;
pub mod signature;
pub mod task;
pub mod typed_job;
pub mod usage;
pub mod worker_token;
