//! BERT over the comments of a table: `beto.preprocess` labels their sentiment, `beto.embed` gives their vectors,
//! `beto.finetune` trains it.

pub mod batches;
pub mod bert;
pub mod checkpoint;
pub mod classifier;
pub mod clean;
pub mod columns;
pub mod config;
pub mod embed;
pub mod fault;
pub mod features;
pub mod finetune;
pub mod grades;
pub mod head;
pub mod inference;
pub mod lsa;
pub mod meta;
pub mod output;
pub mod parameters;
mod preprocess;
pub mod reading;
pub mod request;
pub mod table;
pub mod tfidf;
pub mod tokens;
pub mod verdict;
pub mod weights;

pub use self::{embed::BetoEmbed, finetune::BetoFinetune, preprocess::BetoPreprocess};
