//! Names that may become labels: a bounded number of them, so that no deployment drowns its Prometheus in time series.

use std::{
    collections::HashSet,
    sync::{PoisonError, RwLock},
};

/// What every name beyond the bound is called.
const OTHER: &str = "other";

/// The first names that came, up to a bound.
#[derive(Debug)]
pub(super) struct Names {
    most: usize,
    seen: RwLock<HashSet<String>>,
}

impl Names {
    pub(super) fn at_most(most: usize) -> Self {
        Self { most, seen: RwLock::default() }
    }

    /// The name itself while there is room, else `other`.
    pub(super) fn label<'a>(&self, name: &'a str) -> &'a str {
        if self.seen.read().unwrap_or_else(PoisonError::into_inner).contains(name) {
            return name;
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < self.most || seen.contains(name) {
            seen.insert(name.to_owned());
            return name;
        }
        OTHER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_share_one_label() {
        let names = Names::at_most(2);

        assert_eq!(["a", "b", "c", "a", "d", "b"].map(|name| names.label(name)), ["a", "b", OTHER, "a", OTHER, "b"]);
    }
}
