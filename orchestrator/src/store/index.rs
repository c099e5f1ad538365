//! Lists of jobs: the index is read a chunk at a time, the domain picks the page, and the records of that are read.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use relevo_shared::{JobId, job::JobState};

use super::{
    JobRecord, Result, Store,
    keys::Keys,
    packing::whole_fields,
    script::{FIND_INSTANT, corrupt},
};
use crate::domain::index::{
    Attribute, Bound, ChunkMatches, Cut, Entry, ListCursor, Plan, SLOTS, SlotSet, bound, cut, page, plan,
};

/// Chunks that are read in one round trip: enough to be quick, few enough to let others in between.
pub(super) const CHUNKS_AT_ONCE: usize = 64;
/// Partitions that are read at the same time.
const WIDTH: usize = 8;
/// Bytes of a slot among the ids: those of the id, and of the instant.
const ID_BYTES: usize = 24;
/// Slots that are read along, though nobody wants them, rather than asked for around.
const GAP: usize = 32;

/// Which jobs a list is of. What is `None` may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Whose they are.
    pub client: Option<String>,
    /// The states that they are in; any state when there are none here.
    pub states: Vec<JobState>,
    /// What they are.
    pub kind: Option<String>,
    /// The dataset that their input names.
    pub dataset: Option<String>,
    /// The user of their client.
    pub user_id: Option<String>,
    /// The same user's name in another directory.
    pub user_soeid: Option<String>,
    /// They were created later than this, in milliseconds since 1970.
    pub created_after: Option<i64>,
    /// They were created earlier than this, in milliseconds since 1970.
    pub created_before: Option<i64>,
}

impl JobFilter {
    /// The names under which the index has what is asked for.
    fn names(&self) -> Vec<String> {
        let wanted = [
            (Attribute::Client, &self.client),
            (Attribute::Kind, &self.kind),
            (Attribute::Dataset, &self.dataset),
            (Attribute::UserId, &self.user_id),
            (Attribute::UserSoeid, &self.user_soeid),
        ];
        wanted.into_iter().filter_map(|(attribute, value)| Some(attribute.named(value.as_deref()?))).collect()
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageStart {
    /// After so many jobs.
    Offset(u64),
    /// After the last job of an earlier page.
    After(ListCursor),
}

/// One page of a list, newest first.
#[derive(Debug, Clone)]
pub struct JobPage {
    /// The jobs, without the states that they entered. One whose retention ended just now may be missing.
    pub jobs: Vec<(JobId, JobRecord)>,
    /// How many jobs there are in all.
    pub total: u64,
    /// Where the next page begins; `None` after the last.
    pub next: Option<ListCursor>,
}

/// A chunk as the directory of its partition has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) number: u64,
    pub(super) oldest: i64,
    pub(super) newest: i64,
}

/// Which jobs a filter found, by their places in the index: some hundred bytes for each thousand. What is created later is not
/// among them.
#[derive(Debug)]
pub struct FoundJobs(Vec<Vec<ChunkMatches>>);

impl FoundJobs {
    /// How many there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        count(&self.0)
    }
}

impl Store {
    /// One page of the jobs that a filter is of. `limit` is at least 1.
    ///
    /// # Errors
    /// When Redis is away, or holds something unexpected.
    pub async fn list_jobs(&self, filter: &JobFilter, start: PageStart, limit: usize) -> Result<JobPage> {
        let mut found = self.search_all(filter).await?;
        let total = count(&found);
        let (mut left, mut offset) = (total, 0);
        match start {
            PageStart::Offset(passed) => offset = passed,
            PageStart::After(cursor) => {
                for (partition, chunks) in self.partitions().zip(&mut found) {
                    self.keep_after(partition, chunks, &cursor).await?;
                }
                left = count(&found);
            }
        }
        let page = self.read_page(&found, offset, limit).await?;
        let more = offset.saturating_add(page.len() as u64) < left;
        let next = page.last().filter(|_| more).map(|last| ListCursor {
            at: last.at,
            partition: last.partition,
            slot: last.slot,
        });
        Ok(JobPage { jobs: self.read_records(&page).await?, total, next })
    }

    /// All jobs that a filter is of, to be read page by page.
    ///
    /// # Errors
    /// When Redis is away, or holds something unexpected.
    pub async fn find_jobs(&self, filter: &JobFilter) -> Result<FoundJobs> {
        self.search_all(filter).await.map(FoundJobs)
    }

