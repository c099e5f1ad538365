//! A file in S3 as the reader of Parquet wants it: by ranges of its bytes.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use parquet::{
    arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
    errors::{ParquetError, Result},
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};

use crate::blobs::{BlobError, Blobs};

/// How much of the file's end is fetched at once: mostly the whole footer.
const FOOTER_GUESS: usize = 64 * 1024;
/// Ranges that are fetched at the same time.
const WIDTH: usize = 8;

/// A file; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct BlobFile {
    blobs: Blobs,
    key: Arc<str>,
}

impl BlobFile {
    pub(super) fn new(blobs: Blobs, key: String) -> Self {
        Self { blobs, key: key.into() }
    }
}

impl AsyncFileReader for BlobFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        range_of(self, range).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let file = &*self;
        stream::iter(ranges).map(move |range| range_of(file, range)).buffered(WIDTH).try_collect().boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let size = self.blobs.length(&self.key).await.map_err(external)?;
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            let reader = reader.with_prefetch_hint(Some(FOOTER_GUESS));
            reader.load_and_finish(self, size).await.map(Arc::new)
        }
        .boxed()
    }
}

async fn range_of(file: &BlobFile, range: Range<u64>) -> Result<Bytes> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    file.blobs.read_range(&file.key, range.start, range.end - 1).await.map_err(external)
}

fn external(error: BlobError) -> ParquetError {
    ParquetError::External(Box::new(error))
}
