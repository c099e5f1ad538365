//! The parts of a table that are read one by one, each by one thread. Pure.

use std::ops::Range;

use datafusion::parquet::file::metadata::ParquetMetaData;

/// Rows of a unit: enough to be worth a thread's while, few enough that all threads end at about the same time.
pub const UNIT_ROWS: usize = 1 << 18;

/// Rows of one row group that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The row group.
    pub group: usize,
    /// The rows of the group.
    pub within: Range<usize>,
    /// The position of the first row in the whole table.
    pub first: u64,
}

impl Unit {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.within.len()
    }
}

/// A file as units of at most `most` rows, in the order of the rows.
#[must_use]
pub fn units_of(metadata: &ParquetMetaData, most: usize) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut first = 0;
    for (group, rows) in metadata.row_groups().iter().map(|group| group.num_rows().unsigned_abs() as usize).enumerate()
    {
        for start in (0..rows).step_by(most.max(1)) {
            let within = start..rows.min(start + most.max(1));
            let count = within.len() as u64;
            units.push(Unit { group, within, first });
            first += count;
        }
    }
    units
}
