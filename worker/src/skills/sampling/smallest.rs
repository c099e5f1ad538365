//! Draws from each group the rows with the smallest keys, in memory that grows with the square root of what is drawn.
//!
//! The whole order of a group is never held. A threshold is set below which certainly no more rows lie than are wanted,
//! and another below which certainly no fewer do: rows under the first are drawn as they come, rows between the two are
//! kept with their keys, and the smallest of them fill up the rest. "Certainly" means up to a chance that is counted
//! afterwards: when it went wrong, the rows are gone through once more with wider thresholds. So what is drawn is exact
//! in every case. Where there are so many groups that even this would be much, they are drawn from some at a time.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::{
    order::Stream,
    rows::RowSet,
    scan::{Marks, Scan},
    source::Source,
};
use crate::skills::SkillError;

/// How far from the mean the thresholds lie, in standard deviations: at first, and when that was too close.
const SPREADS: [f64; 3] = [6.0, 40.0, f64::INFINITY];

/// How many rows of a group are wanted, out of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Wanted.
    pub wanted: u64,
    /// There.
    pub rows: u64,
}

/// Keys below which rows are drawn, and up to which they are kept for the choice of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    /// Rows with a smaller key are drawn.
    sure: u64,
    /// Rows with a key from `sure` up to this one are kept; `None` when no row is.
    kept: Option<u64>,
}

impl Bounds {
    /// For keys that are spread evenly over all numbers of 64 bits.
    fn even(quota: Quota, spread: f64) -> Self {
        let Quota { wanted, rows } = quota;
        if wanted == 0 {
            return Self { sure: 0, kept: None };
        }
        // All of them: the largest key is between the bounds, so that it is not missed.
        if rows <= wanted || spread.is_infinite() {
            let sure = if rows <= wanted { u64::MAX } else { 0 };
            return Self { sure, kept: Some(u64::MAX) };
        }
        let reach = spread * (wanted as f64).sqrt();
        let key = |count: f64| (count / rows as f64 * (u64::MAX as f64 + 1.0)) as u64;
        let sure = key((wanted as f64 - reach).max(0.0));
        let kept = key((wanted as f64 + reach + 8.0).min(rows as f64));
        Self { sure, kept: Some(kept) }
    }
}

/// About how many rows are kept for the choice when the bounds are that far apart.
fn expected_candidates(quota: Quota, spread: f64) -> u64 {
    let Quota { wanted, rows } = quota;
    if wanted == 0 || rows <= wanted {
        return 0;
    }
    let reach = spread * (wanted as f64).sqrt();
    let kept = (wanted as f64 + reach + 8.0).min(rows as f64) - (wanted as f64 - reach).max(0.0);
    kept as u64
}

/// Groups in a row whose candidates together are at most `most`, or one group.
fn ranges(quotas: &[Quota], most: u64) -> Vec<Range<usize>> {
    let (mut ranges, mut from, mut held) = (Vec::new(), 0, 0);
    for (group, quota) in quotas.iter().enumerate() {
        let expected = expected_candidates(*quota, SPREADS[0]);
        if from < group && most < held + expected {
            ranges.push(from..group);
            (from, held) = (group, 0);
        }
        held += expected;
    }
    if from < quotas.len() {
        ranges.push(from..quotas.len());
    }
    ranges
}

/// A row that may be drawn, if its key is small enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    group: u32,
    unit: u32,
    key: u64,
    row: u32,
}

/// What one thread found.
struct Found {
    sure: Vec<(usize, RoaringBitmap)>,
    counts: Vec<u64>,
    candidates: Vec<Candidate>,
}

