//! The blueprints of this deployment: those in the folder, read anew when it changes, and those that running jobs are
//! pinned to.

mod folder;

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use relevo_shared::blueprint::{BlueprintFault, Reload};
use tracing::{error, info};

use crate::{
    domain::{
        blueprint::{Blueprint, Requirements, Resource},
        placement::queue_name,
    },
    error::{Error, Result},
    store::Store,
    time::{now_ms, rfc3339},
};
pub use folder::BadFolder;
use folder::Stamp;

/// Pinned blueprints that a replica keeps at hand.
const PINNED_AT_HAND: usize = 1_000;

/// The blueprints that clients can start, in the order of their names.
type Offered = Arc<Vec<Arc<Blueprint>>>;

/// The blueprints that clients can start, and those that jobs are pinned to, by hash.
#[derive(Debug)]
pub struct Catalogue {
    folder: PathBuf,
    offered: Mutex<Offered>,
    last_read: Mutex<(Stamp, Reload)>,
    pinned: Mutex<HashMap<String, Arc<Blueprint>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catalogue {
    /// Reads every `.yaml`, `.yml` and `.json` file of a folder.
    ///
    /// # Errors
    /// With every fault of every file, when there is one; two files with one name or endpoint are a fault too.
    pub fn load(folder: &Path) -> std::result::Result<Self, BadFolder> {
        let stamp = Stamp::of(folder);
        let offered = folder::read(folder)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            offered: Mutex::new(Arc::new(offered)),
            last_read: Mutex::new((stamp, reload(Vec::new()))),
            pinned: Mutex::default(),
        })
    }

    /// Reads the folder again when a file of it has changed since it was last read.
    pub fn reload_if_changed(&self) {
        if lock(&self.last_read).0 != Stamp::of(&self.folder) {
            self.reload();
        }
    }

    /// Reads the folder again. A sound set takes the place of the old one as a whole; faults are told in the log, and the
    /// old set stays. Jobs that run keep the definition that they began with.
    pub fn reload(&self) {
        // Taken first: what changes while the files are read is read again.
        let stamp = Stamp::of(&self.folder);
        let faults = match folder::read(&self.folder) {
            Ok(blueprints) => {
                info!(blueprints = blueprints.len(), folder = %self.folder.display(), "blueprints read again");
                *lock(&self.offered) = Arc::new(blueprints);
                Vec::new()
            }
            Err(BadFolder(faults)) => {
                for (file, fault) in &faults {
                    error!(file = %file.display(), %fault, "blueprints are left as they were");
                }
                let told = faults.into_iter().map(|(file, fault)| BlueprintFault {
                    file: file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned(),
                    path: fault.path,
                    line: fault.line,
                    column: fault.column,
                    reason: fault.reason,
                });
                told.collect()
            }
        };
        *lock(&self.last_read) = (stamp, reload(faults));
    }

    /// When the folder was last read, and what was wrong with it then.
    #[must_use]
    pub fn last_reload(&self) -> Reload {
        lock(&self.last_read).1.clone()
    }

    /// The blueprints that clients can start, in the order of their names.
    #[must_use]
    pub fn offered(&self) -> Offered {
        Arc::clone(&lock(&self.offered))
    }

    /// The queues that tasks of these blueprints go to.
    #[must_use]
    pub fn queues(&self) -> BTreeSet<String> {
        let offered = self.offered();
        let tasks = offered.iter().flat_map(|blueprint| blueprint.machine.tasks());
        let queue = |(resource, requirements): (&Resource, &Requirements)| match resource {
            Resource::Skill(skill) => Some(queue_name(skill, requirements)),
            _ => None,
        };
        tasks.filter_map(queue).collect()
    }

    /// The blueprint that a client starts at this endpoint.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the endpoints that there are.
    pub fn at(&self, endpoint: &str) -> Result<Arc<Blueprint>> {
        let offered = self.offered();
        offered.iter().find(|blueprint| blueprint.endpoint == endpoint).cloned().ok_or_else(|| {
            let mut known: Vec<&str> = offered.iter().map(|blueprint| blueprint.endpoint.as_str()).collect();
            known.sort_unstable();
            Error::NotFound(format!("no blueprint has the endpoint {endpoint}; there are: {}", known.join(", ")))
        })
    }

    /// The blueprint of this name.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the names that there are.
    pub fn named(&self, name: &str) -> Result<Arc<Blueprint>> {
        let offered = self.offered();
        offered.iter().find(|blueprint| blueprint.name == name).cloned().ok_or_else(|| {
            let known: Vec<&str> = offered.iter().map(|blueprint| blueprint.name.as_str()).collect();
            Error::NotFound(format!("no blueprint is called {name:?}; there are: {}", known.join(", ")))
        })
    }

    /// The blueprint whose jobs are of this kind, or that has this name. Of several with one kind it is the one of that name, or
    /// else the first by name.
    ///
    /// # Errors
    /// [`Error::Invalid`] for `type`, with the kinds that there are.
    pub fn of_kind(&self, kind: &str) -> Result<Arc<Blueprint>> {
        let offered = self.offered();
        let named = offered.iter().find(|blueprint| blueprint.name == kind);
        let first = offered.iter().find(|blueprint| blueprint.kind == kind);
        named.filter(|named| named.kind == kind).or(first).or(named).cloned().ok_or_else(|| {
            let known: BTreeSet<&str> = offered.iter().map(|blueprint| blueprint.kind.as_str()).collect();
            let known: Vec<&str> = known.into_iter().collect();
            Error::invalid("type", format!("must be one of the types that there are: {}", known.join(", ")))
        })
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
            None => self.offered().iter().find(|blueprint| blueprint.hash() == hash).cloned(),
        };
        let Some(blueprint) = blueprint else { return Ok(None) };
        self.keep(Arc::clone(&blueprint));
        Ok(Some(blueprint))
    }

    fn at_hand(&self, hash: &str) -> Option<Arc<Blueprint>> {
        lock(&self.pinned).get(hash).cloned()
    }

    fn keep(&self, blueprint: Arc<Blueprint>) {
        let mut pinned = lock(&self.pinned);
        if pinned.len() >= PINNED_AT_HAND {
            pinned.clear();
        }
        pinned.insert(blueprint.hash().to_owned(), blueprint);
    }
}

fn reload(faults: Vec<BlueprintFault>) -> Reload {
    Reload { at: rfc3339(now_ms()), ok: faults.is_empty(), faults }
}
