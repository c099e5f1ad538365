//! Reads, describes and writes tables: CSV, Parquet and JSON lines, in memory that does not grow with the table.
//! Never touches a network and never waits: callers bring bytes, chunks or a local file.
//!
//! An upload goes through an [`Inspector`] chunk by chunk and comes out as a [`Description`]; a worker gives that
//! description and a local file to [`open`] and gets record batches; [`ParquetTableWriter`] writes what it made of them.

mod commit;
mod description;
mod encoding;
mod error;
mod head;
mod infer;
mod inspect;
mod lines;
mod magic;
mod read;
mod write;

pub use arrow_array::RecordBatch;
pub use commit::{commit_hash, identify};
pub use description::Description;
pub use error::TableError;
pub use head::{json_rows, read_head, render_head};
pub use inspect::{CsvHints, Inspector, check_names, describe_parquet_footer};
pub use lines::{csv_lines, json_lines};
pub use magic::{sniff_format, what_is};
pub use read::{TableReader, describe, describe_csv, open};
pub use write::{ParquetTableWriter, Written};