/// Draws `quotas[group].wanted` rows of each group, by the order of the stream.
///
/// # Errors
/// What the scan runs into; `Cancelled`.
pub fn draw(scan: &Scan<'_>, source: &Source<'_>, quotas: &[Quota], stream: Stream) -> Result<RowSet, SkillError> {
    let mut drawn = RowSet::none(source.units().len());
    for groups in ranges(quotas, source.candidates()) {
        let mut part = vec![Quota { wanted: 0, rows: 0 }; quotas.len()];
        part[groups.clone()].copy_from_slice(&quotas[groups]);
        drawn.unite(&draw_at_once(scan, source, &part, stream)?);
    }
    Ok(drawn)
}

fn draw_at_once(scan: &Scan<'_>, source: &Source<'_>, quotas: &[Quota], stream: Stream) -> Result<RowSet, SkillError> {
    for spread in SPREADS {
        let bounds: Vec<Bounds> = quotas.iter().map(|quota| Bounds::even(*quota, spread)).collect();
        let found = gather(scan, &bounds, Some(stream))?;
        if let Some(drawn) = settle(found, source, quotas) {
            return Ok(drawn);
        }
    }
    Err(SkillError::Permanent("the rows changed while they were drawn".to_owned()))
}

/// Draws the `wanted` rows with the smallest keys of the scan's own, in one group.
///
/// # Errors
/// What the scan runs into; `Cancelled`.
pub fn draw_by_keys(
    scan: &Scan<'_>,
    source: &Source<'_>,
    wanted: u64,
    histogram: &Histogram,
) -> Result<RowSet, SkillError> {
    let found = gather(scan, &[histogram.bounds(wanted)], None)?;
    settle(found, source, &[Quota { wanted, rows: histogram.count() }])
        .ok_or_else(|| SkillError::Permanent("the rows changed while they were drawn".to_owned()))
}

/// Goes through all rows, with the keys of a stream or the scan's own.
fn gather(scan: &Scan<'_>, bounds: &[Bounds], stream: Option<Stream>) -> Result<Vec<Found>, SkillError> {
    scan.each_unit(
        || Found { sure: Vec::new(), counts: vec![0; bounds.len()], candidates: Vec::new() },
        |found, place, unit, view| {
            let mut sure = Vec::new();
            let mut take = |row: u32, group: usize, key: u64| {
                let bounds = bounds[group];
                if key < bounds.sure {
                    sure.push(row);
                    found.counts[group] += 1;
                } else if bounds.kept.is_some_and(|kept| key <= kept) {
                    found.candidates.push(Candidate { group: group as u32, unit: place as u32, key, row });
                }
            };
            match stream {
                Some(stream) => {
                    view.each_in_group(|row, group| take(row, group, stream.number(unit.first + u64::from(row))));
                }
                None => view.each_with_key(|row, key| take(row, 0, key)),
            }
            if !sure.is_empty() {
                found.sure.push((place, RoaringBitmap::from_sorted_iter(sure).unwrap_or_default()));
            }
        },
    )
}

/// The rows that are drawn; `None` when some bound was set too close.
fn settle(found: Vec<Found>, source: &Source<'_>, quotas: &[Quota]) -> Option<RowSet> {
    let mut drawn = RowSet::none(source.units().len());
    let mut missing: Vec<u64> = quotas.iter().map(|quota| quota.wanted.min(quota.rows)).collect();
    let mut candidates = Vec::new();
    for found in found {
        for (missing, count) in missing.iter_mut().zip(&found.counts) {
            *missing = missing.checked_sub(*count)?;
        }
        for (unit, rows) in &found.sure {
            drawn.add(*unit, rows);
        }
        candidates.extend(found.candidates);
    }
    // By group, then key; two rows of one key (which only weights have) in the order of the source.
    candidates.sort_unstable_by_key(|candidate| (candidate.group, candidate.key, candidate.unit, candidate.row));
    for candidate in candidates {
        let missing = &mut missing[candidate.group as usize];
        if 0 < *missing {
            *missing -= 1;
            drawn.insert(candidate.unit as usize, candidate.row);
        }
    }
    missing.iter().all(|missing| *missing == 0).then_some(drawn)
}

