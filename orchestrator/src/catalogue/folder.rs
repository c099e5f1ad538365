//! A folder of blueprints: read whole, with every fault of every file, and told apart from what it was before.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use crate::domain::blueprint::{Blueprint, Fault};

/// Why a folder of blueprints was refused: every fault of every file.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", self.lines().join("\n"))]
pub struct BadFolder(pub(super) Vec<(PathBuf, Fault)>);

impl BadFolder {
    fn lines(&self) -> Vec<String> {
        self.0.iter().map(|(path, fault)| format!("{}: {fault}", path.display())).collect()
    }

    fn whole(path: &Path, reason: String) -> (PathBuf, Fault) {
        (path.to_path_buf(), Fault { path: String::new(), line: None, column: None, reason })
    }
}

/// What tells whether a folder has changed: its files with their times and lengths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stamp(Vec<(PathBuf, Option<SystemTime>, u64)>);

impl Stamp {
    pub(super) fn of(folder: &Path) -> Self {
        let files = files(folder).unwrap_or_default().into_iter();
        let facts = files.map(|path| match fs::metadata(&path) {
            Ok(facts) => (path, facts.modified().ok(), facts.len()),
            Err(_) => (path, None, 0),
        });
        Self(facts.collect())
    }
}

/// Every `.yaml`, `.yml` and `.json` file of a folder, in the order of their names.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| {
        path.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
    });
    files.sort();
    Ok(files)
}

/// The blueprints of a folder, in the order of their names.
pub(super) fn read(folder: &Path) -> Result<Vec<Arc<Blueprint>>, BadFolder> {
    let files = files(folder).map_err(|error| BadFolder(vec![BadFolder::whole(folder, error.to_string())]))?;
    let mut faults = Vec::new();
    let mut blueprints: Vec<Arc<Blueprint>> = Vec::new();
    for path in files {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                faults.push(BadFolder::whole(&path, error.to_string()));
                continue;
            }
        };
        match Blueprint::parse(&text) {
            Err(found) => faults.extend(found.into_iter().map(|fault| (path.clone(), fault))),
            Ok(blueprint) => {
                let twin = blueprints
                    .iter()
                    .find(|other| other.name == blueprint.name || other.endpoint == blueprint.endpoint);
                if let Some(twin) = twin {
                    let reason = format!("name and endpoint must be unique; `{}` has one of these", twin.name);
                    faults.push(BadFolder::whole(&path, reason));
                }
                blueprints.push(Arc::new(blueprint));
            }
        }
    }
    blueprints.sort_by(|one, other| one.name.cmp(&other.name));
    if faults.is_empty() { Ok(blueprints) } else { Err(BadFolder(faults)) }
}
