//! Alerts and the dashboard ask for metrics that there are.

use std::collections::BTreeSet;

use crate::{report, sources::under};

#[test]
fn every_metric_that_is_asked_for_is_told_by_the_service() {
    let told: BTreeSet<String> =
        under("orchestrator/src", &["rs"]).iter().flat_map(|source| names(&source.text)).collect();
    let mut faults = Vec::new();
    for page in under("charts/relevo/monitoring", &["yaml", "json"]) {
        let asked = names(&page.text);
        assert!(asked.len() > 5, "{} asks for {asked:?} only: the search is broken", page.path);
        for name in asked {
            let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            if !told.contains(&name) && !told.contains(family) {
                faults.push(format!("{}: no metric is called '{name}'", page.path));
            }
        }
    }

    report(&faults);
}

/// Everything in a text that looks like the name of one of the service's metrics.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    words.filter(|word| word.starts_with("relevo_")).map(str::to_owned).collect()
}
