//! Reads a task's parameters field by field, so that every fault is found and named in one go.

use std::ops::RangeInclusive;

use relevo_shared::{dataset::TableRef, problem::Detail, whole::plain};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::skills::SkillError;

/// The parameters that have not been read yet, and the faults found so far.
#[derive(Debug)]
pub(crate) struct Fields {
    left: Map<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<Detail>,
}

impl Fields {
    /// Starts reading.
    pub(crate) fn new(parameters: &Map<String, Value>) -> Self {
        Self { left: parameters.clone(), known: Vec::new(), faults: Vec::new() }
    }

    /// Notes that a field is wrong.
    pub(crate) fn fault(&mut self, field: &str, reason: impl Into<String>) {
        self.faults.push(Detail::new(field, reason));
    }

    /// A field that may be absent; `null` counts as absent. `right` says what it must be.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, name: &'static str, right: &str) -> Option<T> {
        self.known.push(name);
        match self.left.remove(name) {
            None | Some(Value::Null) => None,
            Some(value) => match serde_json::from_value(plain(value)) {
                Ok(value) => Some(value),
                Err(_) => {
                    self.fault(name, format!("must be {right}"));
                    None
                }
            },
        }
    }

    /// A field with a default.
    pub(crate) fn or<T: DeserializeOwned>(&mut self, name: &'static str, default: T, right: &str) -> T {
        self.optional(name, right).unwrap_or(default)
    }

    /// A number within a range, which may be absent.
    pub(crate) fn optional_within<T>(&mut self, name: &'static str, range: &RangeInclusive<T>) -> Option<T>
    where
        T: DeserializeOwned + PartialOrd + std::fmt::Display + Kind,
    {
        let right = format!("{} from {} to {}", T::KIND, range.start(), range.end());
        let value = self.optional(name, &right)?;
        if !range.contains(&value) {
            self.fault(name, format!("must be {right}"));
        }
        Some(value)
    }

    /// A number within a range, with a default.
    pub(crate) fn within<T>(&mut self, name: &'static str, default: T, range: &RangeInclusive<T>) -> T
    where
        T: DeserializeOwned + PartialOrd + std::fmt::Display + Kind,
    {
        self.optional_within(name, range).unwrap_or(default)
    }

    /// Passes over what chose the table when the job was created; it comes along where a job's input is passed on whole.
    pub(crate) fn skip_choice_of_table(&mut self) {
        let _: Option<Value> = self.optional("dataset_id", "a name");
        let _: Option<String> = self.optional("table_key", "a name");
        let _: Option<String> = self.optional("source_ref", "a ref or a commit");
    }

    /// The table that the job was pinned to, without which nothing can be done.
    pub(crate) fn pinned_table(&mut self) -> Option<TableRef> {
        const RIGHT: &str = "the table that the job was pinned to";
        self.skip_choice_of_table();
        let source = self.optional("source", RIGHT);
        if source.is_none() {
            self.fault("source", format!("must be {RIGHT}"));
        }
        source
    }

    /// Ends reading: whatever is left over is unknown.
    ///
    /// # Errors
    /// `InvalidInput` with one detail for each fault.
    pub(crate) fn finish(mut self) -> Result<(), SkillError> {
        let unknown: Vec<String> = self.left.keys().cloned().collect();
        for name in unknown {
            let reason = format!("is not a parameter of this skill, which takes {}", self.known.join(", "));
            self.fault(&name, reason);
        }
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(SkillError::invalid_fields(self.faults))
    }
}

/// What a number is called when it is wrong.
pub(crate) trait Kind {
    /// With its article.
    const KIND: &'static str;
}

impl Kind for f64 {
    const KIND: &'static str = "a number";
}

impl Kind for u32 {
    const KIND: &'static str = "an integer";
}

impl Kind for u64 {
    const KIND: &'static str = "an integer";
}

impl Kind for usize {
    const KIND: &'static str = "an integer";
}
