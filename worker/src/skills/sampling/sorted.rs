//! Sorts a sample by the columns that were asked for, on disk where memory does not suffice.

use std::{path::Path, sync::Arc};

use datafusion::arrow::{
    array::{RecordBatch, RecordBatchOptions},
    compute::cast,
    datatypes::{Schema, SchemaRef},
};
use futures_util::StreamExt;
use relevo_tables::{ParquetTableWriter, Written};

use super::{
    layout::{Layout, ROUND_NUMBER},
    store::{POSITION, neutral},
};
use crate::{
    context::TaskContext,
    skills::{
        SkillError,
        tabular::{LocalTable, column, data_error, session, table_error},
    },
};

/// Sorts what [`super::store::write_sample`] wrote, and gives the columns their own names.
///
/// # Errors
/// When the sample cannot be sorted or written; `Cancelled`.
pub async fn sort_sample(
    context: &TaskContext,
    unsorted: &Path,
    layout: &Layout,
    table: &Schema,
    to: &Path,
) -> Result<Written, SkillError> {
    let fault = |error| data_error("selection.order_by", &error);
    let session = session(context)?;
    let named = |name: &str| table.index_of(name).map(neutral).unwrap_or_default();
    let stored = layout.stored.iter().map(|place| neutral(*place)).chain([ROUND_NUMBER.to_owned()]);
    let frame = LocalTable::open(unsorted)?.frame(&session).await?;
    let sorted = frame
        .sort(layout.sort(named, POSITION)?)
        .and_then(|frame| frame.select(stored.map(column).collect::<Vec<_>>()));
    let mut batches = sorted.map_err(fault)?.execute_stream().await.map_err(fault)?;
    let schema = layout.schema(table);
    let mut writer =
        ParquetTableWriter::create(to, Arc::clone(&schema)).map_err(|error| table_error("source", error))?;
    while let Some(batch) = batches.next().await {
        if context.is_cancelled() {
            return Err(SkillError::Cancelled);
        }
        let batch = batch.and_then(|batch| renamed(&batch, &schema)).map_err(fault)?;
        // A few megabytes at most: shorter than a turn of the other tasks' patience.
        writer.write(&batch).map_err(|error| table_error("source", error))?;
    }
    writer.finish().map_err(|error| table_error("source", error))
}

fn renamed(batch: &RecordBatch, schema: &SchemaRef) -> datafusion::error::Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    // DataFusion reads text in a form of its own.
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &options)?)
}
