//! Reads, describes and writes tables.
