//! A sheet of an Excel workbook as rows: read twice, once for the columns and once for the values, a row at a time.

use std::{fs::File, io::BufReader, path::Path, sync::Arc};

use calamine::{CellErrorType, DataRef, Reader, Xlsx, XlsxError};
use datafusion::arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
};
use relevo_tables::check_names;

use super::{
    cells::{Column, Look, Value},
    of_input,
    parameters::{Parameters, SheetChoice},
};
use crate::skills::SkillError;

/// What Excel has rows and columns for.
const MOST_ROWS: u32 = 1_048_576;
const MOST_COLUMNS: u32 = 16_384;
/// Rows of a batch, and bytes of text in it.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 8 << 20;

type Workbook = Xlsx<BufReader<File>>;

/// One row: its place in the sheet, and its cells by their column, in order.
type Cells<'a> = Vec<(u32, Value<'a>)>;

/// A sheet whose columns are known.
pub(super) struct Sheet {
    workbook: Workbook,
    name: String,
    /// Rows before this one are above the table.
    first_row: u32,
    first_column: u32,
    schema: SchemaRef,
    /// Rows with values.
    pub(super) rows: u64,
    /// Cells with an error in place of a value, and where the first one is.
    pub(super) errors: (u64, Option<String>),
}

impl Sheet {
    /// Opens a workbook that was [checked](super::guard::check), and finds out what its sheet holds.
    ///
    /// # Errors
    /// `InvalidInput` when there is no such sheet, or it is no table.
    pub(super) fn open(path: &Path, asked: &Parameters) -> Result<Self, SkillError> {
        let mut workbook: Workbook = calamine::open_workbook(path)
            .map_err(|error: XlsxError| of_input(format!("is no readable Excel workbook: {error}")))?;
        let name = choose(&workbook.sheet_names(), asked.sheet.as_ref())?;
        let mut scan = Scan::new(asked);
        let mut errors = (0, None);
        each_row(&mut workbook, &name, &mut errors, |row, cells| scan.take(row, &cells))?;
        let (first_row, first_column, names, looks, rows) = scan.finish(&name)?;
        let fields = names.into_iter().zip(looks).map(|(name, look)| Field::new(name, look.data_type(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self { workbook, name, first_row, first_column, schema, rows, errors })
    }

    /// Its columns.
    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Hands its rows to `each`, batch by batch.
    ///
    /// # Errors
    /// Those of `each`; `InvalidInput` when the sheet cannot be read on.
    pub(super) fn read(
        mut self,
        mut each: impl FnMut(&RecordBatch) -> Result<(), SkillError>,
    ) -> Result<(), SkillError> {
        let (schema, first_row, first_column) = (self.schema(), self.first_row, self.first_column);
        let mut batch = Batch::new(Arc::clone(&schema));
        each_row(&mut self.workbook, &self.name, &mut (0, None), |row, cells| {
            if row < first_row {
                return Ok(());
            }
            batch.push(first_column, cells);
            if batch.is_full() { each(&batch.finish()?) } else { Ok(()) }
        })?;
        if batch.rows == 0 { Ok(()) } else { each(&batch.finish()?) }
    }
}

fn choose(names: &[String], asked: Option<&SheetChoice>) -> Result<String, SkillError> {
    let found = match asked {
        None => names.first(),
        Some(SheetChoice::Number(number)) => names.get(number - 1),
        Some(SheetChoice::Name(name)) => names.iter().find(|known| *known == name),
    };
    found.cloned().ok_or_else(|| {
        let known: Vec<String> = names.iter().take(20).map(|name| format!("{name:?}")).collect();
        SkillError::invalid("sheet", format!("is not in the workbook; its sheets: {}", known.join(", ")))
    })
}

/// Hands every row that holds a value to `each`, from the top. Rows count from 0.
fn each_row(
    workbook: &mut Workbook,
    sheet: &str,
    errors: &mut (u64, Option<String>),
    mut each: impl FnMut(u32, Cells<'_>) -> Result<(), SkillError>,
) -> Result<(), SkillError> {
    let broken = |error: &XlsxError| of_input(format!("has a sheet {sheet:?} that cannot be read: {error}"));
    let mut reader = workbook.worksheet_cells_reader(sheet).map_err(|error| broken(&error))?;
    let (mut current, mut cells): (u32, Cells<'_>) = (0, Vec::new());
    while let Some(cell) = reader.next_cell().map_err(|error| broken(&error))? {
        let (row, column) = cell.get_position();
        if row >= MOST_ROWS || column >= MOST_COLUMNS {
            return Err(of_input(format!("has a cell beyond what Excel has rows and columns for, in row {}", row + 1)));
        }
        if row < current || (row == current && cells.last().is_some_and(|(last, _)| column <= *last)) {
            return Err(of_input(format!("has cell {} after one that stands behind it", address(row, column))));
        }
        if row > current && !cells.is_empty() {
            each(current, std::mem::take(&mut cells))?;
        }
        current = row;
        if let DataRef::Error(error) = cell.get_value() {
            errors.0 += 1;
            errors.1.get_or_insert_with(|| format!("{} in {}", error_text(error), address(row, column)));
        }
        match Value::of(cell.get_value().clone()) {
            Value::Missing => {}
            value => cells.push((column, value)),
        }
    }
    if cells.is_empty() { Ok(()) } else { each(current, cells) }
}

fn error_text(error: &CellErrorType) -> String {
    error.to_string()
}

/// `B7`, as Excel calls the cell of the row and column, which count from 0.
fn address(row: u32, column: u32) -> String {
    format!("{}{}", letters(column), row + 1)
}

fn letters(column: u32) -> String {
    let last = char::from(b'A' + u8::try_from(column % 26).unwrap_or_default());
    if column < 26 { last.to_string() } else { format!("{}{last}", letters(column / 26 - 1)) }
}

/// Finds out where the table is in its sheet, and what its columns hold.
struct Scan {
    header: bool,
    header_row: Option<u32>,
    /// Where the table begins, and the names of its columns; without a header it begins with its first value.
    names: Option<(u32, u32, Vec<String>)>,
    looks: Vec<Look>,
    rows: u64,
    columns: (u32, u32),
}

impl Scan {
    fn new(asked: &Parameters) -> Self {
        let header_row = asked.header_row.map(|row| row - 1);
        Self { header: asked.header, header_row, names: None, looks: Vec::new(), rows: 0, columns: (u32::MAX, 0) }
    }

    fn take(&mut self, row: u32, cells: &[(u32, Value<'_>)]) -> Result<(), SkillError> {
        if self.header_row.is_some_and(|header| row < header) {
            return Ok(());
        }
        if self.header && self.names.is_none() {
            return self.take_header(row, cells);
        }
        self.rows += 1;
        for (column, value) in cells {
            let place = match &self.names {
                None => {
                    self.columns = (self.columns.0.min(*column), self.columns.1.max(*column));
                    *column as usize
                }
                Some((_, first, names)) => {
                    let place = column.checked_sub(*first).map(|place| place as usize);
                    place.filter(|place| *place < names.len()).ok_or_else(|| {
                        let cell = address(row, *column);
                        of_input(format!(
                            "row {}: cell {cell} holds a value, but the header names no column there",
                            row + 1
                        ))
                    })?
                }
            };
            if self.looks.len() <= place {
                self.looks.resize(place + 1, Look::default());
            }
            self.looks[place].take(value);
        }
        Ok(())
    }

    fn take_header(&mut self, row: u32, cells: &[(u32, Value<'_>)]) -> Result<(), SkillError> {
        if let Some(header) = self.header_row.filter(|header| *header != row) {
            return Err(SkillError::invalid("header_row", format!("row {} of the sheet is empty", header + 1)));
        }
        let (first, last) =
            (cells.first().map_or(0, |(column, _)| *column), cells.last().map_or(0, |(column, _)| *column));
        let mut names = vec![String::new(); (last - first + 1) as usize];
        for (column, value) in cells {
            names[(column - first) as usize] = value.clone().into_text().trim().to_owned();
        }
        check_names(names.iter().map(String::as_str)).map_err(|error| of_input(format!("row {}: {error}", row + 1)))?;
        self.looks = vec![Look::default(); names.len()];
        self.names = Some((row + 1, first, names));
        Ok(())
    }

    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    fn finish(self, sheet: &str) -> Result<(u32, u32, Vec<String>, Vec<Look>, u64), SkillError> {
        if self.rows == 0 {
            return Err(of_input(format!("has no rows in sheet {sheet:?}")));
        }
        Ok(match self.names {
            Some((first_row, first_column, names)) => (first_row, first_column, names, self.looks, self.rows),
            None => {
                let (first, last) = self.columns;
                let names = (first..=last).map(|column| format!("column_{}", column - first + 1)).collect();
                (0, first, names, self.looks[first as usize..].to_vec(), self.rows)
            }
        })
    }
}

/// Rows that are being gathered.
struct Batch {
    schema: SchemaRef,
    columns: Vec<Column>,
    rows: usize,
}

impl Batch {
    fn new(schema: SchemaRef) -> Self {
        let columns = schema.fields().iter().map(|field| Column::of(field.data_type())).collect();
        Self { schema, columns, rows: 0 }
    }

    fn push(&mut self, first_column: u32, cells: Cells<'_>) {
        let mut cells = cells.into_iter().peekable();
        for (column, place) in self.columns.iter_mut().zip(first_column..) {
            let value = cells.next_if(|(at, _)| *at == place).map_or(Value::Missing, |(_, value)| value);
            column.push(value);
        }
        self.rows += 1;
    }

    fn is_full(&self) -> bool {
        BATCH_ROWS <= self.rows || BATCH_BYTES <= self.columns.iter().map(Column::text_bytes).sum()
    }

    fn finish(&mut self) -> Result<RecordBatch, SkillError> {
        self.rows = 0;
        let columns = self.columns.iter_mut().map(Column::finish).collect();
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| SkillError::Permanent(format!("the rows cannot be laid out: {error}")))
    }
}
