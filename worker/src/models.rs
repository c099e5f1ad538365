//! Finds the folders of models on this machine, in a hub's cache and in S3, and tells one content from another.

pub mod named;
pub mod soundness;

use std::{
    collections::{BTreeSet, HashMap},
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use sha2::{Digest, Sha256};

use self::named::{Current, NamedModel, Pointer, is_model_name};
use crate::{context::TaskContext, skills::SkillError};

/// Files that make up a model. The first two decide whether a folder is one.
pub const FILES: [&str; 9] = [
    "config.json",
    "model.safetensors",
    "pytorch_model.bin",
    "tokenizer.json",
    "vocab.txt",
    "tokenizer_config.json",
    "added_tokens.json",
    "special_tokens_map.json",
    "preprocess.json",
];

/// A model's folder on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFolder {
    /// The name that it was asked for by.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 over its files, in hex: the same model has the same hash wherever it lies.
    pub content_hash: String,
}

/// Where models are looked for.
#[derive(Debug)]
pub struct ModelFolders {
    folders: Vec<PathBuf>,
    downloads: PathBuf,
    hashes: Mutex<HashMap<PathBuf, (Stamp, String)>>,
}

/// Sizes and times of a folder's files; while they stay, so does the hash.
type Stamp = Vec<(&'static str, u64, Option<SystemTime>)>;

impl ModelFolders {
    /// Looks in `folders`, in this order; models that come from S3 are kept under `downloads`.
    #[must_use]
    pub fn new(folders: Vec<PathBuf>, downloads: PathBuf) -> Self {
        Self { folders, downloads, hashes: Mutex::default() }
    }

    /// The folder of a model: `a/b` is looked for as `<folder>/a/b` and in the layout of a Hugging Face hub cache; an
    /// `s3://bucket/prefix` is downloaded once and kept, so a changed model needs a new prefix. A name that no folder has is that
    /// of a model that was promoted: the version that it stands for is downloaded once and kept.
    ///
    /// # Errors
    /// `InvalidInput` on `model` when there is none, `Permanent` when a promoted one is damaged, `Transient` when S3 is away.
    pub async fn obtain(self: &Arc<Self>, name: &str, context: &TaskContext) -> Result<ModelFolder, SkillError> {
        if name.starts_with("s3://") {
            return self.folder(name, self.download(name, context).await?).await;
        }
        match self.find(name) {
            Ok(path) => self.folder(name, path).await,
            Err(missing) => self.obtain_named(name, missing, context).await,
        }
    }

    /// The folder of the version that a name in S3 stands for. Where it stands for none, `missing` says where else the model is not.
    async fn obtain_named(
        self: &Arc<Self>,
        name: &str,
        missing: SkillError,
        context: &TaskContext,
    ) -> Result<ModelFolder, SkillError> {
        let prefix = context.models_prefix().filter(|_| is_model_name(name));
        let Some(named) = prefix.map(|prefix| NamedModel::new(prefix, name)) else { return Err(missing) };
        match named.pointer(context).await? {
            Pointer::To(current) => self.obtain_version(name, &current, context).await,
            Pointer::Unreadable => Err(SkillError::Permanent(format!(
                "{} does not say which version counts; promoting a model to this name mends it",
                named.pointer_uri()
            ))),
            Pointer::Absent => Err(match missing {
                SkillError::InvalidInput { details, .. } if !details.is_empty() => {
                    SkillError::invalid("model", format!("{}, and no model of S3 has this name", details[0].reason))
                }
                other => other,
            }),
        }
    }

    /// The folder of a version, whose files are checked to be its own.
    async fn obtain_version(
        self: &Arc<Self>,
        name: &str,
        current: &Current,
        context: &TaskContext,
    ) -> Result<ModelFolder, SkillError> {
        // Perhaps something broke on this disk only: what is not the version is downloaded afresh, once.
        for _ in 0..2 {
            let path = self.download(&current.uri, context).await?;
            let model = self.folder(name, path).await?;
            if model.content_hash == current.version {
                return Ok(model);
            }
            if let Err(error) = put_away(&model.path).await {
                let reason = format!("a broken copy of the model `{name}` cannot be removed: {error}");
                return Err(SkillError::Transient(reason));
            }
        }
        let reason = format!(
            "the model `{name}` is damaged in S3: the files under {} are not those of its version {}; promoting the model again mends it",
            current.uri, current.version
        );
        Err(SkillError::Permanent(reason))
    }

    /// What lies in a folder, by its content.
    async fn folder(self: &Arc<Self>, name: &str, path: PathBuf) -> Result<ModelFolder, SkillError> {
        let (folders, name) = (Arc::clone(self), name.to_owned());
        let hashed = tokio::task::spawn_blocking(move || {
            let content_hash = folders.content_hash(&path)?;
            Ok(ModelFolder { name, path, content_hash })
        });
        let hashed: std::io::Result<ModelFolder> = hashed.await.expect("hashing files does not panic");
        hashed.map_err(|error| SkillError::Transient(format!("the model's files cannot be read: {error}")))
    }

    /// Names of the models in the folders, sorted. Those in S3 are not among them.
    #[must_use]
    pub fn installed(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for organisation in self.folders.iter().flat_map(|folder| children(folder)) {
            if let Some(hub) = organisation.strip_prefix("models--") {
                names.insert(hub.replacen("--", "/", 1));
                continue;
            }
            names.insert(organisation.clone());
            for folder in &self.folders {
                names.extend(children(&folder.join(&organisation)).map(|model| format!("{organisation}/{model}")));
            }
        }
        names.into_iter().filter(|name| self.find(name).is_ok()).collect()
    }

    fn find(&self, name: &str) -> Result<PathBuf, SkillError> {
        let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
        if !name.split('/').all(plain) {
            return Err(SkillError::invalid("model", "must be a name such as organisation/model, or an s3:// prefix"));
        }
        let found = self.folders.iter().find_map(|folder| {
            let there = folder.join(name);
            if there.join("config.json").is_file() { Some(there) } else { hub_snapshot(folder, name) }
        });
        found.ok_or_else(|| {
            let folders: Vec<String> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
            let looked = if folders.is_empty() {
                "no folder, as RELEVO_MODELS names none".to_owned()
            } else {
                folders.join(", ")
            };
            SkillError::invalid("model", format!("there is no model `{name}` on this worker; it looks in {looked}"))
        })
    }

    async fn download(&self, uri: &str, context: &TaskContext) -> Result<PathBuf, SkillError> {
        let folder = self.downloads.join(hex::encode(Sha256::digest(uri.trim_end_matches('/'))));
        if folder.join("config.json").is_file() {
            return Ok(folder);
        }
        let failed =
            |error: std::io::Error| SkillError::Transient(format!("the model cannot be kept on disk: {error}"));
        tokio::fs::create_dir_all(&self.downloads).await.map_err(failed)?;
        // Two tasks may download the same model; the folder appears whole, and the second to finish finds it there.
        let fresh = tempfile::tempdir_in(&self.downloads).map_err(failed)?;
        for file in FILES {
            let from = format!("{}/{file}", uri.trim_end_matches('/'));
            match context.download(&from, &fresh.path().join(file)).await {
                Ok(_) => {}
                Err(SkillError::InvalidInput { .. }) if file == "config.json" => {
                    return Err(SkillError::invalid("model", format!("there is no config.json under {uri}")));
                }
                // No model has them all; what is needed is checked when it is loaded.
                Err(SkillError::InvalidInput { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        match tokio::fs::rename(fresh.path(), &folder).await {
            Err(error) if !folder.join("config.json").is_file() => Err(failed(error)),
            _ => Ok(folder),
        }
    }

    fn content_hash(&self, folder: &Path) -> std::io::Result<String> {
        let stamp = stamp(folder)?;
        if let Some((known, hash)) = self.hashes.lock().unwrap_or_else(PoisonError::into_inner).get(folder)
            && *known == stamp
        {
            return Ok(hash.clone());
        }
        let hash = hash_of(folder, &stamp)?;
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned(), (stamp, hash.clone()));
        Ok(hash)
    }
}

/// SHA-256 over the files of a model's folder, in hex: the version that a promoted model has.
///
/// # Errors
/// When a file cannot be read.
pub fn content_hash(folder: &Path) -> std::io::Result<String> {
    hash_of(folder, &stamp(folder)?)
}

fn stamp(folder: &Path) -> std::io::Result<Stamp> {
    let mut stamp = Stamp::new();
    for name in FILES {
        match std::fs::metadata(folder.join(name)) {
            Ok(file) => stamp.push((name, file.len(), file.modified().ok())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(stamp)
}

fn hash_of(folder: &Path, stamp: &Stamp) -> std::io::Result<String> {
    let mut whole = Sha256::new();
    for (name, length, _) in stamp {
        // The length keeps the end of one file apart from the beginning of the next.
        whole.update(format!("{name}\n{length}\n"));
        update_from(&mut whole, &folder.join(name))?;
    }
    Ok(hex::encode(whole.finalize()))
}

/// `models--a--b/snapshots/<revision>` as a Hugging Face hub cache has it, at the revision that `refs/main` names.
fn hub_snapshot(folder: &Path, name: &str) -> Option<PathBuf> {
    let model = folder.join(format!("models--{}", name.replace('/', "--")));
    let revision = std::fs::read_to_string(model.join("refs/main")).ok()?;
    let snapshot = model.join("snapshots").join(revision.trim());
    snapshot.join("config.json").is_file().then_some(snapshot)
}

/// Names of what lies in a folder; nothing where there is no folder.
fn children(folder: &Path) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

pub(crate) fn update_from(hash: &mut Sha256, path: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::open(path)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        hash.update(&piece[..read]);
    }
}

/// Removes a folder, whole or not at all for whoever looks for it: half a folder would stand in the way of the next download.
async fn put_away(folder: &Path) -> std::io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    let away = tempfile::Builder::new().prefix(".broken-").tempdir_in(parent)?;
    match tokio::fs::rename(folder, away.path().join("model")).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(folder: &Path, weights: &str) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("config.json"), "{}").unwrap();
        std::fs::write(folder.join("model.safetensors"), weights).unwrap();
    }

    fn folders(root: &Path) -> ModelFolders {
        ModelFolders::new(vec![root.join("none"), root.to_owned()], root.join("downloads"))
    }

    #[test]
    fn a_model_is_found_by_folder_and_in_a_hub_cache() {
        let root = tempfile::tempdir().unwrap();
        model(&root.path().join("org/plain"), "w");
        let hub = root.path().join("models--org--hub");
        model(&hub.join("snapshots/abc"), "w");
        std::fs::create_dir(hub.join("refs")).unwrap();
        std::fs::write(hub.join("refs/main"), "abc\n").unwrap();

        let folders = folders(root.path());

        assert_eq!(folders.find("org/plain"), Ok(root.path().join("org/plain")));
        assert_eq!(folders.find("org/hub"), Ok(hub.join("snapshots/abc")));
        assert_eq!(folders.installed(), ["org/hub", "org/plain"]);
    }

    #[test]
    fn a_name_cannot_leave_the_folders() {
        let root = tempfile::tempdir().unwrap();
        model(&root.path().join("outside"), "w");
        let folders = ModelFolders::new(vec![root.path().join("inside")], root.path().join("downloads"));

        for name in ["../outside", "/etc", "a//b", "..", "a/../../outside"] {
            assert!(matches!(folders.find(name), Err(SkillError::InvalidInput { .. })), "{name}");
        }
    }

    #[test]
    fn a_missing_model_says_where_it_was_looked_for() {
        let root = tempfile::tempdir().unwrap();

        let error = folders(root.path()).find("org/absent").unwrap_err().to_string();

        assert!(
            error.starts_with("model: there is no model `org/absent`") && error.contains(root.path().to_str().unwrap()),
            "{error}"
        );
    }

    #[test]
    fn the_hash_is_of_the_content_and_follows_a_change() {
        let root = tempfile::tempdir().unwrap();
        model(&root.path().join("a"), "weights");
        model(&root.path().join("b"), "weights");
        let folders = folders(root.path());
        let hash = |name: &str| folders.content_hash(&root.path().join(name)).unwrap();

        let (a, b) = (hash("a"), hash("b"));
        model(&root.path().join("b"), "other weights");

        assert_eq!(a, b);
        assert_ne!(a, hash("b"));
    }
}
