//! The answers of DataFusion, and the figures in them.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch},
        compute::cast,
        datatypes::{DataType, Float64Type, Int64Type},
        util::display::{ArrayFormatter, FormatOptions},
    },
    execution::SendableRecordBatchStream,
    prelude::DataFrame,
};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::measure::wrong;
use crate::{context::TaskContext, skills::SkillError};

/// The next batch; none at the end.
pub(super) async fn next(
    stream: &mut SendableRecordBatchStream,
    context: &TaskContext,
) -> Result<Option<RecordBatch>, SkillError> {
    tokio::select! {
        batch = stream.next() => batch.transpose().map_err(|error| wrong(&error)),
        () = context.cancelled() => Err(SkillError::Cancelled),
    }
}

/// All batches of a small answer.
pub(super) async fn run(frame: DataFrame, context: &TaskContext) -> Result<Vec<RecordBatch>, SkillError> {
    tokio::select! {
        batches = frame.collect() => batches.map_err(|error| wrong(&error)),
        () = context.cancelled() => Err(SkillError::Cancelled),
    }
}

/// A row of figures.
pub(super) struct Row(pub RecordBatch);

impl Row {
    pub(super) fn count(&self, column: usize) -> u64 {
        self.number(column).map_or(0, |number| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it counts rows")]
            let count = number as u64;
            count
        })
    }

    pub(super) fn number(&self, column: usize) -> Option<f64> {
        let numbers = floats(self.0.column(column));
        numbers.is_valid(0).then(|| numbers.value(0))
    }

    pub(super) fn instant(&self, column: usize) -> Option<f64> {
        let column = self.0.column(column);
        column.is_valid(0).then(|| instants(column).value(0))
    }

    pub(super) fn text(&self, column: usize) -> Value {
        text_of(self.0.column(column), 0)
    }
}

pub(super) fn text_of(column: &ArrayRef, row: usize) -> Value {
    let options = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(column, &options);
    match formatter {
        Ok(formatter) if column.is_valid(row) => json!(formatter.value(row).to_string()),
        _ => Value::Null,
    }
}

/// Days or instants as numbers, in the unit of their type.
pub(super) fn instants(column: &ArrayRef) -> Float64Array {
    let days = matches!(column.data_type(), DataType::Date32);
    let whole = if days { cast(column, &DataType::Int32) } else { cast(column, &DataType::Int64) };
    floats(&whole.expect("days and instants are whole numbers underneath"))
}

/// Such a number as a day or an instant.
pub(super) fn instant_text(number: f64, data_type: &DataType) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it lies between two instants of the column")]
    let whole: ArrayRef = Arc::new(Int64Array::from(vec![number.floor() as i64]));
    let back = match data_type {
        DataType::Date32 => cast(&whole, &DataType::Int32).and_then(|days| cast(&days, data_type)),
        other => cast(&whole, other),
    };
    back.map_or(Value::Null, |instant| text_of(&instant, 0))
}

pub(super) fn times_of(batch: &RecordBatch, column: usize) -> impl Fn(usize) -> u64 + '_ {
    let times = batch.column(column).as_primitive::<Int64Type>();
    |row| u64::try_from(times.value(row)).unwrap_or(0)
}

/// A number as it stands in the table: whole where its column is.
pub(super) fn number_of(column: &ArrayRef, row: usize) -> Value {
    if column.data_type().is_integer() {
        return text_of(column, row).as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null);
    }
    let numbers = floats(column);
    if numbers.is_valid(row) { json!(numbers.value(row)) } else { Value::Null }
}

pub(super) fn floats(column: &ArrayRef) -> Float64Array {
    let numbers =
        cast(column, &DataType::Float64).expect("only columns of numbers are asked for, and Arrow casts each kind");
    numbers.as_primitive::<Float64Type>().clone()
}
