//! The `beto.preprocess` skill: sentiment of Spanish comments, row by row of a table.

pub mod batches;
pub mod bert;
pub mod classifier;
pub mod clean;
pub mod columns;
pub mod config;
pub mod fault;
mod fields;
pub mod grades;
pub mod lsa;
pub mod parameters;
pub mod tfidf;
pub mod tokens;
pub mod verdict;
pub mod weights;
