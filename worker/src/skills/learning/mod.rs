//! What every training shares: how rows are split, how predictions are scored, what is drawn, and where a run takes up again.
//!
//! Knows nothing of tensors: numbers in, numbers out.

pub mod chart;
pub mod checkpoint;
pub mod classes;
pub mod columns;
pub mod divergence;
#[cfg(feature = "torch")]
pub(crate) mod output_name;
pub mod regression;
pub mod split;
