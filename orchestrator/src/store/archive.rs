//! The archive: where the history, the log lines and the figures of packed jobs lie when they leave Redis. Whoever keeps files gives it.

use std::{fmt::Debug, pin::Pin};

use bytes::Bytes;
use relevo_shared::JobId;
use serde::{Deserialize, Serialize};

use super::{Result, Store, StoreError, keys::Keys};

/// What becomes of a call to the archive.
pub type Archiving<'a, T> = Pin<Box<dyn Future<Output = std::result::Result<T, String>> + Send + 'a>>;

/// Something that keeps objects by name. Errors are sentences.
pub trait Archive: Debug + Send + Sync {
    /// Keeps an object. Once this has succeeded it can be read.
    fn write(&self, name: &str, bytes: Bytes) -> Archiving<'_, ()>;
    /// Reads a part of an object.
    fn read(&self, name: &str, offset: u64, length: u64) -> Archiving<'_, Bytes>;
    /// Removes an object, which need not be there.
    fn remove(&self, name: &str) -> Archiving<'_, ()>;
}

/// Where the history, the log lines and the figures of a job lie: one behind the other in an object with those of other jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Archived {
    /// Name of the object.
    pub(super) object: String,
    /// Where the history begins.
    pub(super) offset: u64,
    /// Bytes of the history.
    pub(super) history: u64,
    /// Bytes of the log lines; 0 when there are none.
    pub(super) logs: u64,
    /// Bytes of the figures; 0 when there are none.
    #[serde(default)]
    pub(super) metrics: u64,
    /// The states that the job entered, which views of it tell of.
    pub(super) visits: Vec<(String, i64)>,
}

/// What is kept of a job beside its record and its history, one text after the other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Texts {
    /// The lines of its log.
    Lines,
    /// Its figures.
    Points,
}

impl Store {
    /// The same store with an archive to read from.
    #[must_use]
    pub fn with_archive(mut self, archive: std::sync::Arc<dyn Archive>) -> Self {
        self.archive = Some(archive);
        self
    }

    pub(super) fn archive(&self) -> Result<&dyn Archive> {
        self.archive.as_deref().ok_or_else(|| StoreError::Archive("S3 is off".to_owned()))
    }

    /// The compressed history of a job.
    pub(super) async fn archived_history(&self, at: &Archived) -> Result<Bytes> {
        self.read_archive(&at.object, at.offset, at.history).await
    }

    /// What is kept beside a job's history, compressed; `None` when there is none.
    pub(super) async fn archived_texts(&self, at: &Archived, which: Texts) -> Result<Option<Bytes>> {
        let (before, length) = match which {
            Texts::Lines => (at.history, at.logs),
            Texts::Points => (at.history + at.logs, at.metrics),
        };
        if length == 0 {
            return Ok(None);
        }
        self.read_archive(&at.object, at.offset + before, length).await.map(Some)
    }

    async fn read_archive(&self, name: &str, offset: u64, length: u64) -> Result<Bytes> {
        let bytes = self.archive()?.read(name, offset, length).await.map_err(StoreError::Archive)?;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            Err(StoreError::Archive(format!("{name} has {} bytes where {length} were written", bytes.len())))
        }
    }

    /// Keeps an object of the archive, and a note of when nobody will need it any more.
    pub(super) async fn write_archive(&self, partition: u16, name: &str, ends_at: i64, bytes: Bytes) -> Result<()> {
        // The note comes first: an object that nobody noted would stay for ever.
        let mut command = redis::cmd("ZADD");
        command.arg(Keys::archives(partition)).arg(ends_at).arg(name);
        command.query_async::<()>(&mut self.connections.get().await?).await?;
        self.archive()?.write(name, bytes).await.map_err(StoreError::Archive)
    }

    /// Removes objects whose jobs are all gone by now. Says how many there were.
    ///
    /// # Errors
    /// When Redis or the archive is away.
    pub async fn remove_archives(&self, partition: u16, limit: usize) -> Result<usize> {
        let Some(archive) = &self.archive else { return Ok(0) };
        let now = self.clock().await?;
        let mut command = redis::cmd("ZRANGE");
        command.arg(Keys::archives(partition)).arg("-inf").arg(now).arg("BYSCORE").arg("LIMIT").arg(0).arg(limit);
        let names: Vec<String> = command.query_async(&mut self.connections.get().await?).await?;
        for name in &names {
            archive.remove(name).await.map_err(StoreError::Archive)?;
            let mut command = redis::cmd("ZREM");
            command.arg(Keys::archives(partition)).arg(name);
            command.query_async::<()>(&mut self.connections.get().await?).await?;
        }
        Ok(names.len())
    }
}

/// The name of an object that begins with this job, which no other job begins.
pub(super) fn object_name(partition: u16, first: JobId) -> String {
    format!("archive/p{partition:02}/{first}")
}
