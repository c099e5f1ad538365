//! What is known of a table once all of its bytes went by, and how its column types map to Arrow's.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use relevo_shared::dataset::{Column, CsvDialect, TableFormat, TableRef};

use crate::TableError;

/// All that is needed to read a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// How the bytes are laid out.
    pub format: TableFormat,
    /// Only for CSV.
    pub csv: Option<CsvDialect>,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Rows, a header not counted.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
}

impl From<&TableRef> for Description {
    fn from(table: &TableRef) -> Self {
        Self {
            format: table.format,
            csv: table.csv,
            columns: table.columns.clone(),
            rows: table.rows,
            bytes: table.bytes,
        }
    }
}

impl Description {
    /// The Arrow schema that a text table is read into.
    pub(crate) fn text_schema(&self) -> Result<SchemaRef, TableError> {
        let field = |column: &Column| {
            let data_type = data_type(&column.kind).ok_or_else(|| TableError::Read {
                rows: 0,
                reason: format!("column {:?} has the type {:?}, which no text table has", column.name, column.kind),
            })?;
            Ok(Field::new(&column.name, data_type, true))
        };
        let fields = self.columns.iter().map(field).collect::<Result<Vec<_>, TableError>>()?;
        Ok(Arc::new(Schema::new(fields)))
    }
}

/// The Arrow type of one of our own type names.
fn data_type(kind: &str) -> Option<DataType> {
    Some(match kind {
        "string" => DataType::Utf8,
        "integer" => DataType::Int64,
        "number" => DataType::Float64,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => return None,
    })
}

/// Our name for an Arrow type; Arrow's own where we have none.
pub(crate) fn kind(data_type: &DataType) -> String {
    let name = match data_type {
        _ if is_text(data_type) => "string",
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => "integer",
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => "integer",
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "number",
        DataType::Boolean => "boolean",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(..) => "timestamp",
        other => return other.to_string(),
    };
    name.to_owned()
}

/// Whether a type holds text in any of Arrow's layouts.
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}
