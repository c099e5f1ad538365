//! Boltzmann machines: that they follow the gradient they should, are as likely as they say, learn what there is to learn, and do the
//! same twice.
#![cfg(feature = "torch")]
#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod bench;
mod digits;
mod flat;
mod gradients;
mod learning;
mod likelihoods;
mod sameness;
mod steps;
