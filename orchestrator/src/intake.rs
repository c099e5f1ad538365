//! Takes in a table: streams it to S3 while it is inspected, then makes it the head of its dataset.
//!
//! Nothing is committed unless the whole table is sound; what was stored of a bad one is removed.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use relevo_shared::{
    JobId,
    dataset::{TableFormat, TableRef},
};
use relevo_tables::{Description, Inspector, TableError, describe_parquet_footer, sniff_format, what_is};
use sha2::{Digest, Sha256};

use crate::{
    blobs::Blobs,
    error::{Error, Result},
    store::Store,
    time::{now_ms, rfc3339},
};

/// How much of a body is looked at to tell its format.
const HEAD: usize = 4096;

/// A table that is being uploaded.
#[derive(Debug)]
pub struct NewTable {
    /// The dataset that it belongs to.
    pub dataset_id: String,
    /// Its key within the dataset.
    pub table_key: String,
    /// What the client says it is.
    pub content_type: Option<String>,
}

/// Streams a table in and commits it. The same bytes again give the commit that they gave before.
///
/// # Errors
/// When the table is not sound (the reason names the line), or when S3 or Redis is away.
pub async fn take_table<S>(store: &Store, blobs: &Blobs, new: NewTable, body: S) -> Result<TableRef>
where
    S: Stream<Item = Result<Bytes>> + Unpin + Send,
{
    // The commit is the hash of the bytes and known only at their end, so the file has a name of its own.
    let key = format!("datasets/{}/{}/{}", new.dataset_id, new.table_key, JobId::fresh());
    let taken = store_and_inspect(blobs, &key, &new, body).await;
    let (description, commit_id) = match taken {
        Ok(taken) => taken,
        Err(error) => {
            let _ = blobs.remove(&key).await;
            return Err(error);
        }
    };
    let table = TableRef {
        dataset_id: new.dataset_id,
        table_key: new.table_key,
        commit_id,
        uri: blobs.uri(&key),
        format: description.format,
        csv: description.csv,
        columns: description.columns,
        rows: description.rows,
        bytes: description.bytes,
        created_at: rfc3339(now_ms()),
    };
    let kept = store.commit_table(&table).await;
    // Not after an error: the script may have run, and a head without its bytes is worse than bytes without a head.
    if kept.as_ref().is_ok_and(|kept| kept.uri != table.uri) {
        let _ = blobs.remove(&key).await;
    }
    Ok(kept?)
}

async fn store_and_inspect<S>(blobs: &Blobs, key: &str, new: &NewTable, mut body: S) -> Result<(Description, String)>
where
    S: Stream<Item = Result<Bytes>> + Unpin + Send,
{
    let mut head = Vec::new();
    while head.len() < HEAD {
        let Some(chunk) = body.next().await else { break };
        head.extend_from_slice(&chunk?);
    }
    let format = sniff_format(new.content_type.as_deref(), None, &head).ok_or_else(|| unknown_format(&head))?;

    let seen = Arc::new(Mutex::new((Inspector::new(format), commit_hash(format))));
    let looking = Arc::clone(&seen);
    let whole = stream::iter([Ok(Bytes::from(head))]).chain(body).map(move |chunk| -> Result<Bytes> {
        let chunk = chunk?;
        let mut seen = looking.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0.push(&chunk).map_err(|error| refused(&error))?;
        seen.1.update(&chunk);
        Ok(chunk)
    });
    let length = blobs.write_stream(key, whole).await?;
    let seen = Arc::into_inner(seen).expect("the stream that shared it has ended");
    let (inspector, hash) = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let commit = hex::encode(hash.finalize());
    let description = match inspector.finish() {
        Err(TableError::FooterBeyondTail { from, to }) => {
            let footer = blobs.read_range(key, from, to - 1).await?;
            describe_parquet_footer(&footer, length)
        }
        other => other,
    };
    Ok((description.map_err(|error| refused(&error))?, commit))
}

/// A commit is the hash of the format and the bytes: the same bytes read in another way are another table.
fn commit_hash(format: TableFormat) -> Sha256 {
    let name = match format {
        TableFormat::Csv => "csv",
        TableFormat::Parquet => "parquet",
        TableFormat::Jsonl => "jsonl",
    };
    Sha256::new_with_prefix(format!("{name}\n"))
}

/// Says what the body is, or what would have told.
fn unknown_format(head: &[u8]) -> Error {
    let reason = match what_is(head) {
        _ if head.is_empty() => TableError::Empty.to_string(),
        Some(found) => format!("is {found}; a table must be CSV, Parquet or JSON lines"),
        None => "its format cannot be told; send a Content-Type: text/csv, application/x-ndjson or \
                 application/vnd.apache.parquet"
            .to_owned(),
    };
    Error::invalid("body", reason)
}

fn refused(error: &TableError) -> Error {
    Error::invalid("body", error.to_string())
}
