//! Writes drawn rows, or those that are left, into a Parquet file. Only pages with such rows are decoded.

use std::{path::Path, sync::Arc};

use datafusion::arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt64Array},
    compute::nullif,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use relevo_tables::{ParquetTableWriter, Written};
use roaring::RoaringBitmap;

use super::{
    layout::{Layout, ROUND_NUMBER},
    rows::{RowSet, others},
    source::Source,
};
use crate::skills::{
    SkillError,
    tabular::{data_error, table_error},
};

/// The column of a row's position in the source, in files that are still to be sorted.
pub const POSITION: &str = "position";

/// The name of a source's column in files that are still to be sorted: no name of a source can be in its way.
#[must_use]
pub fn neutral(place: usize) -> String {
    format!("c{place}")
}

/// The rows of one round.
pub type RoundRows<'a> = (u32, &'a RowSet);

/// Writes the sample in the order of the source. When it is to be sorted afterwards, the file also has what that needs.
///
/// # Errors
/// When the source cannot be read or the file not be written; `Cancelled`.
pub fn write_sample(
    source: &Source<'_>,
    rounds: &[RoundRows<'_>],
    layout: &Layout,
    to: &Path,
) -> Result<Written, SkillError> {
    let table = source.table().schema();
    let sorted = layout.is_sorted();
    let places: Vec<usize> = layout.stored.iter().chain(&layout.sorted_by).copied().collect();
    let columns = source.columns(&places, None)?;
    let in_file = in_file_order(&places);
    let schema = if sorted { unsorted_schema(layout, table) } else { layout.schema(table) };
    let mut writer =
        ParquetTableWriter::create(to, Arc::clone(&schema)).map_err(|error| table_error("source", error))?;
    source.in_order(
        |place, unit, send| {
            let chosen = Chosen::of(rounds, place);
            if chosen.rows.is_empty() {
                return Ok(());
            }
            let mut start = 0;
            for batch in source.read(unit, &columns, Some(&chosen.rows))? {
                source.go_on()?;
                let batch = batch.map_err(|error| data_error("source", &error.into()))?;
                let end = start + batch.num_rows();
                let numbers = &chosen.numbers[start..end];
                let mut arrays: Vec<ArrayRef> =
                    in_file.iter().map(|column| Arc::clone(batch.column(*column))).collect();
                hide(&mut arrays, layout, numbers)?;
                arrays.push(Arc::new(Int64Array::from_iter_values(numbers.iter().map(|number| i64::from(*number)))));
                if sorted {
                    let rows = chosen.rows.iter().skip(start).take(batch.num_rows());
                    arrays.push(Arc::new(UInt64Array::from_iter_values(rows.map(|row| unit.first + u64::from(row)))));
                }
                start = end;
                if !send(batch_of(&schema, arrays, batch.num_rows())?) {
                    return Ok(());
                }
            }
            Ok(())
        },
        |batch| writer.write(&batch).map_err(|error| table_error("source", error)),
    )?;
    writer.finish().map_err(|error| table_error("source", error))
}

/// Writes the rows that are in no round, with all their columns.
///
/// # Errors
/// As for [`write_sample`].
pub fn write_residual(source: &Source<'_>, drawn: &RowSet, to: &Path) -> Result<Written, SkillError> {
    let table = source.table().schema();
    let places: Vec<usize> = (0..table.fields().len()).collect();
    let columns = source.columns(&places, None)?;
    // What a file says of itself (an index, a count) need not hold of a part of it.
    let schema: SchemaRef = Arc::new(Schema::new(table.fields().clone()));
    let mut writer =
        ParquetTableWriter::create(to, Arc::clone(&schema)).map_err(|error| table_error("source", error))?;
    source.in_order(
        |place, unit, send| {
            let drawn = drawn.unit(place);
            let left = (!drawn.is_empty()).then(|| others(drawn, unit.rows()));
            if left.as_ref().is_some_and(RoaringBitmap::is_empty) {
                return Ok(());
            }
            for batch in source.read(unit, &columns, left.as_ref())? {
                source.go_on()?;
                let batch = batch.map_err(|error| data_error("source", &error.into()))?;
                let rows = batch.num_rows();
                if !send(batch_of(&schema, batch.columns().to_vec(), rows)?) {
                    return Ok(());
                }
            }
            Ok(())
        },
        |batch| writer.write(&batch).map_err(|error| table_error("source", error)),
    )?;
    writer.finish().map_err(|error| table_error("source", error))
}

/// The columns of a file that is to be sorted.
fn unsorted_schema(layout: &Layout, table: &Schema) -> SchemaRef {
    let places = layout.stored.iter().chain(&layout.sorted_by);
    let columns = places.map(|place| Field::new(neutral(*place), table.field(*place).data_type().clone(), true));
    let number = Field::new(ROUND_NUMBER, DataType::Int64, false);
    let position = Field::new(POSITION, DataType::UInt64, false);
    Arc::new(Schema::new(columns.chain([number, position]).collect::<Vec<_>>()))
}

/// Where each wanted column stands among those that are read, which come in the order of the file.
fn in_file_order(places: &[usize]) -> Vec<usize> {
    let mut sorted = places.to_vec();
    sorted.sort_unstable();
    places.iter().filter_map(|place| sorted.binary_search(place).ok()).collect()
}

/// Takes away the values of columns that a row's round does not store.
fn hide(arrays: &mut [ArrayRef], layout: &Layout, numbers: &[u32]) -> Result<(), SkillError> {
    for (number, columns) in &layout.hidden {
        let of_round = BooleanArray::from_iter(numbers.iter().map(|one| Some(one == number)));
        for column in columns {
            arrays[*column] = nullif(&arrays[*column], &of_round).map_err(|error| unwritable(&error))?;
        }
    }
    Ok(())
}

fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, SkillError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(|error| unwritable(&error))
}

fn unwritable(error: &ArrowError) -> SkillError {
    SkillError::Permanent(format!("the rows cannot be laid out: {error}"))
}

/// The drawn rows of one unit, and the number of the round of each.
struct Chosen {
    rows: RoaringBitmap,
    numbers: Vec<u32>,
}

impl Chosen {
    fn of(rounds: &[RoundRows<'_>], unit: usize) -> Self {
        let mut numbered: Vec<(u32, u32)> =
            rounds.iter().flat_map(|(number, rows)| rows.unit(unit).iter().map(|row| (row, *number))).collect();
        numbered.sort_unstable();
        let rows = RoaringBitmap::from_sorted_iter(numbered.iter().map(|(row, _)| *row)).unwrap_or_default();
        Self { rows, numbers: numbered.into_iter().map(|(_, number)| number).collect() }
    }
}
