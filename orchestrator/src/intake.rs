//! Takes in a table and makes it a commit of its dataset: an upload is streamed to S3 while it is inspected, what a worker
//! commits lies there already.
//!
//! Nothing is committed unless the whole table is sound; what was stored of a bad one is removed.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use relevo_shared::{JobId, dataset::TableRef, worker::TableCommit};
use relevo_tables::{Description, Inspector, TableError, commit_hash, describe_parquet_footer, sniff_format, what_is};
use sha2::Digest;

use crate::{
    blobs::{BlobError, Blobs},
    domain::dataset::{MAIN, TABLES, faults_in_commit, place_of},
    error::{Error, Result},
    store::{CommitAs, Store},
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
    /// The ref that will point at it.
    pub reference: String,
    /// What people are to call the dataset from now on.
    pub name: Option<String>,
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
    let key = format!("{TABLES}{}/{}/{}", new.dataset_id, new.table_key, JobId::fresh());
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
        dataset_name: None,
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
    commit(store, blobs, &table, &key, CommitAs { reference: &new.reference, name: new.name.as_deref() }).await
}

/// Commits a table that a worker has put in S3. The bytes are not read: that they are what the worker says is its word.
///
/// # Errors
/// When what it says cannot be right, the bytes are not where they should be, or S3 or Redis is away.
pub async fn adopt_table(store: &Store, blobs: &Blobs, new: TableCommit) -> Result<TableRef> {
    let key = place_of(&new);
    let faults = faults_in_commit(&new, &blobs.uri(&key));
    if !faults.is_empty() {
        return Err(Error::invalid_fields(faults));
    }
    match blobs.length(&key).await {
        Ok(bytes) if bytes == new.bytes => {}
        Ok(bytes) => return Err(Error::invalid("bytes", format!("must be {bytes}: so long is what lies at the uri"))),
        Err(BlobError::NotFound(_)) => return Err(Error::invalid("uri", "there is nothing yet: upload it first")),
        Err(error) => return Err(error.into()),
    }
    let reference = new.reference.unwrap_or_else(|| MAIN.to_owned());
    let table = TableRef {
        dataset_id: new.dataset_id,
        dataset_name: None,
        table_key: new.table_key,
        commit_id: new.commit_id,
        uri: new.uri,
        format: new.format,
        csv: new.csv,
        columns: new.columns,
        rows: new.rows,
        bytes: new.bytes,
        created_at: rfc3339(now_ms()),
    };
    commit(store, blobs, &table, &key, CommitAs { reference: &reference, name: None }).await
}

/// Makes the bytes at `key` a commit, or removes them where the same ones were committed before.
async fn commit(store: &Store, blobs: &Blobs, table: &TableRef, key: &str, seen: CommitAs<'_>) -> Result<TableRef> {
    let kept = store.commit_table(table, seen).await?;
    // Not after an error: the script may have run, and a head without its bytes is worse than bytes without a head.
    if kept.uri != table.uri {
        let _ = blobs.remove(key).await;
    }
    Ok(kept)
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
