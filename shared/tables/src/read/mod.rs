//! Reads the rows of a local file in batches of bounded size.

mod json_text;

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use relevo_shared::dataset::{TableFormat, TextEncoding};

use self::json_text::TextOfAnything;
use crate::description::is_text;
use crate::encoding::{BOM, Transcoder};
use crate::{CsvHints, Description, Inspector, TableError, describe_parquet_footer, sniff_format};

/// What a batch may roughly hold, by the average length of a row.
const BATCH_BYTES: u64 = 8 << 20;
const MOST_BATCH_ROWS: u64 = 8192;
const CHUNK_BYTES: usize = 1 << 20;

/// The rows of a table, batch by batch, in the order of the file.
///
/// Columns of text are `Utf8` whatever the file's layout; empty fields of a CSV file are nulls.
pub struct TableReader {
    schema: SchemaRef,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    rows: u64,
    failed: bool,
}

impl TableReader {
    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Iterator for TableReader {
    type Item = Result<RecordBatch, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let batch = self.batches.next()?.and_then(|batch| with_plain_text(&batch, &self.schema));
        self.failed = batch.is_err();
        Some(match batch {
            Ok(batch) => {
                self.rows += batch.num_rows() as u64;
                Ok(batch)
            }
            Err(error) => Err(TableError::Read { rows: self.rows, reason: error.to_string() }),
        })
    }
}

/// Opens a local file that was described before, when it was uploaded or by [`describe`].
pub fn open(path: &Path, table: &Description) -> Result<TableReader, TableError> {
    let rows = batch_rows(table.bytes, table.rows);
    let file = File::open(path)?;
    match table.format {
        TableFormat::Csv => open_csv(file, table, rows),
        TableFormat::Jsonl => open_jsonl(file, table, rows),
        TableFormat::Parquet => open_parquet(file),
    }
}

/// Describes a local file; the format comes from its name or its first bytes where it is not given.
pub fn describe(path: &Path, format: Option<TableFormat>) -> Result<Description, TableError> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let count = file.read(&mut chunk)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let format = format.or_else(|| sniff_format(None, name, &chunk[..count]));
    let format = format.ok_or_else(|| TableError::UnknownFormat(name.unwrap_or_default().to_owned()))?;
    inspect(file, Inspector::new(format), chunk, count)
}

/// Describes a local CSV file of which something is known beforehand.
pub fn describe_csv(path: &Path, hints: CsvHints) -> Result<Description, TableError> {
    inspect(File::open(path)?, Inspector::for_csv(hints), vec![0; CHUNK_BYTES], 0)
}

/// Shows a file to an inspector; `count` bytes of `chunk` were read already.
fn inspect(
    mut file: File,
    mut inspector: Inspector,
    mut chunk: Vec<u8>,
    mut count: usize,
) -> Result<Description, TableError> {
    if count == 0 {
        count = file.read(&mut chunk)?;
    }
    while count > 0 {
        inspector.push(&chunk[..count])?;
        count = file.read(&mut chunk)?;
    }
    match inspector.finish() {
        Err(TableError::FooterBeyondTail { from, to }) => {
            let mut footer = Vec::new();
            file.seek(SeekFrom::Start(from))?;
            file.read_to_end(&mut footer)?;
            describe_parquet_footer(&footer, to)
        }
        described => described,
    }
}

/// How many rows make a batch, so that its size does not grow with that of a row.
fn batch_rows(bytes: u64, rows: u64) -> usize {
    let row_bytes = (bytes / rows.max(1)).max(1);
    (BATCH_BYTES / row_bytes).clamp(1, MOST_BATCH_ROWS) as usize
}

fn open_csv(file: File, table: &Description, batch_rows: usize) -> Result<TableReader, TableError> {
    let dialect = table.csv.ok_or_else(|| unreadable("a CSV file without a dialect"))?;
    let separator =
        u8::try_from(dialect.separator).map_err(|_| unreadable("the separator is not an ASCII character"))?;
    let text: Box<dyn Read + Send> = match dialect.encoding {
        TextEncoding::Utf8 => Box::new(after_bom(file)?),
        TextEncoding::Windows1252 => Box::new(Transcoder::new(file)),
    };
    let schema = table.text_schema()?;
    let reader = arrow_csv::ReaderBuilder::new(Arc::clone(&schema))
        .with_header(dialect.header)
        .with_header_validation(dialect.header)
        .with_delimiter(separator)
        .with_batch_size(batch_rows)
        .build_buffered(BufReader::with_capacity(CHUNK_BYTES, text))
        .map_err(|error| unreadable(error.to_string()))?;
    Ok(reader_of(schema, reader))
}

fn open_jsonl(file: File, table: &Description, batch_rows: usize) -> Result<TableReader, TableError> {
    let schema = table.text_schema()?;
    let lines = TextOfAnything::new(BufReader::with_capacity(CHUNK_BYTES, after_bom(file)?), &schema);
    let reader = arrow_json::ReaderBuilder::new(Arc::clone(&schema))
        .with_batch_size(batch_rows)
        .build(BufReader::with_capacity(CHUNK_BYTES, lines))
        .map_err(|error| unreadable(error.to_string()))?;
    Ok(reader_of(schema, reader))
}

fn open_parquet(file: File) -> Result<TableReader, TableError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| unreadable(error.to_string()))?;
    let groups = builder.metadata().row_groups();
    // What counts is the size in memory, and the file is compressed.
    let bytes: u64 = groups.iter().map(|group| group.total_byte_size().unsigned_abs()).sum();
    let rows: u64 = groups.iter().map(|group| group.num_rows().unsigned_abs()).sum();
    let schema = plain_text_schema(builder.schema());
    let reader =
        builder.with_batch_size(batch_rows(bytes, rows)).build().map_err(|error| unreadable(error.to_string()))?;
    Ok(reader_of(schema, reader))
}

fn reader_of<I>(schema: SchemaRef, batches: I) -> TableReader
where
    I: Iterator<Item = Result<RecordBatch, ArrowError>> + Send + 'static,
{
    TableReader { schema, batches: Box::new(batches), rows: 0, failed: false }
}

fn unreadable(reason: impl Into<String>) -> TableError {
    TableError::Read { rows: 0, reason: reason.into() }
}

fn after_bom(mut file: File) -> Result<File, TableError> {
    let mut head = Vec::with_capacity(BOM.len());
    file.by_ref().take(BOM.len() as u64).read_to_end(&mut head)?;
    if head != BOM {
        file.rewind()?;
    }
    Ok(file)
}

fn plain_text_schema(schema: &Schema) -> SchemaRef {
    let plain = |field: &Arc<Field>| {
        if is_text(field.data_type()) {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8))
        } else {
            Arc::clone(field)
        }
    };
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()))
}

/// The batch with each column of text as `Utf8`: skills need know one layout only.
fn with_plain_text(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let plain = |(column, field): (&ArrayRef, &Arc<Field>)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        false => cast_with_options(column, field.data_type(), &options),
    };
    let columns = batch.columns().iter().zip(schema.fields()).map(plain).collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
}
