//! Which worker may have a task, and which of several should.

use std::collections::{BTreeMap, BTreeSet};

use relevo_shared::{
    SkillName,
    worker::{Device, Registration},
};
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
            models: registration
                .installed_models
                .iter()
                .chain(&registration.installed_artifacts)
                .flatten()
                .map(|model| model.name.clone())
                .collect(),
            ..Self::default()
        };
        let Some(resources) = &registration.resources else { return profile };
        let named = [("cpu_cores", resources.cpu_cores), ("ram_gb", resources.ram_gb)];
        profile.numbers.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        let nested = resources.other.get("properties").and_then(Value::as_object).into_iter().flatten();
        for (name, value) in resources.other.iter().chain(nested) {
            profile.numbers.extend(value.as_f64().map(|value| (name.clone(), value)));
        }
        let gpus: Vec<&Device> = resources.devices.iter().flatten().filter(|device| device.is_gpu()).collect();
        let memory =
            gpus.iter().filter_map(|gpu| gpu.memory_gb()).chain(resources.gpu_info.iter().map(|gpu| gpu.vram_gb));
        // A task runs on one GPU: what the largest has counts, and not what they have together.
        if let Some(largest) = memory.reduce(f64::max) {
            profile.numbers.insert("vram_gb".to_owned(), largest);
        }
        let count = gpus.len().max(usize::from(resources.gpu_info.is_some()));
        profile.gpu = count > 0;
        profile.numbers.insert("gpus".to_owned(), f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        profile
    }
}

/// Whether a worker has all that a task asks for.
#[must_use]
pub fn meets(profile: &Profile, requirements: &Requirements) -> bool {
    lacks(profile, requirements).next().is_none()
}

/// What a worker lacks of what a task asks for, one sentence for each thing.
pub fn lacks<'a>(profile: &'a Profile, requirements: &'a Requirements) -> impl Iterator<Item = String> + 'a {
    let gpu = (requirements.gpu && !profile.gpu).then(|| "it has no GPU".to_owned());
    let labels = requirements.labels.difference(&profile.labels).map(|label| format!("it has no label `{label}`"));
    let models = requirements.models.difference(&profile.models).map(|model| format!("it has no model `{model}`"));
    let numbers = requirements.at_least.iter().filter_map(|(name, least)| match profile.numbers.get(name) {
        Some(has) if *has >= least.0 => None,
        Some(has) => Some(format!("its `{name}` is {has}, less than {}", least.0)),
        None => Some(format!("it tells no `{name}`")),
    });
    gpu.into_iter().chain(labels).chain(models).chain(numbers)
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
        let more = requirements(json!({"vram_gb": 24}));
        assert_eq!(lacks(&worker, &more).collect::<Vec<_>>(), ["its `vram_gb` is 16, less than 24"]);
        assert!(!meets(&worker, &requirements(json!({"disk_gb": 1}))), "what a worker does not tell it does not have");
    }

    #[test]
    fn gpus_are_read_in_every_form_that_workers_tell_of_them() {
        let device = |kind: &str, memory: u32| json!({"type": kind, "id": "0", "properties": {"memory_gb": memory}});
        let several = worker(&json!({"devices": [device("gpu", 16), device("GPU", 80), device("tpu", 900)]}));
        let none = worker(&json!({"devices": null, "gpu_info": null, "properties": {"cpu_cores": 4, "ram_gb": 0}}));

        assert!(meets(&several, &requirements(json!({"gpu": true, "vram_gb": 80, "gpus": 2}))));
        assert!(!meets(&several, &requirements(json!({"vram_gb": 81}))), "memory of several GPUs is not one's");
        assert!(meets(&none, &requirements(json!({"cpu_cores": 4}))));
        assert!(!meets(&none, &requirements(json!({"gpu": true}))));
    }

    #[test]
    fn tasks_that_ask_for_nothing_share_the_plain_queue() {
        let skill: SkillName = "beto.preprocess".parse().unwrap();

        assert_eq!(queue_name(&skill, &Requirements::default()), "beto.preprocess");
        assert_ne!(queue_name(&skill, &requirements(json!({"gpu": true}))), "beto.preprocess");
    }
}
