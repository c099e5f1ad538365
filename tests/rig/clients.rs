//! Files with clients and workers, as operators write them.

use std::{fs, path::PathBuf};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A file that a running orchestrator may read.
#[derive(Debug)]
pub struct ListFile {
    path: PathBuf,
    _folder: TempDir,
}

impl ListFile {
    /// A file with this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let folder = TempDir::with_prefix("relevo-lists-").expect("the temporary folder is writable");
        let file = Self { path: folder.path().join("list.toml"), _folder: folder };
        file.write(text);
        file
    }

    /// Puts another text in its place, all at once.
    pub fn write(&self, text: &str) {
        let fresh = self.path.with_extension("new");
        fs::write(&fresh, text)
            .and_then(|()| fs::rename(&fresh, &self.path))
            .expect("the temporary folder is writable");
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.to_str().expect("paths here are text")
    }
}

/// The entry of a client with these tokens, and more lines.
#[must_use]
pub fn client_entry(name: &str, tokens: &[&str], more: &str) -> String {
    let hashes: Vec<_> = tokens.iter().map(|token| hash(token)).collect();
    format!("[[clients]]\nname = {name:?}\ntoken_sha256 = {hashes:?}\n{more}\n")
}

/// The entry of a worker's token.
#[must_use]
pub fn worker_entry(id: &str, token: &str) -> String {
    format!("[[workers]]\nworker_id = {id:?}\ntoken_sha256 = {:?}\n", hash(token))
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}
