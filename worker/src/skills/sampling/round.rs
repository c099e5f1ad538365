//! Runs one round: finds the rows that may be drawn, draws, and says what it did.

use std::{ops::Range, time::Instant};

use datafusion::arrow::{
    array::{ArrayRef, UInt64Array},
    compute::take,
};
use roaring::RoaringBitmap;

use super::{
    allot::{Stratum, largest_remainders},
    groups::Groups,
    order::{Purpose, Stream},
    parameters::{Method, Part, Round, Share},
    reservoir::reservoir,
    rows::RowSet,
    scan::{Mark, Scan},
    smallest::{Histogram, Quota, draw, draw_by_keys},
    source::Source,
};
use crate::skills::SkillError;

/// Strata or clusters that are told of one by one.
const TOLD: usize = 1000;
/// Most rows of a reservoir, which holds them in memory.
const LARGEST_RESERVOIR: u64 = 20_000_000;

/// What a round drew.
pub struct Drawn {
    /// The rows.
    pub rows: RowSet,
    /// What is told of it.
    pub report: Report,
}

/// What is told of a round.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed that it used.
    pub seed: u64,
    /// Rows that it asked for; `None` where that is not a number of rows.
    pub requested: Option<u64>,
    /// Rows that it could have drawn.
    pub eligible: u64,
    /// Rows that it drew.
    pub sampled: u64,
    /// Where a systematic round started, from 1.
    pub start: Option<u64>,
    /// Strata or clusters.
    pub groups: Option<GroupReport>,
    /// How long it took.
    pub seconds: f64,
}

/// What is told of strata or clusters: the largest ones one by one, the others together.
#[derive(Debug, Clone)]
pub struct GroupReport {
    /// The columns that make them.
    pub columns: Vec<String>,
    /// How many there are.
    pub count: usize,
    /// How many gave rows.
    pub chosen: usize,
    /// Their values, one array for each column.
    pub values: Vec<ArrayRef>,
    /// Rows that could have been drawn and rows that were, of each that is told of.
    pub told: Vec<(u64, u64)>,
    /// The others: how many, and their rows.
    pub others: (usize, u64, u64),
}

/// What a round is run on.
pub struct Ground<'a> {
    /// The table.
    pub source: &'a Source<'a>,
    /// Rows of earlier rounds.
    pub drawn: &'a RowSet,
    /// The seed of rounds that have none.
    pub seed: u64,
    /// How many rounds ran before this one.
    pub before: u64,
}

/// Runs a round.
///
/// # Errors
/// `InvalidInput` naming the field that the table cannot serve; `Cancelled`; what reading runs into.
pub fn run(round: &Round, ground: &Ground<'_>) -> Result<Drawn, SkillError> {
    let began = Instant::now();
    let seed = round.seed.unwrap_or(ground.seed);
    let run = Run { round, ground, seed };
    let mut drawn = match &round.method {
        Method::Random(size) => run.random(|eligible| size.of(eligible)),
        Method::Custom(Some(size)) => run.random(|eligible| size.of(eligible)),
        Method::Custom(None) => run.everything(),
        Method::Reservoir(size) => run.reservoir(|eligible| size.of(eligible)),
        Method::Systematic { interval, start } => run.systematic(*interval, *start),
        Method::Weighted { column, size } => run.weighted(column, |eligible| size.of(eligible)),
        Method::Stratified { columns, share } => run.stratified(columns, *share),
        Method::Cluster { column, clusters, part } => run.cluster(column, *clusters, *part),
    }?;
    drawn.report.seconds = began.elapsed().as_secs_f64();
    Ok(drawn)
}

struct Run<'a> {
    round: &'a Round,
    ground: &'a Ground<'a>,
    seed: u64,
}

/// What is known of a group once all rows were seen.
#[derive(Debug, Clone, Copy)]
struct Group {
    rows: u64,
    first: u64,
}

