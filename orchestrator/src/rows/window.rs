//! How a range of rows is cut into parts that are small enough to be held in memory.

use std::ops::Range;

/// What is fetched at once, in bytes as they are stored.
const FETCHED: u64 = 8 << 20;
/// What is unpacked at once, in bytes.
const UNPACKED: u64 = 4 << 20;
/// Rows of a batch, however short they are.
const MOST_BATCH_ROWS: u64 = 1024;

/// A row group, as the columns make it that are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) number: usize,
    pub(super) rows: u64,
    /// As they lie in the file.
    pub(super) stored_bytes: u64,
    /// Once they are unpacked.
    pub(super) bytes: u64,
    /// Whether it is known where its pages begin, so that some of them can be fetched without the others.
    pub(super) has_pages: bool,
}

/// Rows of one group that are fetched at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) group: usize,
    /// Counted within the group.
    pub(super) rows: Range<usize>,
    /// How many of them are unpacked at once.
    pub(super) batch_rows: usize,
}

/// The windows that make up a range of the rows of all groups.
pub(super) fn windows(groups: Vec<Group>, range: Range<u64>) -> impl Iterator<Item = Window> + Send {
    let mut before = 0;
    groups.into_iter().flat_map(move |group| {
        let first = range.start.saturating_sub(before).min(group.rows);
        let end = range.end.saturating_sub(before).min(group.rows).max(first);
        before += group.rows;
        // Where pages cannot be told apart every window would fetch the group whole, so there is one.
        let step = if group.has_pages { rows_of(FETCHED, group.stored_bytes, group.rows) } else { group.rows.max(1) };
        let batch_rows = rows_of(UNPACKED, group.bytes, group.rows).min(MOST_BATCH_ROWS);
        let starts = (first..end).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        starts.map(move |start| Window {
            group: group.number,
            rows: place(start)..place((start + step).min(end)),
            batch_rows: place(batch_rows),
        })
    })
}

/// How many rows take so many bytes, where all of them take `bytes`.
fn rows_of(budget: u64, bytes: u64, rows: u64) -> u64 {
    let row_bytes = (bytes / rows.max(1)).max(1);
    (budget / row_bytes).max(1)
}

/// A place within a group, whose rows are counted with 31 bits.
fn place(row: u64) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(number: usize, rows: u64, row_bytes: u64, has_pages: bool) -> Group {
        Group { number, rows, stored_bytes: rows * row_bytes, bytes: rows * row_bytes * 2, has_pages }
    }

    #[test]
    fn an_offset_skips_the_groups_before_it() {
        let groups = vec![group(0, 100, 8, true), group(1, 100, 8, true), group(2, 100, 8, true)];

        let found: Vec<_> = windows(groups, 150..250).collect();

        let places: Vec<_> = found.iter().map(|window| (window.group, window.rows.clone())).collect();
        assert_eq!(places, [(1, 50..100), (2, 0..50)]);
    }

    #[test]
    fn wide_rows_are_fetched_some_at_a_time_where_pages_are_known() {
        let rows = |has_pages| windows(vec![group(0, 64, 1 << 20, has_pages)], 0..64).map(|window| window.rows.len());

        assert_eq!(rows(true).collect::<Vec<_>>(), [8; 8]);
        assert_eq!(rows(false).collect::<Vec<_>>(), [64]);
    }

    proptest! {
        #[test]
        fn every_row_of_the_range_is_in_one_window_and_no_other_row(
            sizes in prop::collection::vec((0_u64..5_000, 1_u64..20_000, any::<bool>()), 0..6),
            start in 0_u64..12_000,
            length in 0_u64..12_000,
        ) {
            let groups: Vec<_> = (0..).zip(&sizes).map(|(number, (rows, bytes, pages))| group(number, *rows, *bytes, *pages)).collect();
            let before = |number: usize| sizes[..number].iter().map(|(rows, ..)| rows).sum::<u64>();
            let total = before(sizes.len());

            let found = windows(groups, start..start + length);

            let mut next = start;
            for window in found {
                prop_assert_eq!(before(window.group) + window.rows.start as u64, next);
                prop_assert!(!window.rows.is_empty() && window.batch_rows > 0);
                next += window.rows.len() as u64;
            }
            prop_assert_eq!(next, (start + length).min(total).max(start));
        }
    }
}
