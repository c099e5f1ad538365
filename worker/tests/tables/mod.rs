//! Tables for skills that read one: made here, put into the S3 of the bench, and described as an orchestrator would.

use std::{fs, path::PathBuf, sync::Arc};

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use relevo_shared::dataset::TableRef;
use relevo_tables::ParquetTableWriter;
use serde_json::{Value, json};

use crate::bench::Bench;

impl Bench {
    /// Puts columns into S3 as the table `key` of dataset `d`.
    pub(crate) fn table(&self, key: &str, columns: Vec<(&str, ArrayRef)>) -> TableRef {
        let path = self.folder.path().join(format!("{key}.parquet"));
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
        let batch = batch.unwrap();
        let mut writer = ParquetTableWriter::create(&path, batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        fs::copy(&path, self.object(&format!("s3://data/{key}"))).unwrap();
        let (table, commit_id) = relevo_tables::identify(&path).unwrap();
        TableRef {
            dataset_id: "d".to_owned(),
            dataset_name: None,
            table_key: key.to_owned(),
            commit_id,
            uri: format!("s3://data/{key}"),
            format: table.format,
            csv: table.csv,
            columns: table.columns,
            rows: table.rows,
            bytes: table.bytes,
            created_at: String::new(),
        }
    }

    /// Where an object lies on disk.
    pub(crate) fn object(&self, uri: &str) -> PathBuf {
        self.s3.root.path().join(uri.strip_prefix("s3://").unwrap())
    }
}

/// Parameters that read a table, and more.
pub(crate) fn of(source: &TableRef, more: &Value) -> Value {
    let mut params = json!({ "dataset_id": "d", "source": source });
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    params
}

/// One column.
pub(crate) fn column<A: datafusion::arrow::array::Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}
