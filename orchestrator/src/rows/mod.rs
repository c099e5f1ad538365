//! Rows of a Parquet file in S3, in bounded memory: what is fetched are the footer, and then only the pages of the columns and
//! rows that are asked for, some at a time.

mod file;
mod window;

use std::{ops::Range, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector},
    },
    errors::ParquetError,
    file::metadata::{PageIndexPolicy, RowGroupMetaData},
};

use crate::{
    blobs::{BlobError, Blobs},
    error::{Error, Result},
};
use file::BlobFile;
use window::{Group, Window, windows};

/// A Parquet file whose footer has been read.
#[derive(Debug, Clone)]
pub struct Table {
    file: BlobFile,
    metadata: ArrowReaderMetadata,
}

impl Table {
    /// Reads the footer of the file with this key.
    ///
    /// # Errors
    /// When it is not there, is no Parquet file, or S3 is away.
    pub async fn open(blobs: Blobs, key: String) -> Result<Self> {
        let mut file = BlobFile::new(blobs, key);
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = ArrowReaderMetadata::load_async(&mut file, options).await.map_err(unreadable)?;
        Ok(Self { file, metadata })
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.metadata.metadata().file_metadata().num_rows().unsigned_abs()
    }

    /// The names of its columns, in their order.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.metadata.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// These of its columns, by their places, in this order.
    #[must_use]
    pub fn schema(&self, columns: &[usize]) -> SchemaRef {
        let fields = columns.iter().map(|place| Arc::clone(&self.metadata.schema().fields()[*place]));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// These of its columns, in this order, of a range of its rows.
    ///
    /// # Errors
    /// Each batch may fail: when the file is broken inside, or S3 is away.
    pub fn read(self, columns: &[usize], rows: Range<u64>) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied());
        // Batches come with their columns in the order of the file.
        let mut in_file: Vec<usize> = columns.to_vec();
        in_file.sort_unstable();
        let order: Vec<usize> = columns.iter().filter_map(|column| in_file.binary_search(column).ok()).collect();
        let groups =
            (0..).zip(self.metadata.metadata().row_groups()).map(|(number, group)| self.group(number, group, &mask));
        let windows = windows(groups.collect(), rows);
        let batches = stream::iter(windows).map(move |window| self.window(&mask, &window)).try_flatten();
        batches.map(move |batch| batch.and_then(|batch| Ok(batch.project(&order)?)).map_err(unreadable))
    }

    /// What windows are made of: a row group as these columns make it.
    fn group(&self, number: usize, group: &RowGroupMetaData, columns: &ProjectionMask) -> Group {
        let read = || group.columns().iter().enumerate().filter(|(leaf, _)| columns.leaf_included(*leaf));
        let sum = |bytes: &dyn Fn(usize) -> i64| read().map(|(leaf, _)| bytes(leaf).unsigned_abs()).sum();
        Group {
            number,
            rows: group.num_rows().unsigned_abs(),
            stored_bytes: sum(&|leaf| group.column(leaf).compressed_size()),
            bytes: sum(&|leaf| group.column(leaf).uncompressed_size()),
            has_pages: self.metadata.metadata().offset_index().is_some(),
        }
    }

    fn window(
        &self,
        columns: &ProjectionMask,
        window: &Window,
    ) -> Result<impl Stream<Item = Result<RecordBatch, ParquetError>> + Send + use<>, ParquetError> {
        let Window { group, rows, batch_rows } = window;
        let selection =
            RowSelection::from(vec![RowSelector::skip(rows.start), RowSelector::select(rows.end - rows.start)]);
        ParquetRecordBatchStreamBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
            .with_row_groups(vec![*group])
            .with_projection(columns.clone())
            .with_row_selection(selection)
            .with_batch_size(*batch_rows)
            .build()
    }
}

/// S3's own error where it was S3; any other means that the file is not what a worker should have written.
fn unreadable(error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<BlobError>() {
            Ok(blob) => Error::Blob(*blob),
            Err(other) => Error::Unreadable(other.to_string()),
        },
        other => Error::Unreadable(other.to_string()),
    }
}
