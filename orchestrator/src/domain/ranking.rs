//! Which of several workers that wait gets a task.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The rule by which one of several waiting workers is chosen. Whoever has waited longest wins among equals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// One that has a model of the task loaded, then the least loaded.
    #[default]
    WarmFirst,
    /// The one with the least work, by its own measure.
    LeastLoaded,
    /// The one that asks least for the skill, then the least loaded. Who names no price asks nothing.
    Cheapest,
    /// The one whose last task is longest ago.
    RoundRobin,
}

impl Placement {
    /// Its word in a blueprint.
    #[must_use]
    pub const fn from_word(word: &str) -> Option<Self> {
        Some(match word.as_bytes() {
            b"warm_first" => Self::WarmFirst,
            b"least_loaded" => Self::LeastLoaded,
            b"cheapest" => Self::Cheapest,
            b"round_robin" => Self::RoundRobin,
            _ => return None,
        })
    }

    /// Every word that there is.
    pub const WORDS: [&str; 4] = ["warm_first", "least_loaded", "cheapest", "round_robin"];
}

/// A worker that waits for a task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidate {
    /// How much work it has, by its own measure.
    pub load: f64,
    /// Models that are loaded on it.
    pub loaded: BTreeSet<String>,
    /// Skills that it says are ready to run.
    pub hot_skills: BTreeSet<String>,
    /// What it asks for a run of a skill.
    pub costs: BTreeMap<String, f64>,
    /// Grows with each task that is handed out: when it got its last one.
    pub last_turn: u64,
}

/// What a worker waits for: the tasks of one queue.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The skill of its tasks.
    pub skill: &'a str,
    /// The models that its tasks name.
    pub models: &'a BTreeSet<String>,
    /// How a worker is chosen.
    pub placement: Placement,
}

/// Where a worker stands among those that wait: the lowest is woken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    first: u64,
    second: u64,
    since: u64,
}

impl Candidate {
    /// Where this worker stands in the line for `work`; `since` grows with time.
    #[must_use]
    pub fn rank(&self, work: Work<'_>, since: u64) -> Rank {
        let load = thousandths(self.load);
        let cold = u64::from(!self.is_warm(work));
        let (first, second) = match work.placement {
            Placement::WarmFirst => (cold, load),
            Placement::LeastLoaded => (load, cold),
            Placement::Cheapest => (thousandths(self.costs.get(work.skill).copied().unwrap_or(0.0)), load),
            Placement::RoundRobin => (self.last_turn, 0),
        };
        Rank { first, second, since }
    }

    /// Whether it need not load anything first. A task that names no model may use any.
    fn is_warm(&self, work: Work<'_>) -> bool {
        if work.models.is_empty() {
            self.hot_skills.contains(work.skill) || !self.loaded.is_empty()
        } else {
            !self.loaded.is_disjoint(work.models)
        }
    }
}

/// A number that a worker tells, so that it can be sorted.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, NaN becomes 0")]
fn thousandths(number: f64) -> u64 {
    (number * 1000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn worker(load: f64, loaded: &[&str]) -> Candidate {
        Candidate { load, loaded: models(loaded), ..Candidate::default() }
    }

    /// Whether `one` gets a task before `other`, which has waited longer.
    fn beats(one: &Candidate, other: &Candidate, placement: Placement, wanted: &[&str]) -> bool {
        let models = models(wanted);
        let work = Work { skill: "s", models: &models, placement };
        one.rank(work, 1) < other.rank(work, 0)
    }

    #[test]
    fn a_warm_worker_goes_first_and_then_the_least_loaded() {
        assert!(beats(&worker(0.5, &["m"]), &worker(0.0, &[]), Placement::WarmFirst, &["m"]));
        assert!(!beats(&worker(0.0, &["other"]), &worker(0.5, &["m"]), Placement::WarmFirst, &["m"]));
        assert!(beats(&worker(0.0, &[]), &worker(0.5, &[]), Placement::WarmFirst, &[]));
        assert!(!beats(&worker(0.0, &[]), &worker(0.0, &[]), Placement::WarmFirst, &[]), "who has waited longest");
    }

    #[test]
    fn the_least_loaded_goes_first_however_warm_another_is() {
        assert!(beats(&worker(0.1, &[]), &worker(0.5, &["m"]), Placement::LeastLoaded, &["m"]));
    }

    #[test]
    fn the_cheapest_goes_first() {
        let asks = |cost: f64| Candidate { costs: BTreeMap::from([("s".to_owned(), cost)]), ..Candidate::default() };

        assert!(beats(&asks(0.01), &asks(0.02), Placement::Cheapest, &[]));
        assert!(!beats(&asks(0.02), &asks(0.01), Placement::Cheapest, &[]));
        assert!(beats(&worker(9.0, &[]), &asks(0.01), Placement::Cheapest, &[]), "who names no price asks nothing");
    }

    #[test]
    fn workers_take_turns() {
        let since = |last_turn| Candidate { last_turn, ..Candidate::default() };

        assert!(beats(&since(3), &since(7), Placement::RoundRobin, &[]));
        assert!(!beats(&since(7), &since(3), Placement::RoundRobin, &[]));
    }

    #[test]
    fn what_a_worker_says_cannot_break_the_order() {
        assert!(beats(&worker(f64::NAN, &[]), &worker(f64::INFINITY, &[]), Placement::LeastLoaded, &[]));
    }

    #[test]
    fn every_word_is_known() {
        assert!(Placement::WORDS.iter().all(|word| Placement::from_word(word).is_some()));
    }
}
