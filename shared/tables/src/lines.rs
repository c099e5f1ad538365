//! Record batches as text that travels: lines of JSON objects, or of CSV (RFC 4180).

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_csv::writer::Terminator;
use arrow_json::writer::{LineDelimited, WriterBuilder};
use arrow_schema::{DataType, Field, Schema};
use serde_json::Value;

use crate::TableError;

/// Each row as a JSON object on a line of its own, missing values as `null`. There is no line feed within a row.
pub fn json_lines(rows: &RecordBatch) -> Result<Vec<u8>, TableError> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
    writer.write(rows).and_then(|()| writer.finish()).map_err(unwritable)?;
    Ok(writer.into_inner())
}

/// Each row as a record of CSV, after a record with the names of the columns where `header` says so.
///
/// What is text stays as it is, whatever a spreadsheet may take it for; a missing value is an empty field; a list or a
/// structure is its JSON.
pub fn csv_lines(rows: &RecordBatch, header: bool) -> Result<Vec<u8>, TableError> {
    let mut lines = Vec::new();
    let mut writer =
        arrow_csv::WriterBuilder::new().with_header(header).with_line_terminator(Terminator::CRLF).build(&mut lines);
    writer.write(&flat(rows)?).map_err(unwritable)?;
    drop(writer);
    Ok(lines)
}

/// The rows with each list and structure as its JSON.
fn flat(rows: &RecordBatch) -> Result<RecordBatch, TableError> {
    let is_flat = |column: &ArrayRef| !column.data_type().is_nested();
    if rows.columns().iter().all(is_flat) {
        return Ok(rows.clone());
    }
    let columns =
        rows.columns().iter().map(|column| if is_flat(column) { Ok(Arc::clone(column)) } else { json(column) });
    let columns = columns.collect::<Result<Vec<_>, TableError>>()?;
    let named = rows.schema_ref().fields().iter().zip(&columns);
    let fields: Vec<_> =
        named.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(unwritable)
}

/// Each value of a column as its JSON.
fn json(column: &ArrayRef) -> Result<ArrayRef, TableError> {
    const NAME: &str = "value";
    let schema = Schema::new(vec![Field::new(NAME, column.data_type().clone(), true)]);
    let rows = RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(column)]).map_err(unwritable)?;
    let texts = crate::json_rows(&rows)?.into_iter().map(|mut row| match row[NAME].take() {
        Value::Null => None,
        value => Some(value.to_string()),
    });
    let texts: StringArray = texts.collect();
    debug_assert_eq!((texts.len(), texts.data_type()), (column.len(), &DataType::Utf8));
    Ok(Arc::new(texts))
}

fn unwritable(error: impl std::fmt::Display) -> TableError {
    TableError::Write(error.to_string())
}
