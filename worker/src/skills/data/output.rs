//! Writes the rows of a data frame and makes them a commit.

use std::{path::Path, sync::Arc};

use datafusion::{
    arrow::{
        array::{RecordBatch, RecordBatchOptions},
        compute::cast,
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    error::DataFusionError,
    prelude::{DataFrame, SessionConfig, SessionContext},
};
use futures_util::StreamExt;
use relevo_tables::{ParquetTableWriter, Written};

use crate::{
    context::TaskContext,
    skills::{
        SkillError,
        tabular::{data_error, session_with, table_error},
    },
};

/// A session that gives rows in the order of the file, and sums numbers in the same order each time.
pub(super) fn in_order(context: &TaskContext) -> Result<SessionContext, SkillError> {
    session_with(context, SessionConfig::new().with_information_schema(false).with_target_partitions(1))
}

/// What a fault of DataFusion means here.
pub(super) fn wrong(error: &DataFusionError) -> SkillError {
    data_error("source", error)
}

/// What is asked of rows before they are written.
pub(super) type Check<'a> = &'a (dyn Fn(&RecordBatch) -> Result<(), SkillError> + Sync);

/// Rows are written as they are.
pub(super) const UNCHECKED: Check<'static> = &|_| Ok(());

/// Appends the rows of a frame, whose columns are cast to those of the file one by one. Gives how many there were.
pub(super) async fn append(
    writer: &mut ParquetTableWriter<std::fs::File>,
    schema: &SchemaRef,
    frame: DataFrame,
    check: Check<'_>,
    context: &TaskContext,
) -> Result<u64, SkillError> {
    let mut batches = frame.execute_stream().await.map_err(|error| wrong(&error))?;
    let mut rows = 0;
    loop {
        let batch = tokio::select! {
            batch = batches.next() => batch,
            () = context.cancelled() => return Err(SkillError::Cancelled),
        };
        let Some(batch) = batch else { return Ok(rows) };
        let batch = batch.and_then(|batch| as_schema(&batch, schema)).map_err(|error| wrong(&error))?;
        check(&batch)?;
        rows += batch.num_rows() as u64;
        writer.write(&batch).map_err(|error| table_error("source", error))?;
    }
}

/// Writes a frame into a file with the columns that it has; texts are written as plain UTF-8.
pub(super) async fn write(
    frame: DataFrame,
    to: &Path,
    check: Check<'_>,
    context: &TaskContext,
) -> Result<Written, SkillError> {
    let fields = frame.schema().fields().iter().map(|field| {
        let plain = plain_type(field.data_type());
        Field::new(field.name(), plain, true)
    });
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut writer =
        ParquetTableWriter::create(to, Arc::clone(&schema)).map_err(|error| table_error("source", error))?;
    append(&mut writer, &schema, frame, check, context).await?;
    writer.finish().map_err(|error| table_error("source", error))
}

/// The type that a file has for what DataFusion reads in a form of its own.
pub(super) fn plain_type(of: &DataType) -> DataType {
    match of {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other.clone(),
    }
}

fn as_schema(batch: &RecordBatch, schema: &SchemaRef) -> datafusion::error::Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| cast(column, field.data_type()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &options)?)
}
