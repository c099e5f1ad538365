//! The files of the repository that people write.

use std::{fs, path::Path};

use rig::repository;

/// A text file.
pub(crate) struct Source {
    /// Its path from the root of the repository.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

impl Source {
    /// What follows the last full stop of its name.
    pub(crate) fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

/// Every file with code, commands or prose.
pub(crate) fn written_by_hand() -> Vec<Source> {
    const KINDS: [&str; 8] = ["rs", "lua", "sh", "py", "md", "yaml", "toml", "tpl"];
    let sources = under("", &KINDS);
    assert!(sources.len() > 50, "only {} files were found: the search is broken", sources.len());
    sources
}

/// The files below a folder with one of these extensions, in the order of their paths.
pub(crate) fn under(folder: &str, extensions: &[&str]) -> Vec<Source> {
    let root = repository();
    let mut sources = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() && !is_made_by_machine(&path) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted)) {
                let name = path.strip_prefix(&root).expect("the walk began at the root");
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                sources.push(Source { path: name.display().to_string(), text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn is_made_by_machine(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    ["target", ".git", ".cache", ".relevo", "golden", "models", "__pycache__"].iter().any(|made| name == *made)
}
