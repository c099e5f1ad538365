//! What is found out about a table, as it is written into the profile. Pure.

use serde::Serialize;
use serde_json::Value;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Numbers of any type.
    Number,
    /// True or false.
    Boolean,
    /// Days or instants.
    Time,
    /// Text.
    Text,
    /// Lists, structures, bytes: only counted.
    Other,
}

/// One column.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ColumnProfile {
    /// Its name.
    pub(super) name: String,
    /// Its type, as datasets call it.
    #[serde(rename = "type")]
    pub(super) data_type: String,
    /// What it holds.
    pub(super) kind: Kind,
    /// Rows with a value.
    pub(super) count: u64,
    /// Rows without one; NaN is none.
    pub(super) missing: u64,
    /// Different values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) distinct: Option<u64>,
    /// The least value.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) min: Value,
    /// The greatest one.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) max: Value,
    /// Of numbers that are finite, like all that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mean: Option<f64>,
    /// The deviation of a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) std: Option<f64>,
    /// The skewness of a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) skewness: Option<f64>,
    /// Numbers that are 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zeros: Option<u64>,
    /// Numbers below 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) negatives: Option<u64>,
    /// Numbers that are infinite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) infinite: Option<u64>,
    /// Quantiles by their probability; of days and instants, the value at or before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) quantiles: Vec<Quantile>,
    /// Bins of equal width; of texts, of their lengths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) histogram: Option<Bins>,
    /// The most frequent values, the first of equals first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) top: Vec<Frequent>,
    /// Lengths of texts in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lengths: Option<Lengths>,
    /// Texts without a character, or with white space alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blank: Option<u64>,
    /// What is worth a look.
    pub(super) alerts: Vec<&'static str>,
}

/// A quantile.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Quantile {
    /// Its probability.
    pub(super) p: f64,
    /// Its value.
    pub(super) value: Value,
}

/// How many values lie between two edges; the last bin holds the greatest value too.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bins {
    /// One more than there are bins.
    pub(super) edges: Vec<Value>,
    /// Of each bin.
    pub(super) counts: Vec<u64>,
}

/// A value that is there often.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Frequent {
    /// The value; of a long text, its beginning.
    pub(super) value: Value,
    /// How often it is there.
    pub(super) count: u64,
}

/// Lengths of texts in characters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Lengths {
    /// Of the shortest.
    pub(super) min: u64,
    /// Of the longest.
    pub(super) max: u64,
    /// On average.
    pub(super) mean: f64,
}

/// Two columns of numbers that go together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Correlation {
    /// The one.
    pub(super) a: String,
    /// The other.
    pub(super) b: String,
    /// Pearson's coefficient over the rows that have both.
    pub(super) r: f64,
}

/// A table.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Profile {
    /// The dataset.
    pub(super) dataset_id: String,
    /// What people call it.
    pub(super) dataset_name: String,
    /// The table.
    pub(super) table_key: String,
    /// Its commit.
    pub(super) commit_id: String,
    /// Its rows.
    pub(super) rows: u64,
    /// Its columns, those that were not looked at among them.
    pub(super) column_count: usize,
    /// Its size.
    pub(super) bytes: u64,
    /// `exact` or `approximate`.
    pub(super) method: &'static str,
    /// Which figures are estimates.
    pub(super) approximated: Vec<&'static str>,
    /// Rows that are there more than once, the first of each not counted; none when a column cannot be compared.
    pub(super) duplicate_rows: Option<u64>,
    /// The columns that were looked at.
    pub(super) columns: Vec<ColumnProfile>,
    /// Pairs of columns with a coefficient beyond ±0.9.
    pub(super) correlations: Vec<Correlation>,
    /// Columns of numbers that no correlation was looked for with: there are too many.
    pub(super) uncorrelated: usize,
}

/// From here on a column lacks many values.
const MANY_MISSING: f64 = 0.2;
const MANY_ZEROS: f64 = 0.5;
/// Of as many different texts each stands for little.
const MANY_TEXTS: u64 = 50;
const MOSTLY_DIFFERENT: f64 = 0.5;
const SKEWED: f64 = 3.0;

/// What is worth a look in a column.
#[must_use]
pub(super) fn alerts(column: &ColumnProfile) -> Vec<&'static str> {
    #[expect(clippy::cast_precision_loss, reason = "it is a share of rows")]
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let rows = column.count + column.missing;
    let distinct = column.distinct.unwrap_or(0);
    let unique = column.count > 1 && distinct == column.count;
    let mut alerts = Vec::new();
    let mut tell = |is: bool, alert: &'static str| {
        if is {
            alerts.push(alert);
        }
    };
    tell(rows > 0 && column.count == 0, "empty");
    tell(column.count > 0 && share(column.missing, rows) >= MANY_MISSING, "many_missing");
    tell(column.count > 1 && distinct == 1, "constant");
    tell(unique, "unique");
    let different = distinct > MANY_TEXTS && share(distinct, column.count) > MOSTLY_DIFFERENT;
    tell(column.kind == Kind::Text && different && !unique, "high_cardinality");
    tell(column.skewness.is_some_and(|skewness| skewness.abs() > SKEWED), "skewed");
    tell(column.zeros.is_some_and(|zeros| share(zeros, column.count) >= MANY_ZEROS), "many_zeros");
    tell(column.infinite.is_some_and(|infinite| infinite > 0), "infinite");
    tell(column.blank.is_some_and(|blank| blank > 0), "blank");
    alerts
}
