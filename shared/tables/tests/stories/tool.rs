//! What the stories share: pushing bytes, reading them back as text.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use relevo_shared::dataset::TableFormat;
use relevo_tables::{Description, Inspector, TableError, open};

/// Describes bytes that come in chunks of a size.
pub(crate) fn inspect_in(format: TableFormat, bytes: &[u8], chunk: usize) -> Result<Description, TableError> {
    let mut inspector = Inspector::new(format);
    bytes.chunks(chunk).try_for_each(|chunk| inspector.push(chunk))?;
    inspector.finish()
}

/// Describes bytes that come at once.
pub(crate) fn inspect(format: TableFormat, bytes: &[u8]) -> Result<Description, TableError> {
    inspect_in(format, bytes, usize::MAX)
}

/// The words of the refusal.
pub(crate) fn refusal(format: TableFormat, bytes: &[u8]) -> String {
    inspect(format, bytes).expect_err("the table is refused").to_string()
}

/// `name:type`, with a `?` where values are missing.
pub(crate) fn columns(table: &Description) -> Vec<String> {
    let mark = |nullable| if nullable { "?" } else { "" };
    table.columns.iter().map(|column| format!("{}:{}{}", column.name, column.kind, mark(column.nullable))).collect()
}

/// Every value as text, row by row.
pub(crate) fn read(bytes: &[u8], table: &Description) -> Vec<Vec<Option<String>>> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("written");
    let reader = open(file.path(), table).expect("opened");
    reader.flat_map(|batch| texts(&batch.expect("read"))).collect()
}

/// Every value of a batch as text.
pub(crate) fn texts(batch: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let options = FormatOptions::new();
    let formatter = |column| ArrayFormatter::try_new(column, &options).expect("a printable type");
    let columns: Vec<_> = batch.columns().iter().map(|column| (column, formatter(column))).collect();
    let text = |row: usize| {
        columns.iter().map(move |(column, text)| column.is_valid(row).then(|| text.value(row).to_string()))
    };
    (0..batch.num_rows()).map(|row| text(row).collect()).collect()
}

/// Rows of texts that are all there.
pub(crate) fn rows(rows: &[&[&str]]) -> Vec<Vec<Option<String>>> {
    let value = |text: &&str| (*text != "∅").then(|| (*text).to_owned());
    rows.iter().map(|row| row.iter().map(value).collect()).collect()
}
