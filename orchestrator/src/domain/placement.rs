//! Which worker may have a task, and which of several should.

use std::collections::{BTreeMap, BTreeSet};

use relevo_shared::{SkillName, worker::Registration};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::blueprint::Requirements;

/// What a worker can do and has, as far as placement cares.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Skills by name.
    pub skills: BTreeSet<SkillName>,
    /// Whether it has a GPU.
    pub gpu: bool,
    /// Numbers that requirements may ask for, for example `vram_gb` or `cpu_cores`.
    pub numbers: BTreeMap<String, f64>,
    /// Free labels.
    pub labels: BTreeSet<String>,
    /// Models at hand.
    pub models: BTreeSet<String>,
}

impl Profile {
    /// Reads what a worker said of itself.
    #[must_use]
    pub fn of(registration: &Registration) -> Self {
        let mut profile = Self {
            skills: registration.supported_skills.iter().map(|skill| skill.name().clone()).collect(),
            labels: registration.labels.iter().cloned().collect(),
            models: registration.installed_models.iter().flatten().map(|model| model.name.clone()).collect(),
            ..Self::default()
        };
        let Some(resources) = &registration.resources else { return profile };
        let named = [("cpu_cores", resources.cpu_cores), ("ram_gb", resources.ram_gb)];
        profile.numbers.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let nested = resources.other.get("properties").and_then(Value::as_object).into_iter().flatten();
        for (name, value) in resources.other.iter().chain(nested) {
            profile.numbers.extend(value.as_f64().map(|value| (name.clone(), value)));
        }
        if let Some(gpu) = &resources.gpu_info {
            profile.gpu = true;
            profile.numbers.insert("vram_gb".to_owned(), gpu.vram_gb);
        }
        profile
    }
}

/// Whether a worker has all that a task asks for.
#[must_use]
pub fn meets(profile: &Profile, requirements: &Requirements) -> bool {
    (!requirements.gpu || profile.gpu)
        && requirements.labels.iter().all(|label| profile.labels.contains(label))
        && requirements.models.iter().all(|model| profile.models.contains(model))
        && requirements
            .at_least
            .iter()
            .all(|(name, least)| profile.numbers.get(name).is_some_and(|has| *has >= least.0))
}

/// The queue for tasks of a skill with these requirements. Tasks that ask for the same share a queue, so that a worker
/// never has to step over a task that it cannot take.
#[must_use]
pub fn queue_name(skill: &SkillName, requirements: &Requirements) -> String {
    if requirements.is_empty() {
        return skill.to_string();
    }
    let hash = Sha256::digest(requirements.canonical());
    format!("{skill}|{}", hex::encode(&hash[..6]))
}

/// A worker that waits for a task.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Candidate {
    /// How much work it has, by its own measure.
    pub load: f64,
    /// Whether it has models loaded.
    pub warm: bool,
}

/// Where a worker stands among those that wait: the lowest is woken first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    cold: bool,
    load_thousandths: u64,
    since: u64,
}

impl Candidate {
    /// A warm worker goes first, then the least loaded, then the one that has waited longest: `since` grows with time.
    #[must_use]
    pub fn rank(self, since: u64) -> Rank {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, NaN becomes 0"
        )]
        let load_thousandths = (self.load * 1000.0) as u64;
        Rank { cold: !self.warm, load_thousandths, since }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn worker(resources: &Value) -> Profile {
        let registration =
            serde_json::from_value(json!({"worker_id": "w", "supported_skills": ["s"], "resources": resources}));
        Profile::of(&registration.unwrap())
    }

    fn requirements(wanted: Value) -> Requirements {
        serde_json::from_value(wanted).unwrap()
    }

    #[test]
    fn a_number_must_be_reached() {
        let worker = worker(&json!({"gpu_info": {"model": "T4", "vram_gb": 16}, "cpu_cores": 8}));

        assert!(meets(&worker, &requirements(json!({"gpu": true, "vram_gb": 16}))));
        assert!(!meets(&worker, &requirements(json!({"vram_gb": 24}))));
        assert!(!meets(&worker, &requirements(json!({"disk_gb": 1}))), "what a worker does not tell it does not have");
    }

    #[test]
    fn tasks_that_ask_for_nothing_share_the_plain_queue() {
        let skill: SkillName = "beto.preprocess".parse().unwrap();

        assert_eq!(queue_name(&skill, &Requirements::default()), "beto.preprocess");
        assert_ne!(queue_name(&skill, &requirements(json!({"gpu": true}))), "beto.preprocess");
    }

    #[test]
    fn a_warm_worker_is_woken_before_an_idle_one_and_an_idle_one_before_a_busy_one() {
        let rank = |load, warm, since| Candidate { load, warm }.rank(since);

        assert!(rank(0.5, true, 9) < rank(0.0, false, 0));
        assert!(rank(0.0, false, 9) < rank(0.5, false, 0));
        assert!(rank(0.0, false, 4) < rank(0.0, false, 5));
        assert!(rank(f64::NAN, false, 4) < rank(f64::INFINITY, false, 4), "what a worker says cannot break the order");
    }
}
