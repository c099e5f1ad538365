//! Stories about tables: what comes in as a file is described, read, written and shown.

mod csv;
mod golden;
mod head;
mod jsonl;
mod lines;
mod parquet;
mod properties;
mod tool;
