//! Describes a Parquet file from its footer: only the file's last bytes are kept.

use std::ops::Range;

use arrow_schema::Field;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use relevo_shared::dataset::{Column, TableFormat};

use super::names;
use crate::description::kind;
use crate::{Description, TableError};

/// How much of the end is kept; footers are far smaller, save those of files with very many columns and row groups.
const TAIL_BYTES: usize = 8 << 20;
/// The footer's length in four bytes, then the magic number (Parquet specification, "File format").
const TRAILER_BYTES: usize = 8;
const MAGIC: &[u8] = b"PAR1";

/// Keeps the end of the file.
#[derive(Debug, Default)]
pub(crate) struct ParquetInspector {
    tail: Vec<u8>,
}

impl ParquetInspector {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        let chunk = &chunk[chunk.len().saturating_sub(TAIL_BYTES)..];
        // Cutting only at twice the length keeps the cost per byte constant.
        if 2 * TAIL_BYTES < self.tail.len() + chunk.len() {
            self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES));
        }
        self.tail.extend_from_slice(chunk);
    }

    pub(crate) fn finish(self, bytes: u64) -> Result<Description, TableError> {
        describe_footer(&self.tail, bytes)
    }
}

/// Describes a Parquet file of `bytes` bytes from its last ones, the whole footer among them.
///
/// Fails with [`TableError::FooterBeyondTail`], which says what is needed, when the footer begins before `tail`.
pub fn describe_parquet_footer(tail: &[u8], bytes: u64) -> Result<Description, TableError> {
    describe_footer(tail, bytes).and_then(with_rows)
}

/// Refuses a table without rows.
pub(super) fn with_rows(table: Description) -> Result<Description, TableError> {
    if table.rows == 0 { Err(TableError::NoRows) } else { Ok(table) }
}

/// The same for a table that may have no rows.
pub(crate) fn describe_footer(tail: &[u8], bytes: u64) -> Result<Description, TableError> {
    let footer = footer_range(tail, bytes)?;
    let metadata = ParquetMetaDataReader::decode_metadata(&tail[footer]).map_err(bad)?;
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()).map_err(bad)?;
    names::check(schema.fields().iter().map(|field| field.name().as_str()))?;
    for group in metadata.row_groups() {
        group.columns().iter().try_for_each(|chunk| check_chunk(chunk, bytes))?;
    }
    let rows = u64::try_from(file.num_rows()).map_err(|_| bad("the number of rows is negative"))?;
    let columns = schema.fields().iter().enumerate().map(|(root, field)| column(field, root, &metadata)).collect();
    Ok(Description { format: TableFormat::Parquet, csv: None, columns, rows, bytes })
}

/// Where the footer lies within the tail.
fn footer_range(tail: &[u8], bytes: u64) -> Result<Range<usize>, TableError> {
    let cut_short = || bad("its end is missing; was the upload cut short?");
    let end = tail.len().checked_sub(TRAILER_BYTES).ok_or_else(cut_short)?;
    let (length, magic) = tail[end..].split_at(4);
    if magic != MAGIC {
        return Err(if magic == b"PARE" { bad("its footer is encrypted") } else { cut_short() });
    }
    let length = u32::from_le_bytes(length.try_into().expect("four bytes were split off")) as usize;
    if let Some(start) = end.checked_sub(length) {
        return Ok(start..end);
    }
    let needed = (length + TRAILER_BYTES) as u64;
    match bytes.checked_sub(needed) {
        Some(from) => Err(TableError::FooterBeyondTail { from, to: bytes }),
        None => Err(bad(format!("it claims a footer of {length} bytes, which is more than there are"))),
    }
}

/// Refuses what the reader could not read, so that a job does not find out hours later.
fn check_chunk(chunk: &ColumnChunkMetaData, bytes: u64) -> Result<(), TableError> {
    let name = chunk.column_path().string();
    if matches!(chunk.compression(), Compression::BROTLI(_) | Compression::LZO) {
        let codec = chunk.compression_codec();
        return Err(bad(format!(
            "column {name:?} is compressed with {codec}; write it with zstd, snappy, gzip or lz4"
        )));
    }
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let end = start.checked_add(chunk.compressed_size()).and_then(|end| u64::try_from(end).ok());
    if start < 0 || chunk.compressed_size() < 0 || end.is_none_or(|end| bytes < end) {
        return Err(bad(format!("column {name:?} lies outside the file")));
    }
    Ok(())
}

fn column(field: &Field, root: usize, metadata: &ParquetMetaData) -> Column {
    let leaves = metadata.file_metadata().schema_descr();
    let leaf = (0..leaves.num_columns()).find(|leaf| leaves.get_column_root_idx(*leaf) == root);
    // Writers mostly count the missing values of a column; without a count the schema has the word.
    let without_nulls = leaf.is_some_and(|leaf| {
        let nulls = |chunk: &ColumnChunkMetaData| chunk.statistics().and_then(|statistics| statistics.null_count_opt());
        metadata.row_groups().iter().all(|group| nulls(group.column(leaf)) == Some(0))
    });
    let nullable = field.is_nullable() && (field.data_type().is_nested() || !without_nulls);
    Column { name: field.name().clone(), kind: kind(field.data_type()), nullable }
}

fn bad(reason: impl std::fmt::Display) -> TableError {
    TableError::BadParquet(reason.to_string())
}
