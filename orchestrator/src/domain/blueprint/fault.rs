//! Faults of a blueprint file, each with the path of the field and its line.

use std::{collections::HashMap, fmt};

/// One thing that is wrong in a blueprint file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, for example `definition.States.Label.Retry[0].IntervalSeconds`; empty for the file as a whole.
    pub path: String,
    /// Line in the file, counted from 1.
    pub line: Option<usize>,
    /// Column in the line, counted from 1.
    pub column: Option<usize>,
    /// Why it was refused and what would be right.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

/// Where each part of a file stands: line and column, both counted from 1, by path.
pub(super) type Places = HashMap<String, (usize, usize)>;

/// Collects faults, so that one reading reports all of them.
#[derive(Debug, Default)]
pub(super) struct Faults {
    found: Vec<Found>,
    uses: Vec<Use>,
}

/// A variable where it is read or assigned: right or wrong only once the whole machine is known.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) path: String,
    pub(super) variable: String,
    pub(super) assigns: bool,
}

#[derive(Debug)]
struct Found {
    path: String,
    /// The part of the file to point at: the field itself, or what should have held it.
    stands_at: String,
    reason: String,
}

impl Faults {
    /// A field that is there and wrong.
    pub(super) fn add(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        let path = path.into();
        self.found.push(Found { stands_at: path.clone(), path, reason: reason.into() });
    }

    /// A variable that is read by the field at `path`.
    pub(super) fn reads(&mut self, path: &str, variable: &str) {
        self.uses.push(Use { path: path.to_owned(), variable: variable.to_owned(), assigns: false });
    }

    /// A variable that is assigned by the field at `path`.
    pub(super) fn assigns(&mut self, path: &str, variable: &str) {
        self.uses.push(Use { path: path.to_owned(), variable: variable.to_owned(), assigns: true });
    }

    /// How many variables have been met.
    pub(super) fn met(&self) -> usize {
        self.uses.len()
    }

    /// Takes the variables that were met after the first `met`.
    pub(super) fn take_uses(&mut self, met: usize) -> Vec<Use> {
        self.uses.split_off(met)
    }

    /// A field that should be there and is not.
    pub(super) fn missing(&mut self, holder: &str, field: &str, reason: impl Into<String>) {
        let path = join_key(holder, field);
        self.found.push(Found { path, stands_at: holder.to_owned(), reason: reason.into() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The faults in the order of the file, those without a place first.
    pub(super) fn located(self, places: &Places) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self
            .found
            .into_iter()
            .map(|found| {
                let place = nearest(&found.stands_at, places);
                Fault {
                    path: found.path,
                    line: place.map(|(line, _)| line),
                    column: place.map(|(_, column)| column),
                    reason: found.reason,
                }
            })
            .collect();
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults
    }
}

/// The place of `path`, or else of the closest part of the file around it.
fn nearest(path: &str, places: &Places) -> Option<(usize, usize)> {
    let mut rest = path;
    loop {
        if let Some(place) = places.get(rest) {
            return Some(*place);
        }
        if rest.is_empty() {
            return None;
        }
        rest = &rest[..rest.rfind(['.', '[']).unwrap_or(0)];
    }
}

/// The path of `key` inside `base`; a key that is no plain word is written in brackets and quotes.
pub(super) fn join_key(base: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'));
    match (plain, base.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{base}.{key}"),
        (false, _) => format!("{base}['{key}']"),
    }
}

/// The path of item `index` inside `base`.
pub(super) fn join_index(base: &str, index: usize) -> String {
    format!("{base}[{index}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_points_at_what_should_have_held_it() {
        let places = Places::from([("definition.States.A".to_owned(), (7, 3))]);
        let mut faults = Faults::default();
        faults.missing("definition.States.A", "Next", "is missing");

        let located = faults.located(&places);

        assert_eq!(located[0].to_string(), "7:3: definition.States.A.Next: is missing");
    }

    #[test]
    fn a_key_that_is_no_word_is_quoted_in_a_path() {
        assert_eq!(join_key("definition.States", "Say hello"), "definition.States['Say hello']");
        assert_eq!(join_key("", "name"), "name");
    }
}
