//! What a sampling task is asked for: the pinned table, the rounds and what is stored. Nothing is read or computed
//! here.

use relevo_shared::{dataset::TableRef, problem::Detail, whole};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{filter::Asked, size::SampleSize};
use crate::skills::SkillError;

/// A checked request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The table, pinned to a commit.
    pub table: TableRef,
    /// The rounds in the order in which they run.
    pub rounds: Vec<Round>,
    /// What is stored of rows whose round says nothing of its own.
    pub selection: Selection,
    /// Whether the rows that no round draws are stored too.
    pub export_residual: bool,
    /// The seed of rounds without one.
    pub seed: Option<u64>,
}

/// One round.
#[derive(Debug, Clone)]
pub struct Round {
    /// The number that its rows carry.
    pub number: u32,
    /// Where it stands in the request, for naming its fields.
    pub place: usize,
    /// The method's name.
    pub name: String,
    /// How rows are drawn.
    pub method: Method,
    /// What the method was told, as it was asked for.
    pub parameters: Value,
    /// The round's own seed.
    pub seed: Option<u64>,
    /// What its rows must fulfil, the job's condition among it.
    pub conditions: Vec<Asked>,
    /// What is stored of its rows, where it says so itself.
    pub selection: Option<Selection>,
}

impl Round {
    /// A field of this round as requests name it.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        format!("rounds[{}].{name}", self.place)
    }
}

/// How rows are drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// So many rows, all alike.
    Random(SampleSize),
    /// So many rows in all or of each stratum.
    Stratified {
        /// Whose values make a stratum.
        columns: Vec<String>,
        /// How many.
        share: Share,
    },
    /// Every so-and-so-many-th row.
    Systematic {
        /// The distance.
        interval: u64,
        /// The first, from 1; at random when absent.
        start: Option<u64>,
    },
    /// Whole clusters, or a part of each.
    Cluster {
        /// Whose values make a cluster.
        column: String,
        /// How many clusters.
        clusters: u64,
        /// How much of each.
        part: Part,
    },
    /// Heavier rows sooner.
    Weighted {
        /// The weights.
        column: String,
        /// How many rows.
        size: SampleSize,
    },
    /// So many rows of a stream.
    Reservoir(SampleSize),
    /// Rows that fulfil a condition, all or some.
    Custom(Option<SampleSize>),
}

/// How much the strata give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// In proportion to their rows, at least so many each.
    Whole(SampleSize, u64),
    /// So many each.
    Each(u64),
}

/// How much a chosen cluster gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    /// All its rows.
    All,
    /// So many rows.
    Count(u64),
    /// So many of a hundred.
    Percentage(f64),
}

/// What is stored, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The columns; all when absent.
    pub columns: Option<Vec<String>>,
    /// Columns by whose values rows are in order; as in the source when there is none.
    #[serde(default)]
    pub order_by: OneOrMany,
    /// Whether that order is descending.
    #[serde(default)]
    pub order_desc: bool,
}

/// A name or a list of names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Names")]
pub struct OneOrMany(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Many(Vec<String>),
}

impl From<Names> for OneOrMany {
    fn from(names: Names) -> Self {
        match names {
            Names::One(name) => Self(vec![name]),
            Names::Many(names) => Self(names),
        }
    }
}

