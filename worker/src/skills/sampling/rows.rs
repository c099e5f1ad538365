//! Sets of rows, compact whether they are few or most of a table. Pure.

use std::ops::RangeInclusive;

use datafusion::arrow::buffer::{BooleanBuffer, MutableBuffer};
use roaring::RoaringBitmap;

/// Rows of a table, unit by unit; a row's number counts from the first of its unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowSet(Vec<RoaringBitmap>);

impl RowSet {
    /// No row of a table with this many units.
    #[must_use]
    pub fn none(units: usize) -> Self {
        Self(vec![RoaringBitmap::new(); units])
    }

    /// How many rows are in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(RoaringBitmap::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(RoaringBitmap::is_empty)
    }

    /// The rows of one unit.
    #[must_use]
    pub fn unit(&self, unit: usize) -> &RoaringBitmap {
        &self.0[unit]
    }

    /// Puts rows of a unit in.
    pub fn add(&mut self, unit: usize, rows: &RoaringBitmap) {
        self.0[unit] |= rows;
    }

    /// Puts one row of a unit in.
    pub fn insert(&mut self, unit: usize, row: u32) {
        self.0[unit].insert(row);
    }

    /// Puts all rows of another set in.
    pub fn unite(&mut self, other: &Self) {
        for (unit, rows) in self.0.iter_mut().zip(&other.0) {
            *unit |= rows;
        }
    }
}

/// The rows that are not in a set, of a unit with so many rows.
#[must_use]
pub fn others(rows: &RoaringBitmap, unit_rows: usize) -> RoaringBitmap {
    let Some(last) = (unit_rows as u32).checked_sub(1) else { return RoaringBitmap::new() };
    let mut all = RoaringBitmap::new();
    let range: RangeInclusive<u32> = 0..=last;
    all.insert_range(range);
    all - rows
}

/// One bit for each row up to `end`, set for those in the set, whose numbers count from `start`.
#[must_use]
pub fn bits_of(rows: &RoaringBitmap, start: usize, end: usize) -> BooleanBuffer {
    let mut bits = MutableBuffer::from_len_zeroed(end.div_ceil(8));
    let bytes = bits.as_slice_mut();
    for row in rows.iter().map(|row| start + row as usize) {
        bytes[row / 8] |= 1 << (row % 8);
    }
    BooleanBuffer::new(bits.into(), 0, end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_and_its_others_are_the_whole(rows in proptest::collection::btree_set(0_u32..500, 0..200)) {
            let set: RoaringBitmap = rows.iter().copied().collect();

            let rest = others(&set, 500);

            prop_assert_eq!(set.len() + rest.len(), 500);
            prop_assert!(set.is_disjoint(&rest));
            let bits = bits_of(&set, 20, 520);
            prop_assert!((0..520).all(|bit| bits.value(bit) == (20 <= bit && rows.contains(&(bit as u32 - 20)))));
        }
    }
}
