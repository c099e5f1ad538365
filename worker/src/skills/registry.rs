//! The skills that this worker has, by name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use relevo_shared::{SkillName, worker::InstalledModel};

use super::{
    Skill,
    data::{DataFeatures, DataUnify},
    echo::Echo,
    exec,
    import::Import,
    profiling::Profiling,
    promote::Promote,
    sampling::Sampling,
    sleep::Sleep,
};
use crate::settings::SkillSettings;
#[cfg(feature = "torch")]
use crate::{
    device::{Device, DeviceError, DeviceSettings},
    models::ModelFolders,
    skills::{
        audit::EvalAudit,
        beto::{BetoEmbed, BetoFinetune, BetoPreprocess},
        boltzmann::{RbmPredict, RbmTrain, RbmTransform},
        sweep::TrainSweep,
    },
};

/// Memory for loaded models: several of BERT-base's size in fp32, 440 MB each.
#[cfg(feature = "torch")]
const MODEL_BYTES: u64 = 4 << 30;

/// The skills cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A program has the name of a skill that there is.
    #[error("skills.{0}: the worker has a skill of this name; give the program another")]
    Taken(SkillName),
    /// libtorch cannot be used.
    #[cfg(feature = "torch")]
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// The skills, and the facts about models that go into the registration.
#[derive(Default)]
pub struct Registry {
    skills: BTreeMap<SkillName, Arc<dyn Skill>>,
    /// Models that the skills can load.
    pub installed_models: Vec<InstalledModel>,
}

/// Every skill of this build, and those that the settings add.
///
/// # Errors
/// libtorch was built in, and cannot be used; or a program has the name of another skill.
pub fn registry(settings: &SkillSettings) -> Result<Registry, RegistryError> {
    let mut registry = Registry::default();
    registry.add(Echo);
    registry.add(Sampling);
    registry.add(Sleep);
    registry.add(Import);
    registry.add(Profiling);
    registry.add(Promote);
    registry.add(DataUnify);
    registry.add(DataFeatures);
    add_torch(&mut registry, settings)?;
    for program in exec::skills(&settings.programs) {
        let name = program.name().parse().expect("the settings have judged it");
        if registry.skills.contains_key(&name) {
            return Err(RegistryError::Taken(name));
        }
        registry.add(program);
    }
    Ok(registry)
}

/// Adds the skills that run on libtorch, and the planning of their trials.
#[cfg(feature = "torch")]
fn add_torch(registry: &mut Registry, settings: &SkillSettings) -> Result<(), RegistryError> {
    let device = Device::start(&DeviceSettings { torch_cuda: settings.torch_cuda.clone(), model_bytes: MODEL_BYTES })?;
    let downloads = std::env::temp_dir().join("relevo-models");
    let models = Arc::new(ModelFolders::new(settings.models.clone(), downloads));
    let installed = models.installed().into_iter();
    registry.installed_models.extend(installed.map(|name| InstalledModel { name, version: None }));
    registry.add(TrainSweep);
    registry.add(RbmTrain::new(device.clone()));
    registry.add(EvalAudit::new(device.clone()));
    registry.add(RbmTransform::new(device.clone(), Arc::clone(&models)));
    registry.add(RbmPredict::new(device.clone(), Arc::clone(&models)));
    registry.add(BetoEmbed::new(device.clone(), Arc::clone(&models)));
    registry.add(BetoFinetune::new(device.clone(), Arc::clone(&models)));
    registry.add(BetoPreprocess::new(device, models));
    Ok(())
}

#[cfg(not(feature = "torch"))]
const fn add_torch(_: &mut Registry, _: &SkillSettings) -> Result<(), RegistryError> {
    Ok(())
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
