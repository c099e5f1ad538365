//! The `sampling` skill: what it draws, that it draws it fairly, and that nothing but the seed decides.
#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod bench;
mod fairness;
mod golden;
mod layout;
mod methods;
#[path = "../s3/mod.rs"]
mod s3;
mod sameness;
mod whole;