#[derive(Deserialize)]
struct WireRequest {
    source: TableRef,
    rounds: Vec<WireRound>,
    filters: Option<WireFilters>,
    #[serde(default)]
    selection: Selection,
    #[serde(default)]
    export_residual: bool,
    #[serde(default, deserialize_with = "whole::optional")]
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRound {
    #[serde(default, deserialize_with = "whole::optional")]
    round_number: Option<u64>,
    method: String,
    parameters: Value,
    filters: Option<WireFilters>,
    selection: Option<Selection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFilters {
    expression: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sized {
    sample_size: SampleSize,
    #[serde(default, deserialize_with = "whole::optional")]
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stratified {
    strata_columns: OneOrMany,
    sample_size: Option<SampleSize>,
    #[serde(default, deserialize_with = "whole::optional")]
    samples_per_stratum: Option<u64>,
    #[serde(default, deserialize_with = "whole::optional")]
    min_per_stratum: Option<u64>,
    #[serde(default, deserialize_with = "whole::optional")]
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Systematic {
    #[serde(default, deserialize_with = "whole::optional")]
    interval: Option<u64>,
    #[serde(default, deserialize_with = "whole::optional")]
    start: Option<u64>,
    #[serde(default, deserialize_with = "whole::optional")]
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    cluster_column: String,
    #[serde(default, deserialize_with = "whole::optional")]
    num_clusters: Option<u64>,
    #[serde(default, deserialize_with = "whole::optional")]
    samples_per_cluster: Option<u64>,
    sample_percentage: Option<f64>,
    #[serde(default, deserialize_with = "whole::optional")]
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighted {
    weight_column: String,
    sample_size: SampleSize,
    #[serde(default, deserialize_with = "whole::optional")]
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Custom {
    query: String,
    sample_size: Option<SampleSize>,
    #[serde(default, deserialize_with = "whole::optional")]
    seed: Option<u64>,
}

impl Request {
    /// Reads and checks the parameters of a task. The orchestrator's schema is stricter in its words; this is for
    /// whoever uses the skill in a blueprint of their own.
    ///
    /// # Errors
    /// `InvalidInput` naming what is wrong.
    pub fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let wire: WireRequest = serde_json::from_value(Value::Object(parameters.clone()))
            .map_err(|error| SkillError::invalid("parameters", error.to_string()))?;
        let of_job: Vec<Asked> =
            wire.filters.into_iter().map(|filters| asked("filters.expression", filters.expression)).collect();
        let mut faults = Vec::new();
        let mut rounds = Vec::new();
        for (place, round) in wire.rounds.into_iter().enumerate() {
            match round.read(place, &of_job) {
                Ok(round) => rounds.push(round),
                Err(fault) => faults.push(fault),
            }
        }
        rounds.sort_by_key(|round: &Round| round.number);
        if let Some(twice) = rounds.windows(2).find(|pair| pair[0].number == pair[1].number) {
            faults.push(Detail::new(twice[1].field("round_number"), "must differ from round to round"));
        }
        if rounds.is_empty() && faults.is_empty() {
            faults.push(Detail::new("rounds", "must have one round at least"));
        }
        match faults.first() {
            None => Ok(Self {
                table: wire.source,
                rounds,
                selection: wire.selection,
                export_residual: wire.export_residual,
                seed: wire.seed,
            }),
            Some(first) => {
                Err(SkillError::InvalidInput { message: format!("{}: {}", first.field, first.reason), details: faults })
            }
        }
    }
}

fn asked(field: impl Into<String>, text: String) -> Asked {
    Asked { field: field.into(), text }
}

impl WireRound {
    fn read(self, place: usize, of_job: &[Asked]) -> Result<Round, Detail> {
        let fault = |name: &str, reason: &str| Detail::new(format!("rounds[{place}].{name}"), reason);
        let mut conditions = of_job.to_vec();
        let field = |name: &str| format!("rounds[{place}].{name}");
        conditions.extend(self.filters.map(|filters| asked(field("filters.expression"), filters.expression)));
        let parameters = self.parameters.clone();
        let read = method(&self.method, parameters).map_err(|(name, reason)| fault(&name, &reason))?;
        conditions.extend(read.query.map(|query| asked(field("parameters.query"), query)));
        let number = match self.round_number {
            None => place as u32 + 1,
            Some(number) => u32::try_from(number)
                .ok()
                .filter(|number| (1..=i32::MAX as u32).contains(number))
                .ok_or_else(|| fault("round_number", "must be a whole number from 1 to 2147483647"))?,
        };
        Ok(Round {
            number,
            place,
            name: self.method,
            method: read.method,
            parameters: self.parameters,
            seed: read.seed,
            conditions,
            selection: self.selection,
        })
    }
}

struct ReadMethod {
    method: Method,
    seed: Option<u64>,
    query: Option<String>,
}

/// Reads a method's parameters; a fault is the field within the round, and what is wrong with it.
fn method(name: &str, parameters: Value) -> Result<ReadMethod, (String, String)> {
    let fault = |name: &str, reason: &str| (format!("parameters.{name}"), reason.to_owned());
    let done = |method, seed| ReadMethod { method, seed, query: None };
    Ok(match name {
        "random" => {
            let read: Sized = typed(parameters)?;
            done(Method::Random(read.sample_size), read.seed)
        }
        "reservoir" => {
            let read: Sized = typed(parameters)?;
            done(Method::Reservoir(read.sample_size), read.seed)
        }
        "stratified" => {
            let read: Stratified = typed(parameters)?;
            let share = match (read.sample_size, read.samples_per_stratum, read.min_per_stratum) {
                (Some(size), None, least) => Share::Whole(size, least.unwrap_or_default()),
                (None, Some(each), None) => Share::Each(each),
                (None, Some(_), Some(_)) => return Err(fault("min_per_stratum", "is for rounds with a sample_size")),
                _ => return Err(fault("sample_size", "give one of sample_size and samples_per_stratum")),
            };
            if read.strata_columns.0.is_empty() {
                return Err(fault("strata_columns", "must name one column at least"));
            }
            done(Method::Stratified { columns: read.strata_columns.0, share }, read.seed)
        }
        "systematic" => {
            let read: Systematic = typed(parameters)?;
            let interval = read.interval.filter(|interval| 0 < *interval);
            let interval = interval.ok_or_else(|| fault("interval", "must be 1 or more"))?;
            if read.start == Some(0) {
                return Err(fault("start", "must be 1 or more"));
            }
            done(Method::Systematic { interval, start: read.start }, read.seed)
        }
        "cluster" => {
            let read: Cluster = typed(parameters)?;
            let part = match (read.samples_per_cluster, read.sample_percentage) {
                (None, None) => Part::All,
                (Some(count), None) => Part::Count(count),
                (None, Some(share)) if 0.0 < share && share <= 100.0 => Part::Percentage(share),
                (None, Some(_)) => return Err(fault("sample_percentage", "must be more than 0 and at most 100")),
                (Some(_), Some(_)) => {
                    return Err(fault("sample_percentage", "give only one of it and samples_per_cluster"));
                }
            };
            let clusters = read.num_clusters.filter(|clusters| 0 < *clusters);
            let clusters = clusters.ok_or_else(|| fault("num_clusters", "must be 1 or more"))?;
            done(Method::Cluster { column: read.cluster_column, clusters, part }, read.seed)
        }
        "weighted" => {
            let read: Weighted = typed(parameters)?;
            done(Method::Weighted { column: read.weight_column, size: read.sample_size }, read.seed)
        }
        "custom" => {
            let read: Custom = typed(parameters)?;
            ReadMethod { method: Method::Custom(read.sample_size), seed: read.seed, query: Some(read.query) }
        }
        _ => return Err(("method".to_owned(), "is no method of sampling".to_owned())),
    })
}

fn typed<T: for<'de> Deserialize<'de>>(parameters: Value) -> Result<T, (String, String)> {
    serde_json::from_value(parameters).map_err(|error| ("parameters".to_owned(), error.to_string()))
}
