//! Reads Parquet files that a task wrote.

use std::{fs::File, path::PathBuf};

use serde_json::{Map, Value};

use crate::bench::Bench;

impl Bench {
    /// The rows of a Parquet file: in S3, or where a commit without an orchestrator left it.
    pub(crate) fn rows(&self, uri: &Value) -> Vec<Map<String, Value>> {
        let uri = uri.as_str().unwrap();
        let path = if uri.starts_with("s3://") { self.object(uri) } else { PathBuf::from(uri) };
        let rows = relevo_tables::json_rows(&relevo_tables::read_head(File::open(path).unwrap(), 10_000).unwrap());
        rows.unwrap().into_iter().map(|row| row.as_object().unwrap().clone()).collect()
    }
}
