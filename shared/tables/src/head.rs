//! The first rows of a Parquet file, for people and for programs.
//! What a table holds never reaches a terminal as a control sequence.

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::{TableError, json_lines};

/// Columns are not made narrower than this to fit a line; those that do not fit are counted instead.
const NARROWEST: usize = 8;
const GAP: &str = "  ";
const ELLIPSIS: &str = "…";

/// The first rows of a Parquet file: a `std::fs::File`, or `bytes::Bytes` in memory.
pub fn read_head<R: ChunkReader + 'static>(parquet: R, rows: usize) -> Result<RecordBatch, TableError> {
    let unreadable = |error: &dyn std::fmt::Display| TableError::BadParquet(error.to_string());
    let builder = ParquetRecordBatchReaderBuilder::try_new(parquet).map_err(|error| unreadable(&error))?;
    let schema = builder.schema().clone();
    // A batch may end with its row group, so there can be several.
    let reader = builder.with_limit(rows).with_batch_size(rows.max(1)).build().map_err(|error| unreadable(&error))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(&error))?;
    arrow_select::concat::concat_batches(&schema, &batches).map_err(|error| unreadable(&error))
}

/// The rows as JSON objects, missing values as `null`.
pub fn json_rows(rows: &RecordBatch) -> Result<Vec<Value>, TableError> {
    let lines = json_lines(rows)?;
    let rows = serde_json::Deserializer::from_slice(&lines).into_iter();
    rows.collect::<Result<_, _>>().map_err(|error| TableError::Write(error.to_string()))
}

/// The rows as an aligned table whose lines are at most `max_width` terminal cells wide.
///
/// Long values are cut with an ellipsis, control characters show as symbols, missing values as `·`. Columns that find no
/// room are counted in a last line.
pub fn render_head(rows: &RecordBatch, max_width: usize) -> Result<String, TableError> {
    let columns = (0..rows.num_columns()).map(|index| Shown::new(rows, index)).collect::<Result<Vec<_>, _>>();
    let columns = columns.map_err(|error| TableError::Write(error.to_string()))?;
    let widths = widths(&columns.iter().map(Shown::width).collect::<Vec<_>>(), max_width);
    let line = |cell: &dyn Fn(&Shown, usize) -> String| {
        let cells: Vec<String> = columns.iter().zip(&widths).map(|(column, width)| cell(column, *width)).collect();
        format!("{}\n", cells.join(GAP).trim_end())
    };
    let mut text = line(&|column, width| column.aligned(&column.name, width));
    text += &line(&|_, width| "─".repeat(width));
    for row in 0..rows.num_rows() {
        text += &line(&|column, width| column.aligned(&column.values[row], width));
    }
    match columns.len() - widths.len() {
        0 => {}
        1 => text += "and 1 more column\n",
        hidden => text += &format!("and {hidden} more columns\n"),
    }
    Ok(text)
}

/// A column as it is shown.
struct Shown {
    name: String,
    values: Vec<String>,
    is_numeric: bool,
}

impl Shown {
    fn new(rows: &RecordBatch, index: usize) -> Result<Self, ArrowError> {
        let (schema, array) = (rows.schema_ref(), rows.column(index));
        let options = FormatOptions::new().with_null("·");
        let formatter = ArrayFormatter::try_new(array, &options)?;
        let values = (0..rows.num_rows()).map(|row| Ok(visible(&formatter.value(row).try_to_string()?)));
        Ok(Self {
            name: visible(schema.field(index).name()),
            values: values.collect::<Result<_, ArrowError>>()?,
            is_numeric: array.data_type().is_numeric(),
        })
    }

    fn width(&self) -> usize {
        self.values.iter().chain([&self.name]).map(|text| text.width()).max().unwrap_or(0)
    }

    /// A text in exactly `width` cells, numbers to the right.
    fn aligned(&self, text: &str, width: usize) -> String {
        let cut = cut(text, width);
        let blank = " ".repeat(width.saturating_sub(cut.width()));
        if self.is_numeric { blank + &cut } else { cut + &blank }
    }
}

/// The widths of the columns that fit: the widest give way first, all to the same width; then the last are left out.
fn widths(natural: &[usize], max_width: usize) -> Vec<usize> {
    let capped = |cap: usize| natural.iter().map(move |width| *width.min(&cap));
    let total = |cap: usize| capped(cap).sum::<usize>() + GAP.len() * natural.len().saturating_sub(1);
    let widest = natural.iter().copied().max().unwrap_or(0);
    let cap = (NARROWEST..=widest).rev().find(|cap| total(*cap) <= max_width).unwrap_or(NARROWEST);
    let mut used = 0;
    let fits = |width: &usize| {
        used += width + GAP.len();
        used <= max_width + GAP.len()
    };
    capped(cap).take_while(fits).collect()
}

/// The text, or as much of it as leaves room for an ellipsis. Whole characters only, as a reader counts them.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.graphemes(true) {
        if width < kept.width() + character.width() + ELLIPSIS.width() {
            break;
        }
        kept += character;
    }
    kept + ELLIPSIS
}

/// The text with a symbol for every character that would move the cursor, colour the screen or turn the direction.
fn visible(text: &str) -> String {
    let symbol = |character: char| match character {
        // The Unicode block "Control Pictures" has them in the same order.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(character)).expect("the block has all 32 of them"),
        '\x7f' => '␡',
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        character => character,
    };
    text.chars().map(symbol).collect()
}
