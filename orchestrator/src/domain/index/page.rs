//! Which slots a page needs, and the page itself: jobs of all partitions, newest first.

use relevo_shared::JobId;

use super::{cursor::ListCursor, slots::SlotSet};

/// What a filter has found in one chunk.
#[derive(Debug, Clone)]
pub struct ChunkMatches {
    /// Counts the chunks of its partition.
    pub chunk: u64,
    /// No job of it is older, in milliseconds since 1970.
    pub oldest: i64,
    /// No job of it is newer.
    pub newest: i64,
    /// The slots that were found.
    pub slots: SlotSet,
}

/// How a chunk lies to an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// All its jobs are older.
    Older,
    /// None of them is.
    NotOlder,
    /// Some may be.
    Through,
}

/// How a chunk lies to an instant: which of its jobs were created before it.
#[must_use]
pub const fn cut(oldest: i64, newest: i64, instant: i64) -> Cut {
    if newest < instant {
        Cut::Older
    } else if oldest >= instant {
        Cut::NotOlder
    } else {
        Cut::Through
    }
}

/// What of a partition comes after a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Slots below this one.
    Below(u64),
    /// Jobs created before this instant.
    Before(i64),
}

/// What of this partition comes after the cursor, in the order of lists: the newer first, then the higher partition, then the
/// higher slot.
#[must_use]
pub const fn bound(cursor: &ListCursor, partition: u16) -> Bound {
    if partition == cursor.partition {
        Bound::Below(cursor.slot)
    } else if partition < cursor.partition {
        Bound::Before(cursor.at.saturating_add(1))
    } else {
        Bound::Before(cursor.at)
    }
}

/// A job with its place in the order of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// When it was created, in milliseconds since 1970.
    pub at: i64,
    /// Its partition.
    pub partition: u16,
    /// Its number within the partition.
    pub slot: u64,
    /// The job.
    pub id: JobId,
}

/// What is to be read of the index for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Jobs that come before the page for sure, and are not read.
    pub passed: u64,
    /// Slots to read, highest first, with the places of their partition and of their chunk in what the plan was made of.
    pub wanted: Vec<(usize, usize, Vec<usize>)>,
}

/// What is to be read for a page of `limit` jobs after `offset` others. `found` are the chunks of each partition, oldest first.
///
/// Only the time span of a chunk is known yet. So of a job found in it one knows the least and the greatest number of jobs
/// that can come before it, and reads those that may be on the page.
#[must_use]
pub fn plan(found: &[Vec<ChunkMatches>], offset: u64, limit: usize) -> Plan {
    let end = offset.saturating_add(limit as u64);
    // Of each partition, how many were found in a chunk and all newer ones.
    let totals: Vec<Vec<u64>> = found.iter().map(|chunks| from_newest(chunks)).collect();
    // How many jobs of other partitions were found in the chunks from this place of each on.
    let others = |own: usize, place: &dyn Fn(&[ChunkMatches]) -> usize| -> u64 {
        let of_each = found.iter().zip(&totals).enumerate().filter(|(partition, _)| *partition != own);
        of_each.map(|(_, (chunks, totals))| totals[place(chunks)]).sum()
    };
    let mut plan = Plan { passed: 0, wanted: Vec::new() };
    for (partition, chunks) in found.iter().enumerate() {
        for (place, chunk) in chunks.iter().enumerate() {
            let newer = totals[partition][place + 1];
            let least =
                newer + others(partition, &|chunks| chunks.partition_point(|other| other.oldest <= chunk.newest));
            let most = newer + others(partition, &|chunks| chunks.partition_point(|other| other.newest < chunk.oldest));
            let count = chunk.slots.len() as u64;
            let passed = offset.saturating_sub(most).min(count);
            let last = end.saturating_sub(least).min(count);
            plan.passed += passed;
            if passed < last {
                let slots = chunk.slots.newest_first().skip(passed as usize).take((last - passed) as usize);
                plan.wanted.push((partition, place, slots.collect()));
            }
        }
    }
    plan
}

/// For each place, how many were found there and in all chunks after it; and 0 behind the last.
fn from_newest(chunks: &[ChunkMatches]) -> Vec<u64> {
    let mut totals = vec![0; chunks.len() + 1];
    for (place, chunk) in chunks.iter().enumerate().rev() {
        totals[place] = totals[place + 1] + chunk.slots.len() as u64;
    }
    totals
}