impl Run<'_> {
    fn stream(&self, purpose: Purpose) -> Stream {
        Stream::new(self.seed, self.ground.before, purpose)
    }

    fn scan(&self, mark: Mark) -> Result<Scan<'_>, SkillError> {
        Scan::new(self.ground.source, self.ground.drawn, &self.round.conditions, mark)
    }

    fn drawn(&self, rows: RowSet, requested: Option<u64>, eligible: u64) -> Drawn {
        let sampled = rows.len();
        let report = Report { seed: self.seed, requested, eligible, sampled, start: None, groups: None, seconds: 0.0 };
        Drawn { rows, report }
    }

    fn random(&self, size: impl Fn(u64) -> u64) -> Result<Drawn, SkillError> {
        let scan = self.scan(Mark::None)?;
        let rows = counts(&scan, self.ground.source)?.iter().sum();
        let wanted = size(rows);
        let drawn = draw(&scan, self.ground.source, &[Quota { wanted, rows }], self.stream(Purpose::Rows))?;
        Ok(self.drawn(drawn, Some(wanted), rows))
    }

    fn everything(&self) -> Result<Drawn, SkillError> {
        let scan = self.scan(Mark::None)?;
        let drawn = by_rank(&scan, self.ground.source, |ranks| ranks)?;
        let eligible = drawn.len();
        Ok(self.drawn(drawn, None, eligible))
    }

    fn reservoir(&self, size: impl Fn(u64) -> u64) -> Result<Drawn, SkillError> {
        let scan = self.scan(Mark::None)?;
        let eligible = counts(&scan, self.ground.source)?.iter().sum();
        let wanted = size(eligible);
        if LARGEST_RESERVOIR < wanted {
            let reason = format!("a reservoir holds at most {LARGEST_RESERVOIR} rows; random draws any number");
            return Err(SkillError::invalid(self.round.field("parameters.sample_size"), reason));
        }
        let ranks = reservoir(wanted, eligible, self.stream(Purpose::Reservoir));
        let drawn = by_rank(&scan, self.ground.source, |within| {
            let from = ranks.partition_point(|rank| *rank < within.start);
            ranks[from..].iter().copied().take_while(move |rank| *rank < within.end)
        })?;
        Ok(self.drawn(drawn, Some(wanted), eligible))
    }

    fn systematic(&self, interval: u64, start: Option<u64>) -> Result<Drawn, SkillError> {
        let start = start.unwrap_or_else(|| 1 + self.stream(Purpose::Start).below(0, interval));
        let scan = self.scan(Mark::None)?;
        let eligible = counts(&scan, self.ground.source)?.iter().sum();
        let first = start - 1;
        let drawn = by_rank(&scan, self.ground.source, |within| {
            // The first rank of the unit that is a whole number of intervals from the start.
            let steps = within.start.saturating_sub(first).div_ceil(interval);
            let from = steps.checked_mul(interval).and_then(|steps| first.checked_add(steps)).unwrap_or(u64::MAX);
            (from..within.end).step_by(usize::try_from(interval).unwrap_or(usize::MAX))
        })?;
        let mut drawn = self.drawn(drawn, None, eligible);
        drawn.report.start = Some(start);
        Ok(drawn)
    }

    fn weighted(&self, column: &str, size: impl Fn(u64) -> u64) -> Result<Drawn, SkillError> {
        let stream = self.stream(Purpose::Rows);
        let field = self.round.field("parameters.weight_column");
        let scan = self.scan(Mark::Weight { column: column.to_owned(), field, stream })?;
        let histogram = Histogram::of(&scan)?;
        let wanted = size(histogram.count());
        let drawn = draw_by_keys(&scan, self.ground.source, wanted, &histogram)?;
        Ok(self.drawn(drawn, Some(wanted), histogram.count()))
    }

    fn stratified(&self, columns: &[String], share: Share) -> Result<Drawn, SkillError> {
        let field = self.round.field("parameters.strata_columns");
        let scan = self.scan(Mark::Group { columns: columns.to_vec(), field })?;
        let groups = groups_of(&scan)?;
        let eligible = groups.iter().map(|group| group.rows).sum();
        let (wanted, requested) = match share {
            Share::Each(each) => (groups.iter().map(|group| each.min(group.rows)).collect(), None),
            Share::Whole(size, least) => {
                let total = size.of(eligible);
                let strata: Vec<Stratum> =
                    groups.iter().map(|group| Stratum { rows: group.rows, first: group.first }).collect();
                let shares = largest_remainders(&strata, total, least).map_err(|few| {
                    let reason = format!(
                        "{least} rows of each of {} strata are {}, but only {total} are to be drawn",
                        strata.len(),
                        few.needed
                    );
                    SkillError::invalid(self.round.field("parameters.min_per_stratum"), reason)
                })?;
                (shares, Some(total))
            }
        };
        self.draw_groups(scan, columns, &groups, &wanted, requested)
    }

    fn cluster(&self, column: &str, clusters: u64, part: Part) -> Result<Drawn, SkillError> {
        let field = self.round.field("parameters.cluster_column");
        let columns = [column.to_owned()];
        let scan = self.scan(Mark::Group { columns: columns.to_vec(), field })?;
        let groups = groups_of(&scan)?;
        // A cluster is known by its first row, so that its number, which is chance, counts for nothing.
        let stream = self.stream(Purpose::Clusters);
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_unstable_by_key(|group| stream.number(groups[*group].first));
        order.truncate(usize::try_from(clusters).unwrap_or(usize::MAX));
        let mut wanted = vec![0; groups.len()];
        for group in order {
            let rows = groups[group].rows;
            wanted[group] = match part {
                Part::All => rows,
                Part::Count(count) => count.min(rows),
                Part::Percentage(share) => ((share / 100.0 * rows as f64).round() as u64).clamp(1, rows),
            };
        }
        self.draw_groups(scan, &columns, &groups, &wanted, None)
    }

    fn draw_groups(
        &self,
        scan: Scan<'_>,
        columns: &[String],
        groups: &[Group],
        wanted: &[u64],
        requested: Option<u64>,
    ) -> Result<Drawn, SkillError> {
        let quotas: Vec<Quota> =
            groups.iter().zip(wanted).map(|(group, wanted)| Quota { wanted: *wanted, rows: group.rows }).collect();
        let rows = draw(&scan, self.ground.source, &quotas, self.stream(Purpose::Rows))?;
        let eligible = groups.iter().map(|group| group.rows).sum();
        let mut drawn = self.drawn(rows, requested, eligible);
        drawn.report.groups = Some(told_of(scan.groups(), columns, groups, wanted)?);
        Ok(drawn)
    }
}

