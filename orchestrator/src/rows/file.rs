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
/// Bytes that are fetched along, though nobody asked for them, rather than asked around.
const GAP: u64 = 64 * 1024;
/// Ranges together are not made longer than this.
const MOST: u64 = 8 << 20;
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
        async move {
            let merged = merged(&ranges);
            let fetching = stream::iter(merged.clone()).map(|range| range_of(file, range)).buffered(WIDTH);
            let fetched: Vec<Bytes> = fetching.try_collect().await?;
            let part = |range: Range<u64>| {
                // The last that begins no later: a range lies whole in one of them.
                let at = merged.partition_point(|merged| merged.start <= range.start).saturating_sub(1);
                let offset = |place: u64| usize::try_from(place - merged[at].start).expect("it lies in memory");
                if range.is_empty() { Bytes::new() } else { fetched[at].slice(offset(range.start)..offset(range.end)) }
            };
            Ok(ranges.into_iter().map(part).collect())
        }
        .boxed()
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

/// The same bytes in fewer ranges: those that lie close together are one, so that a table of a thousand columns does not ask a
/// thousand times.
fn merged(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match merged.last_mut() {
            Some(last) if range.start <= last.end + GAP && range.end.saturating_sub(last.start) <= MOST => {
                last.end = last.end.max(range.end);
            }
            // A range that begins within the one before it is not cut.
            _ => merged.push(range),
        }
    }
    merged
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_fetched_together_up_to_a_length() {
        let far = MOST - 10;

        assert_eq!(merged(&[500..600, 0..100, 100..200]), vec![0..600]);
        assert_eq!(merged(&[0..10, 10 + GAP + 1..20 + GAP + 1]), [0..10, 10 + GAP + 1..20 + GAP + 1]);
        assert_eq!(merged(&[0..far, far..far + 100, far + 100..far + 200]), [0..far, far..far + 200]);
        assert_eq!(merged(&[7..7, 9..9]), []);
    }
}