/// The page of what was read for it.
#[must_use]
pub fn page(mut read: Vec<Entry>, offset: u64, plan: &Plan, limit: usize) -> Vec<Entry> {
    read.sort_unstable_by(|one, other| other.cmp(one));
    let skip = usize::try_from(offset.saturating_sub(plan.passed)).unwrap_or(usize::MAX);
    read.into_iter().skip(skip).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::index::SLOTS;

    /// Jobs of one partition: the slot and the instant of each, both growing.
    type Jobs = Vec<(u64, i64)>;

    /// Partitions whose jobs lie close in time, with gaps of whole chunks between some.
    fn partitions() -> impl Strategy<Value = Vec<Jobs>> {
        let step = (prop_oneof![3 => 1_u64..40, 1 => 2000_u64..9000], 0_i64..4);
        let jobs = proptest::collection::vec(step, 0..40).prop_map(|steps| {
            let mut last = (0, 0);
            let mut next = |(slots, ms): (u64, i64)| {
                last = (last.0 + slots, last.1 + ms);
                last
            };
            steps.into_iter().map(&mut next).collect()
        });
        proptest::collection::vec(jobs, 1..5)
    }

    /// What the index knows of these jobs: in each chunk, the span of time as the directory of chunks has it.
    fn chunks(jobs: &Jobs) -> Vec<ChunkMatches> {
        let mut chunks: Vec<ChunkMatches> = Vec::new();
        for (slot, at) in jobs {
            let chunk = slot / SLOTS as u64;
            if chunks.last().is_none_or(|last| last.chunk != chunk) {
                if let Some(last) = chunks.last_mut() {
                    last.newest = *at;
                }
                chunks.push(ChunkMatches { chunk, oldest: *at, newest: i64::MAX, slots: SlotSet::none() });
            }
            let last = chunks.last_mut().expect("one was pushed");
            let mut kept: Vec<u8> = last.slots.newest_first().flat_map(|slot| (slot as u16).to_be_bytes()).collect();
            kept.extend(((slot % SLOTS as u64) as u16).to_be_bytes());
            last.slots = SlotSet::of_value(&kept);
        }
        chunks
    }

    fn entry(partition: usize, slot: u64, at: i64) -> Entry {
        Entry { at, partition: partition as u16, slot, id: JobId::from_bytes([0; 16]) }
    }

    /// All jobs, newest first.
    fn sorted(partitions: &[Jobs]) -> Vec<Entry> {
        let of_each = partitions.iter().enumerate();
        let mut all: Vec<Entry> = of_each
            .flat_map(|(partition, jobs)| jobs.iter().map(move |(slot, at)| entry(partition, *slot, *at)))
            .collect();
        all.sort_unstable_by(|one, other| other.cmp(one));
        all
    }

    /// The page as the store makes it, and how many jobs it has read for that.
    fn read_page(partitions: &[Jobs], found: &[Vec<ChunkMatches>], offset: u64, limit: usize) -> (Vec<Entry>, usize) {
        let plan = plan(found, offset, limit);
        let mut read = Vec::new();
        for (partition, place, slots) in &plan.wanted {
            let first = found[*partition][*place].chunk * SLOTS as u64;
            for slot in slots {
                let slot = first + *slot as u64;
                let (_, at) = partitions[*partition].iter().find(|job| job.0 == slot).expect("it was found");
                read.push(entry(*partition, slot, *at));
            }
        }
        let many = read.len();
        (page(read, offset, &plan, limit), many)
    }

    proptest! {
        #[test]
        fn a_page_is_that_part_of_all_jobs_in_their_order(jobs in partitions(), offset in 0_u64..150, limit in 0_usize..60) {
            let found: Vec<_> = jobs.iter().map(chunks).collect();

            let (page, _) = read_page(&jobs, &found, offset, limit);

            let naive: Vec<Entry> = sorted(&jobs).into_iter().skip(offset as usize).take(limit).collect();
            prop_assert_eq!(page, naive);
        }

        #[test]
        fn a_single_partition_reads_no_job_that_is_not_on_the_page(jobs in partitions(), offset in 0_u64..40, limit in 0_usize..40) {
            let one = &jobs[..1];

            let (page, read) = read_page(one, &[chunks(&one[0])], offset, limit);

            prop_assert_eq!(page.len(), read);
        }

        #[test]
        fn pages_by_cursor_give_every_job_once_and_in_order(jobs in partitions(), limit in 1_usize..20) {
            let all = sorted(&jobs);
            let mut told: Vec<Entry> = Vec::new();
            loop {
                let cursor = told.last().map(|last| ListCursor { at: last.at, partition: last.partition, slot: last.slot });
                let left: Vec<Jobs> = jobs.iter().enumerate().map(|(partition, jobs)| {
                    let after = |(slot, at): &(u64, i64)| match cursor.as_ref().map(|cursor| bound(cursor, partition as u16)) {
                        None => true,
                        Some(Bound::Below(end)) => *slot < end,
                        Some(Bound::Before(instant)) => *at < instant,
                    };
                    jobs.iter().copied().filter(after).collect()
                }).collect();
                let found: Vec<_> = left.iter().map(chunks).collect();
                let (page, _) = read_page(&left, &found, 0, limit);
                if page.is_empty() {
                    break;
                }
                told.extend(page);
            }

            prop_assert_eq!(told, all);
        }

        #[test]
        fn a_cut_says_nothing_that_a_job_belies(oldest in 0_i64..20, span in 0_i64..20, part in 0_i64..=20, instant in 0_i64..50) {
            let at = oldest + span * part / 20;

            let told = cut(oldest, oldest + span, instant);

            prop_assert!(told != Cut::Older || at < instant);
            prop_assert!(told != Cut::NotOlder || at >= instant);
        }
    }
}