/// How many rows of each unit may be drawn.
fn counts(scan: &Scan<'_>, source: &Source<'_>) -> Result<Vec<u64>, SkillError> {
    let found = scan.each_unit(Vec::new, |found, unit, _, view| found.push((unit, view.count())))?;
    let mut counts = vec![0; source.units().len()];
    for (unit, count) in found.into_iter().flatten() {
        counts[unit] = count;
    }
    Ok(counts)
}

/// Draws rows by their rank among those that may be drawn, in the order of the source: `ranks` says, in rising order,
/// which of a range of ranks are wanted.
fn by_rank<R>(
    scan: &Scan<'_>,
    source: &Source<'_>,
    ranks: impl Fn(Range<u64>) -> R + Sync,
) -> Result<RowSet, SkillError>
where
    R: Iterator<Item = u64>,
{
    let mut before = 0;
    let first: Vec<u64> = counts(scan, source)?
        .into_iter()
        .map(|count| {
            before += count;
            before - count
        })
        .collect();
    let found = scan.each_unit(Vec::new, |found, place, _, view| {
        let mut rank = first[place];
        let mut wanted = ranks(rank..rank + view.count());
        let mut next = wanted.next();
        let mut rows = Vec::new();
        view.each_row(|row| {
            if next == Some(rank) {
                rows.push(row);
                next = wanted.next();
            }
            rank += 1;
        });
        found.push((place, RoaringBitmap::from_sorted_iter(rows).unwrap_or_default()));
    })?;
    let mut drawn = RowSet::none(source.units().len());
    for (unit, rows) in found.into_iter().flatten() {
        drawn.add(unit, &rows);
    }
    Ok(drawn)
}

/// The rows of each group, and its first one, by the group's number.
fn groups_of(scan: &Scan<'_>) -> Result<Vec<Group>, SkillError> {
    let none = Group { rows: 0, first: u64::MAX };
    let parts = scan.each_unit(Vec::new, |groups: &mut Vec<Group>, _, unit, view| {
        view.each_in_group(|row, group| {
            if groups.len() <= group {
                groups.resize(group + 1, none);
            }
            let known = &mut groups[group];
            known.rows += 1;
            known.first = known.first.min(unit.first + u64::from(row));
        });
    })?;
    let mut groups: Vec<Group> = Vec::new();
    for part in parts {
        if groups.len() < part.len() {
            groups.resize(part.len(), none);
        }
        for (group, part) in groups.iter_mut().zip(part) {
            *group = Group { rows: group.rows + part.rows, first: group.first.min(part.first) };
        }
    }
    Ok(groups)
}

/// The largest groups one by one, those that gave rows first; the others together.
fn told_of(
    numbered: Option<Groups>,
    columns: &[String],
    groups: &[Group],
    wanted: &[u64],
) -> Result<GroupReport, SkillError> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_unstable_by_key(|group| {
        (wanted[*group] == 0, std::cmp::Reverse(groups[*group].rows), groups[*group].first)
    });
    let (told, others) = order.split_at(order.len().min(TOLD));
    let unknown = |error: &dyn std::fmt::Display| SkillError::Permanent(format!("strata cannot be told: {error}"));
    let values = match numbered {
        Some(numbered) => numbered.into_values().map_err(|fault| unknown(&fault))?,
        None => Vec::new(),
    };
    let places = UInt64Array::from_iter_values(told.iter().map(|group| *group as u64));
    let values = values.iter().map(|values| take(values, &places, None));
    Ok(GroupReport {
        columns: columns.to_vec(),
        count: groups.len(),
        chosen: wanted.iter().filter(|wanted| 0 < **wanted).count(),
        values: values.collect::<Result<_, _>>().map_err(|error| unknown(&error))?,
        told: told.iter().map(|group| (groups[*group].rows, wanted[*group])).collect(),
        others: (
            others.len(),
            others.iter().map(|group| groups[*group].rows).sum(),
            others.iter().map(|group| wanted[*group]).sum(),
        ),
    })
}
