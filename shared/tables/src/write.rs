//! Writes record batches to a Parquet file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::TableError;

/// Rows of a group: few enough that a page of rows is found without decoding much, many enough to compress well.
const GROUP_ROWS: usize = 128 << 10;
/// A group is held in memory until it is whole, so wide rows end it sooner.
const GROUP_BYTES: usize = 64 << 20;

/// A Parquet file that is being written, compressed with zstd.
#[derive(Debug)]
pub struct ParquetTableWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    rows: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
}

impl ParquetTableWriter<File> {
    /// Begins a file at a path, in place of what was there.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self, TableError> {
        Self::new(File::create(path)?, schema)
    }
}

impl<W: Write + Send> ParquetTableWriter<W> {
    /// Begins a file with the columns of a schema.
    pub fn new(target: W, schema: SchemaRef) -> Result<Self, TableError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .build();
        let writer = ArrowWriter::try_new(target, schema, Some(properties)).map_err(refused)?;
        Ok(Self { writer, rows: 0 })
    }

    /// Appends rows, whose columns must be those of the schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), TableError> {
        self.writer.write(batch).map_err(refused)?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Writes the footer; without it the file cannot be read.
    pub fn finish(mut self) -> Result<Written, TableError> {
        self.writer.finish().map_err(refused)?;
        self.writer.inner_mut().flush()?;
        Ok(Written { rows: self.rows, bytes: self.writer.bytes_written() as u64 })
    }
}

fn refused(error: impl std::fmt::Display) -> TableError {
    TableError::Write(error.to_string())
}
