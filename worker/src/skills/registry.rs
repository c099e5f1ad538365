//! The skills that this worker has, by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use relevo_shared::{
    SkillName,
    worker::{GpuInfo, InstalledModel},
};

use crate::settings::SkillSettings;

use super::{Skill, echo::Echo, sleep::Sleep};

/// The skills, and the facts about device and models that go into the registration.
#[derive(Default)]
pub struct Registry {
    skills: BTreeMap<SkillName, Arc<dyn Skill>>,
    /// The GPU that the skills run on, where there is one.
    pub gpu_info: Option<GpuInfo>,
    /// Models that the skills can load.
    pub installed_models: Vec<InstalledModel>,
}

/// Every skill of this build.
#[must_use]
pub fn registry(_settings: &SkillSettings) -> Registry {
    let mut registry = Registry::default();
    registry.add(Echo);
    registry.add(Sleep);
    registry
}

impl Registry {
    /// Adds a skill; a later one replaces an earlier one of the same name.
    ///
    /// # Panics
    /// The skill's name is not one that can go over the wire.
    pub fn add(&mut self, skill: impl Skill) {
        let name = skill.name().parse().expect("a skill's name is written in its source, in the allowed characters");
        self.skills.insert(name, Arc::new(skill));
    }

    /// The skill of that name.
    #[must_use]
    pub fn get(&self, name: &SkillName) -> Option<&dyn Skill> {
        self.skills.get(name).map(AsRef::as_ref)
    }

    /// Every name, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<SkillName> {
        self.skills.keys().cloned().collect()
    }

    /// Models that any skill has loaded right now, sorted.
    #[must_use]
    pub fn loaded_models(&self) -> Vec<String> {
        let models: BTreeSet<_> = self.skills.values().flat_map(|skill| skill.loaded_models()).collect();
        models.into_iter().collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.skills.keys()).finish()
    }
}
