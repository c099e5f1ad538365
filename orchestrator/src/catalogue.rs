//! The blueprints of this deployment: those in the folder, and those that running jobs are pinned to.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    domain::{
        blueprint::{Blueprint, Fault, Resource},
        placement::queue_name,
    },
    error::{Error, Result},
    store::Store,
};

/// Pinned blueprints that a replica keeps at hand.
const PINNED_AT_HAND: usize = 1_000;

/// Why a folder of blueprints was refused: every fault of every file.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.lines().join("\n"))]
pub struct BadFolder(Vec<(PathBuf, Fault)>);

impl BadFolder {
    fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(path, fault)| format!("{}: {fault}", path.display())).collect()
    }
}

/// The blueprints that clients can start, by endpoint, and those that jobs are pinned to, by hash.
#[derive(Debug)]
pub struct Catalogue {
    by_endpoint: HashMap<String, Arc<Blueprint>>,
    pinned: Mutex<HashMap<String, Arc<Blueprint>>>,
}

impl Catalogue {
    /// Reads every `.yaml`, `.yml` and `.json` file of a folder.
    ///
    /// # Errors
    /// With every fault of every file, when there is one; two files with one name or endpoint are a fault too.
    pub fn load(folder: &Path) -> std::result::Result<Self, BadFolder> {
        let fault = |path: &Path, reason: String| {
            let fault = Fault { path: String::new(), line: None, column: None, reason };
            (path.to_path_buf(), fault)
        };
        let entries = fs::read_dir(folder).map_err(|error| BadFolder(vec![fault(folder, error.to_string())]))?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|path| {
            path.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
        });
        files.sort();

        let mut faults = Vec::new();
        let mut by_endpoint: HashMap<String, Arc<Blueprint>> = HashMap::new();
        for path in files {
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) => {
                    faults.push(fault(&path, error.to_string()));
                    continue;
                }
            };
            match Blueprint::parse(&text) {
                Err(found) => faults.extend(found.into_iter().map(|fault| (path.clone(), fault))),
                Ok(blueprint) => {
                    let twin = by_endpoint
                        .values()
                        .find(|other| other.name == blueprint.name || other.endpoint == blueprint.endpoint);
                    if let Some(twin) = twin {
                        let reason = format!("name and endpoint must be unique; `{}` has one of these", twin.name);
                        faults.push(fault(&path, reason));
                    }
                    by_endpoint.insert(blueprint.endpoint.clone(), Arc::new(blueprint));
                }
            }
        }
        if faults.is_empty() { Ok(Self { by_endpoint, pinned: Mutex::default() }) } else { Err(BadFolder(faults)) }
    }

    /// The blueprint that a client starts at this endpoint.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the endpoints that there are.
    pub fn at(&self, endpoint: &str) -> Result<Arc<Blueprint>> {
        self.by_endpoint.get(endpoint).cloned().ok_or_else(|| {
            let mut known: Vec<&str> = self.by_endpoint.keys().map(String::as_str).collect();
            known.sort_unstable();
            Error::NotFound(format!("no blueprint has the endpoint {endpoint}; there are: {}", known.join(", ")))
        })
    }

    /// The blueprint of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Blueprint>> {
        self.by_endpoint.values().find(|blueprint| blueprint.name == name).cloned()
    }

    /// The queues that tasks of these blueprints go to.
    pub fn queues(&self) -> impl Iterator<Item = String> {
        self.by_endpoint.values().flat_map(|blueprint| blueprint.machine.tasks()).filter_map(
            |(resource, requirements)| match resource {
                Resource::Skill(skill) => Some(queue_name(skill, requirements)),
                _ => None,
            },
        )
    }

    /// Makes sure that the text of a blueprint is in Redis, so that a job can be pinned to it.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pin(&self, store: &Store, blueprint: &Arc<Blueprint>) -> Result<()> {
        if self.at_hand(blueprint.hash()).is_none() {
            store.pin_blueprint(blueprint.hash(), blueprint.canonical()).await?;
            self.keep(Arc::clone(blueprint));
        }
        Ok(())
    }

    /// The blueprint that a job is pinned to; `None` when it is gone or cannot be read.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn pinned(&self, store: &Store, hash: &str) -> Result<Option<Arc<Blueprint>>> {
        if let Some(blueprint) = self.at_hand(hash) {
            return Ok(Some(blueprint));
        }
        let blueprint = match store.pinned_blueprint(hash).await? {
            Some(text) => Blueprint::parse(&text).ok().map(Arc::new),
            // Redis may have lost it; the one in the folder does as well when it is still the same.
            None => self.by_endpoint.values().find(|blueprint| blueprint.hash() == hash).cloned(),
        };
        let Some(blueprint) = blueprint else { return Ok(None) };
        self.keep(Arc::clone(&blueprint));
        Ok(Some(blueprint))
    }

    fn at_hand(&self, hash: &str) -> Option<Arc<Blueprint>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn keep(&self, blueprint: Arc<Blueprint>) {
        let mut pinned = self.pinned.lock().unwrap_or_else(PoisonError::into_inner);
        if pinned.len() >= PINNED_AT_HAND {
            pinned.clear();
        }
        pinned.insert(blueprint.hash().to_owned(), blueprint);
    }
}
