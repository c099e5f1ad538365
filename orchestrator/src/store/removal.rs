//! What is removed: jobs at their client's wish, and what the end of their retention leaves in the index.

use relevo_shared::{JobId, job::JobState};

use super::{
    FanId, Result, Store,
    index::{CHUNKS_AT_ONCE, Chunk},
    keys::Keys,
    millis,
    script::{DELETE_JOB, Reply},
};
use crate::domain::index::{Cut, Entry, SLOTS, cut, plan};

/// Keys that are removed in one round trip.
const PAGE: usize = 500;

/// Answer to a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone, and so many bytes with it.
    Deleted(u64),
    /// There is no such job.
    Missing,
    /// It has not ended: it is in this state.
    NotEnded(JobState),
}

impl Store {
    /// Removes a job that has ended, with all that Redis keeps of it but what a fan-out has left.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn delete_job(&self, id: JobId) -> Result<Deletion> {
        let mut call = DELETE_JOB.key(self.keys.job(id));
        for key in self.keys.beside(id) {
            call.key(key);
        }
        let mut reply: Reply =
            call.arg(self.keys.prefix_of(id)).invoke_async(&mut self.connections.get().await?).await?;
        match reply.word() {
            "ok" => Ok(Deletion::Deleted(reply.next_as()?)),
            "missing" => Ok(Deletion::Missing),
            "not_ended" => Ok(Deletion::NotEnded(reply.next_as()?)),
            _ => Err(reply.unexpected()),
        }
    }

    /// Removes what is left of a fan-out. Answers the bytes.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn delete_fan(&self, fan: FanId) -> Result<u64> {
        let opened = self.read_fan(fan).await?.map_or(0, |record| record.opened);
        let mut bytes = self.free(&[self.keys.fan(fan), self.keys.items(fan), self.keys.results(fan)]).await?;
        let branches: Vec<u32> = (0..opened).collect();
        for part in branches.chunks(PAGE) {
            let keys: Vec<String> = part.iter().map(|index| self.keys.branch(fan.branch(*index))).collect();
            bytes += self.free(&keys).await?;
        }
        Ok(bytes)
    }

    /// Removes keys of one partition. Answers the bytes that they took.
    async fn free(&self, keys: &[String]) -> Result<u64> {
        let mut pipe = redis::pipe();
        for key in keys {
            pipe.cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        }
        pipe.cmd("UNLINK").arg(keys);
        let mut answers: Vec<Option<u64>> = pipe.query_async(&mut self.connections.get().await?).await?;
        answers.pop();
        Ok(answers.into_iter().flatten().sum())
    }

    /// Takes jobs whose retention is over out of the index of a partition, and chunks of which none is left. Says how many jobs it
    /// was.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn sweep_index(&self, partition: u16) -> Result<usize> {
        let retention = i64::try_from(millis(self.durations.retention)).unwrap_or(i64::MAX);
        // A job that was created later has not even ended so long ago.
        let instant = self.clock().await?.saturating_sub(retention);
        let mut chunks = self.chunks(partition).await?;
        chunks.retain(|chunk| cut(chunk.oldest, chunk.newest, instant) != Cut::NotOlder);
        let mut swept = 0;
        for chunk in chunks {
            swept += self.sweep_chunk(partition, chunk, instant).await?;
        }
        Ok(swept)
    }

    async fn sweep_chunk(&self, partition: u16, chunk: Chunk, instant: i64) -> Result<usize> {
        let mut found = self.search_chunks(partition, &[chunk], &[], &[]).await?;
        let all = found.iter().map(|matches| matches.slots.len()).sum::<usize>();
        if cut(chunk.oldest, chunk.newest, instant) == Cut::Through {
            let end = self.find_instant(partition, chunk.number, instant).await?;
            found.iter_mut().for_each(|matches| matches.slots.keep_below(end));
        }
        let found = [found];
        let entries = self.read_entries(&[partition], &found, &plan(&found, 0, SLOTS)).await?;
        let gone = self.gone(&entries).await?;
        if !gone.is_empty() {
            let mut command = redis::cmd("BITFIELD");
            command.arg(Keys::column(partition, chunk.number, "state"));
            for slot in &gone {
                command.arg("SET").arg("u4").arg(format!("#{}", slot % SLOTS as u64)).arg(0);
            }
            command.query_async::<()>(&mut self.connections.get().await?).await?;
        }
        if gone.len() == all {
            self.drop_chunk(partition, chunk).await?;
        }
        Ok(gone.len())
    }

    /// The places of jobs that are not there any more. One that was created anew under its id has another place.
    async fn gone(&self, entries: &[Entry]) -> Result<Vec<u64>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for entry in entries {
            pipe.cmd("HGET").arg(self.keys.job(entry.id)).arg("slot");
        }
        let slots: Vec<Option<u64>> = pipe.query_async(&mut self.connections.get().await?).await?;
        let gone = entries.iter().zip(slots).filter(|(entry, slot)| *slot != Some(entry.slot));
        Ok(gone.map(|(entry, _)| entry.slot).collect())
    }

    /// Removes every chunk of a partition that has no job any more. Answers the bytes.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn drop_empty_chunks(&self, partition: u16) -> Result<u64> {
        let mut bytes = 0;
        for chunks in self.chunks(partition).await?.chunks(CHUNKS_AT_ONCE) {
            let found = self.search_chunks(partition, chunks, &[], &[]).await?;
            for (chunk, _) in chunks.iter().zip(found).filter(|(_, matches)| matches.slots.is_empty()) {
                bytes += self.drop_chunk(partition, *chunk).await?;
            }
        }
        Ok(bytes)
    }

    /// Removes a chunk without jobs. The newest stays, because it gets more; so do its columns.
    async fn drop_chunk(&self, partition: u16, chunk: Chunk) -> Result<u64> {
        let mut command = redis::cmd("HGET");
        command.arg(Keys::counts(partition)).arg("slots");
        let slots: Option<u64> = command.query_async(&mut self.connections.get().await?).await?;
        if slots.unwrap_or_default() / SLOTS as u64 <= chunk.number {
            return Ok(0);
        }
        let mut command = redis::cmd("ZREM");
        command.arg(Keys::chunks(partition)).arg(chunk.number);
        command.query_async::<()>(&mut self.connections.get().await?).await?;
        let columns = ["ids", "state", "values"].map(|column| Keys::column(partition, chunk.number, column));
        self.free(&columns).await
    }
}