/// Bits of a key that choose its bin. The first bit of a key that stands for a number is always 0, the next eleven are
/// the exponent, and six more cut each power of two into 64: with exponential keys no bin holds more than one row of a
/// hundred.
const BIN_BITS: u32 = 17;
const BELOW_BIN: u32 = 63 - BIN_BITS;

/// How many rows have keys of about which size.
pub struct Histogram(Vec<u64>);

impl Histogram {
    /// Counts the keys of a scan.
    ///
    /// # Errors
    /// What the scan runs into; `Cancelled`.
    pub fn of(scan: &Scan<'_>) -> Result<Self, SkillError> {
        let parts = scan.each_unit(
            || vec![0_u64; 1 << BIN_BITS],
            |bins, _, _, view| {
                if let Marks::Keys(keys) = &view.marks {
                    keys.iter().for_each(|key| bins[(key >> BELOW_BIN) as usize] += 1);
                }
            },
        )?;
        let mut bins = vec![0; 1 << BIN_BITS];
        for part in parts {
            bins.iter_mut().zip(part).for_each(|(bin, count)| *bin += count);
        }
        Ok(Self(bins))
    }

    /// All keys.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    fn bounds(&self, wanted: u64) -> Bounds {
        let mut below = 0;
        for (bin, count) in (0_u64..).zip(&self.0) {
            if wanted <= below + count {
                let sure = bin << BELOW_BIN;
                return Bounds { sure, kept: Some(sure | ((1 << BELOW_BIN) - 1)) };
            }
            below += count;
        }
        Bounds { sure: u64::MAX, kept: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_what_is_wanted_between_them() {
        let share = |key: u64| key as f64 / u64::MAX as f64;

        let bounds = Bounds::even(Quota { wanted: 10_000, rows: 1_000_000 }, 6.0);
        assert!((share(bounds.sure) - 0.0094).abs() < 1e-9, "{bounds:?}");
        assert!((share(bounds.kept.unwrap()) - 0.010_608).abs() < 1e-9, "{bounds:?}");

        assert_eq!(Bounds::even(Quota { wanted: 3, rows: 100 }, 6.0).sure, 0);
        assert_eq!(Bounds::even(Quota { wanted: 0, rows: 5 }, 6.0), Bounds { sure: 0, kept: None });
        assert_eq!(Bounds::even(Quota { wanted: 5, rows: 5 }, 6.0), Bounds { sure: u64::MAX, kept: Some(u64::MAX) });
        assert_eq!(Bounds::even(Quota { wanted: 4, rows: 5 }, 6.0).kept, Some(u64::MAX));
    }

    #[test]
    fn groups_are_drawn_from_together_while_their_candidates_are_few() {
        let quotas = [(5, 100), (0, 100), (9, 9), (5, 100), (5, 100), (1_000, 100_000)]
            .map(|(wanted, rows)| Quota { wanted, rows });
        let expected: Vec<u64> = quotas.iter().map(|quota| expected_candidates(*quota, 6.0)).collect();

        assert_eq!(expected, [26, 0, 0, 26, 26, 387]);
        assert_eq!(ranges(&quotas, 52), [0..4, 4..5, 5..6]);
        assert_eq!(ranges(&quotas, 1 << 20), vec![0..quotas.len()]);
        assert_eq!(ranges(&[], 52), [] as [Range<usize>; 0]);
    }

    #[test]
    fn a_histogram_bounds_the_bin_of_the_last_wanted_key() {
        let mut bins = vec![0; 1 << BIN_BITS];
        (bins[3], bins[7], bins[9]) = (2, 5, 1);
        let histogram = Histogram(bins);

        assert_eq!(histogram.count(), 8);
        assert_eq!(histogram.bounds(2).sure, 3 << BELOW_BIN);
        assert_eq!(histogram.bounds(3), Bounds { sure: 7 << BELOW_BIN, kept: Some((8 << BELOW_BIN) - 1) });
        assert_eq!(histogram.bounds(8).sure, 9 << BELOW_BIN);
    }
}