    /// Jobs of what was found, newest first. Those that were removed meanwhile are missing.
    ///
    /// # Errors
    /// As for [`Self::find_jobs`].
    pub async fn read_found(&self, found: &FoundJobs, offset: u64, limit: usize) -> Result<Vec<(JobId, JobRecord)>> {
        let page = self.read_page(&found.0, offset, limit).await?;
        self.read_records(&page).await
    }

    async fn read_page(&self, found: &[Vec<ChunkMatches>], offset: u64, limit: usize) -> Result<Vec<Entry>> {
        let (partitions, plan): (Vec<u16>, _) = (self.partitions().collect(), plan(found, offset, limit));
        Ok(page(self.read_entries(&partitions, found, &plan).await?, offset, &plan, limit))
    }

    /// What a filter finds in each partition.
    async fn search_all(&self, filter: &JobFilter) -> Result<Vec<Vec<ChunkMatches>>> {
        let searches = stream::iter(self.partitions()).map(|partition| self.search(partition, filter));
        searches.buffered(WIDTH).try_collect().await
    }

    /// What a filter finds in one partition, oldest chunk first.
    async fn search(&self, partition: u16, filter: &JobFilter) -> Result<Vec<ChunkMatches>> {
        // The instant itself belongs to neither side.
        let since = filter.created_after.map(|at| at.saturating_add(1));
        let mut chunks = self.chunks(partition).await?;
        chunks.retain(|chunk| {
            since.is_none_or(|since| cut(chunk.oldest, chunk.newest, since) != Cut::Older)
                && filter.created_before.is_none_or(|end| cut(chunk.oldest, chunk.newest, end) != Cut::NotOlder)
        });
        let names = filter.names();
        let mut found = Vec::with_capacity(chunks.len());
        for chunks in chunks.chunks(CHUNKS_AT_ONCE) {
            found.extend(self.search_chunks(partition, chunks, &names, &filter.states).await?);
        }
        for matches in &mut found {
            for (instant, newer) in [(since, true), (filter.created_before, false)] {
                let Some(instant) = instant else { continue };
                if cut(matches.oldest, matches.newest, instant) == Cut::Through && !matches.slots.is_empty() {
                    let place = self.find_instant(partition, matches.chunk, instant).await?;
                    if newer { matches.slots.keep_from(place) } else { matches.slots.keep_below(place) }
                }
            }
        }
        Ok(found)
    }

