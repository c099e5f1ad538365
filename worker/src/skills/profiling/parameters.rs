//! The parameters of `profiling`.

use relevo_shared::dataset::TableRef;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::skills::{SkillError, fields::Fields};

/// How figures are found that cost more, the more rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Method {
    /// Exactly up to a number of rows.
    Auto,
    /// Exactly, however long that takes.
    Exact,
    /// Distinct values and quantiles by estimates.
    Approximate,
}

/// Checked parameters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parameters {
    /// The pinned table.
    pub(super) source: TableRef,
    /// The columns to look at; all when absent.
    pub(super) columns: Option<Vec<String>>,
    /// Bins of a histogram.
    pub(super) bins: usize,
    /// The most frequent values that are told.
    pub(super) top_values: usize,
    /// How the figures are found.
    pub(super) method: Method,
}

impl Parameters {
    /// Reads and checks the parameters of a task.
    ///
    /// # Errors
    /// `InvalidInput` with one detail for each field that is wrong.
    pub(super) fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        fields.skip_choice_of_table();
        let source: Option<TableRef> = fields.optional("source", "the table that the job was pinned to");
        if source.is_none() {
            fields.fault("dataset_id", "must name a dataset");
        }
        let columns: Option<Vec<String>> = fields.optional("columns", "a list of names of columns");
        if let (Some(columns), Some(source)) = (&columns, &source) {
            let missing = columns.iter().find(|name| source.columns.iter().all(|column| column.name != **name));
            if let Some(missing) = missing {
                fields.fault("columns", format!("the table has no column {missing:?}"));
            }
            if columns.is_empty() {
                fields.fault("columns", "must name a column, or be left out");
            }
        }
        let bins = fields.within("bins", 20, &(2..=200));
        let top_values = fields.within("top_values", 10, &(1..=100));
        let method = fields.or("method", Method::Auto, "auto, exact or approximate");
        fields.finish()?;
        let Some(source) = source else { return Err(SkillError::invalid("dataset_id", "must name a dataset")) };
        Ok(Self { source, columns, bins, top_values, method })
    }
}
