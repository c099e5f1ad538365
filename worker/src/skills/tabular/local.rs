//! A pinned table on this machine's disk, as a Parquet file whatever it was uploaded as.

use std::path::{Path, PathBuf};

use datafusion::{
    arrow::datatypes::{Schema, SchemaRef},
    parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
    parquet::file::metadata::PageIndexPolicy,
    prelude::{DataFrame, ParquetReadOptions, SessionContext},
};
use relevo_shared::dataset::{TableFormat, TableRef};
use relevo_tables::{Description, ParquetTableWriter, TableError};

use super::{data_error, table_error};
use crate::{
    context::TaskContext,
    skills::{SkillError, off_the_clock},
};

/// The parameter that names a pinned table.
const FIELD: &str = "source";

/// A table as a Parquet file on this machine. Its rows are those of the source, in the source's order.
#[derive(Debug, Clone)]
pub struct LocalTable {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

impl LocalTable {
    /// Brings a table into the task's work folder. CSV and JSON lines become Parquet on the way, batch by batch.
    ///
    /// # Errors
    /// Those of a download; `InvalidInput` when the table is not the one that was described; `Cancelled`.
    pub async fn fetch(context: &TaskContext, table: &TableRef) -> Result<Self, SkillError> {
        Self::fetch_as(context, table, "source").await
    }

    /// The same under a name of its own in the work folder, for a task with several tables.
    ///
    /// # Errors
    /// As for [`Self::fetch`].
    pub async fn fetch_as(context: &TaskContext, table: &TableRef, name: &str) -> Result<Self, SkillError> {
        let source = context.work_dir().join(name);
        context.download(&table.uri, &source).await?;
        if table.format == TableFormat::Parquet {
            return off_the_clock(move || Self::open(&source)).await;
        }
        let description = Description::from(table);
        let parquet = context.work_dir().join(format!("{name}.parquet"));
        let context = context.clone();
        off_the_clock(move || {
            let go_on = |_| if context.is_cancelled() { Err(SkillError::Cancelled) } else { Ok(()) };
            convert(&source, &description, &parquet, FIELD, go_on)?;
            let _ = std::fs::remove_file(&source);
            Self::open(&parquet)
        })
        .await
    }

    /// Opens a Parquet file that lies here.
    ///
    /// # Errors
    /// `InvalidInput` when it is none; `Transient` when it cannot be read.
    pub fn open(path: &Path) -> Result<Self, SkillError> {
        let file = std::fs::File::open(path).map_err(|error| table_error(FIELD, error.into()))?;
        // Where pages begin is worth knowing; files without it are read all the same.
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(|error| data_error(FIELD, &error.into()))?;
        Ok(Self { path: path.to_owned(), metadata })
    }

    /// The Parquet file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's footer, read once.
    #[must_use]
    pub const fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    /// Its columns, in the types that the file has them in.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.metadata.metadata().file_metadata().num_rows().unsigned_abs()
    }

    /// The table as a data frame of a session.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn frame(&self, session: &SessionContext) -> Result<DataFrame, SkillError> {
        self.read(session, ParquetReadOptions::default()).await
    }

    /// Some columns of the table as a data frame of a session. Questions about them take no longer where the table has thousands of
    /// others.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn frame_of(&self, session: &SessionContext, columns: &Schema) -> Result<DataFrame, SkillError> {
        self.read(session, ParquetReadOptions::default().schema(columns)).await
    }

    async fn read(&self, session: &SessionContext, options: ParquetReadOptions<'_>) -> Result<DataFrame, SkillError> {
        let path = self.path.to_string_lossy();
        // The work folder's file has no ending of its own.
        let options = options.file_extension("");
        session.read_parquet(path.as_ref(), options).await.map_err(|error| data_error(FIELD, &error))
    }
}

/// Writes the rows of a table into a Parquet file, batch by batch, and gives their number. `field` is the parameter that named
/// the table; `told` hears after each batch how many rows are done, and ends the work by an error.
///
/// # Errors
/// `InvalidInput` when the table is not the one that was described; what `told` answers; when a file cannot be read or written.
pub(crate) fn convert(
    from: &Path,
    table: &Description,
    to: &Path,
    field: &str,
    mut told: impl FnMut(u64) -> Result<(), SkillError>,
) -> Result<u64, SkillError> {
    let wrong = |error: TableError| table_error(field, error);
    let reader = relevo_tables::open(from, table).map_err(wrong)?;
    let mut writer = ParquetTableWriter::create(to, reader.schema()).map_err(wrong)?;
    let mut rows = 0;
    for batch in reader {
        let batch = batch.map_err(wrong)?;
        writer.write(&batch).map_err(wrong)?;
        rows += batch.num_rows() as u64;
        told(rows)?;
    }
    writer.finish().map_err(wrong)?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use relevo_shared::{JobId, TaskId, worker::Task};
    use serde_json::json;

    use super::*;
    use crate::{files::Files, skills::tabular::session};

    fn context(folder: &Path) -> TaskContext {
        let job_id = JobId::fresh();
        let task = json!({ "job_id": job_id, "task_id": TaskId { branch: job_id.into(), number: 1 }, "type": "t", "params": {} });
        let task: Task = serde_json::from_value(task).unwrap();
        TaskContext::offline(&task, folder, Arc::new(Files::new(None)))
    }

    #[tokio::test]
    async fn a_text_table_is_read_in_its_own_order_with_the_types_it_was_described_with() {
        let folder = tempfile::tempdir().unwrap();
        let (csv, parquet) = (folder.path().join("t.csv"), folder.path().join("t.parquet"));
        std::fs::write(&csv, "id,Región,on\n2,norte,2026-01-31\n1,,2026-02-01\n").unwrap();
        let context = context(folder.path());

        convert(&csv, &relevo_tables::describe(&csv, None).unwrap(), &parquet, FIELD, |_| Ok(())).unwrap();

        let table = LocalTable::open(&parquet).unwrap();
        let types: Vec<String> = table.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
        assert_eq!((types.join(" "), table.rows()), ("Int64 Utf8 Date32".to_owned(), 2));
        let session = session(&context).unwrap();
        let batches = table.frame(&session).await.unwrap().collect().await.unwrap();
        let rows: Vec<_> = batches.iter().flat_map(|batch| relevo_tables::json_rows(batch).unwrap()).collect();
        assert_eq!(rows[0], json!({ "id": 2, "Región": "norte", "on": "2026-01-31" }));
        assert_eq!(rows[1]["Región"], json!(null));
    }

    #[test]
    fn a_file_that_is_no_parquet_is_the_senders_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        std::fs::write(&path, "id\n1\n").unwrap();

        assert_eq!(LocalTable::open(&path).unwrap_err().code(), "INVALID_INPUT");
    }
}