    /// The chunks of a partition, oldest first.
    pub(super) async fn chunks(&self, partition: u16) -> Result<Vec<Chunk>> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(Keys::chunks(partition)).arg(0).arg(-1).arg("WITHSCORES");
        let mut known: Vec<(u64, i64)> = command.query_async(&mut self.connections.get().await?).await?;
        // Chunks that were begun in the same millisecond are sorted as texts.
        known.sort_unstable();
        let ends = known.iter().skip(1).map(|(_, oldest)| *oldest).chain([i64::MAX]);
        Ok(known
            .iter()
            .zip(ends)
            .map(|((number, oldest), newest)| Chunk { number: *number, oldest: *oldest, newest })
            .collect())
    }

    pub(super) async fn search_chunks(
        &self,
        partition: u16,
        chunks: &[Chunk],
        names: &[String],
        states: &[JobState],
    ) -> Result<Vec<ChunkMatches>> {
        let mut pipe = redis::pipe();
        for chunk in chunks {
            pipe.cmd("GET").arg(Keys::column(partition, chunk.number, "state"));
            if !names.is_empty() {
                pipe.cmd("HMGET").arg(Keys::column(partition, chunk.number, "values")).arg(names);
            }
        }
        let columns: Vec<redis::Value> = pipe.query_async(&mut self.connections.get().await?).await?;
        let mut columns = columns.into_iter();
        let mut found = Vec::with_capacity(chunks.len());
        for Chunk { number, oldest, newest } in chunks {
            let column: Option<Vec<u8>> = part(columns.next())?;
            let mut slots = SlotSet::of_states(&column.unwrap_or_default(), states);
            if !names.is_empty() {
                let values: Vec<Option<Vec<u8>>> = part(columns.next())?;
                for value in values {
                    slots.keep(&SlotSet::of_value(&value.unwrap_or_default()));
                }
            }
            found.push(ChunkMatches { chunk: *number, oldest: *oldest, newest: *newest, slots });
        }
        Ok(found)
    }

    /// How many jobs of a chunk were created before an instant.
    pub(super) async fn find_instant(&self, partition: u16, chunk: u64, instant: i64) -> Result<usize> {
        let mut call = FIND_INSTANT.key(Keys::column(partition, chunk, "ids"));
        Ok(call.arg(instant).invoke_async(&mut self.connections.get().await?).await?)
    }

    /// Leaves only what comes after a cursor.
    async fn keep_after(&self, partition: u16, found: &mut [ChunkMatches], cursor: &ListCursor) -> Result<()> {
        let bound = bound(cursor, partition);
        for matches in found.iter_mut().filter(|matches| !matches.slots.is_empty()) {
            let end = match bound {
                Bound::Below(slot) => slot.saturating_sub(matches.chunk * SLOTS as u64) as usize,
                Bound::Before(instant) => match cut(matches.oldest, matches.newest, instant) {
                    Cut::Older => SLOTS,
                    Cut::NotOlder => 0,
                    Cut::Through => self.find_instant(partition, matches.chunk, instant).await?,
                },
            };
            matches.slots.keep_below(end);
        }
        Ok(())
    }

    /// The ids and instants of the slots that a plan wants of what was found in these partitions.
    pub(super) async fn read_entries(
        &self,
        partitions: &[u16],
        found: &[Vec<ChunkMatches>],
        plan: &Plan,
    ) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for (at, place, slots) in &plan.wanted {
            let (partition, chunk) = (partitions[*at], found[*at][*place].chunk);
            let (runs, key) = (runs(slots), Keys::column(partition, chunk, "ids"));
            let mut pipe = redis::pipe();
            for (first, last) in &runs {
                pipe.cmd("GETRANGE").arg(&key).arg(first * ID_BYTES).arg((last + 1) * ID_BYTES - 1);
            }
            let read: Vec<Vec<u8>> = pipe.query_async(&mut self.connections.get().await?).await?;
            let read: HashMap<usize, &[u8]> = runs
                .iter()
                .zip(&read)
                .flat_map(|((first, _), bytes)| (*first..).zip(bytes.chunks_exact(ID_BYTES)))
                .collect();
            // A chunk that was removed just now is read as nothing.
            entries.extend(slots.iter().filter_map(|slot| {
                let (id, instant) = read.get(slot)?.split_first_chunk()?;
                let at = i64::from_be_bytes(instant.try_into().ok()?);
                Some(Entry { at, partition, slot: chunk * SLOTS as u64 + *slot as u64, id: JobId::from_bytes(*id) })
            }));
        }
        Ok(entries)
    }

    /// The records of a page, in its order. A job that is gone is left out.
    async fn read_records(&self, page: &[Entry]) -> Result<Vec<(JobId, JobRecord)>> {
        let mut records = HashMap::new();
        for partition in self.partitions() {
            let ids: Vec<JobId> =
                page.iter().filter(|entry| entry.partition == partition).map(|entry| entry.id).collect();
            if ids.is_empty() {
                continue;
            }
            let mut pipe = redis::pipe();
            for id in &ids {
                pipe.cmd("HGETALL").arg(self.keys.job(*id)).cmd("GET").arg(self.keys.packed(*id));
            }
            let read: Vec<redis::Value> = pipe.query_async(&mut self.connections.get().await?).await?;
            let mut read = read.into_iter();
            for id in ids {
                let (open, packed): (HashMap<String, String>, Option<Vec<u8>>) =
                    (part(read.next())?, part(read.next())?);
                let mut fields = whole_fields(open, packed.as_deref())?;
                if !fields.is_empty() && !fields.contains_key("hash") {
                    // It was unpacked between the two answers.
                    fields = self.read_job(id).await?.map(|record| record.fields).unwrap_or_default();
                }
                if !fields.is_empty() {
                    records.insert(id, JobRecord { fields, visits: Vec::new(), approvals: HashMap::new() });
                }
            }
        }
        Ok(page.iter().filter_map(|entry| Some((entry.id, records.remove(&entry.id)?))).collect())
    }
}

fn count(found: &[Vec<ChunkMatches>]) -> u64 {
    found.iter().flatten().map(|matches| matches.slots.len() as u64).sum()
}

/// One of the answers to a pipeline.
pub(super) fn part<T: redis::FromRedisValue>(value: Option<redis::Value>) -> Result<T> {
    redis::from_redis_value(value.unwrap_or(redis::Value::Nil)).map_err(|error| corrupt(error.to_string()))
}

/// The runs of slots that are read at once, each with its first and last slot. The slots come highest first.
fn runs(slots: &[usize]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for slot in slots {
        match runs.last_mut() {
            Some((first, _)) if *first - slot <= GAP => *first = *slot,
            _ => runs.push((*slot, *slot)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_read_at_once_and_others_apart() {
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[7]), [(7, 7)]);
        assert_eq!(runs(&[500, 499, 480, 100, 68, 3]), [(480, 500), (68, 100), (3, 3)]);
    }
}
