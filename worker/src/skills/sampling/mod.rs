//! The `sampling` skill: rows of a table, drawn round by round.
//!
//! A table is cut into [`units`], which are read on all threads ([`source`]). A [`round`] looks ([`scan`]) which rows
//! it may draw and what their drawing depends on, then draws the [`smallest`] by an [`order`] that a seed and a row's
//! position decide alone. What was drawn is a [set of rows](rows); at the end these are [stored](store) and, where that
//! was asked for, [`sorted`].

pub mod allot;
pub mod filter;
pub mod groups;
pub mod layout;
pub mod order;
pub mod parameters;
mod report;
pub mod reservoir;
pub mod round;
pub mod rows;
pub mod scan;
pub mod size;
mod skill;
pub mod smallest;
pub mod sorted;
pub mod source;
pub mod store;
pub mod units;

pub use skill::Sampling;
