//! The folders that tasks work in: one per task, made when it is asked for, gone when the task ends.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;
use tracing::{debug, warn};

/// This process's folder within the configured one. Locked as long as the process lives, so that the next one can tell
/// what a killed process left behind.
#[derive(Debug)]
pub(crate) struct WorkFolders {
    run: TempDir,
    _lock: File,
}

impl WorkFolders {
    /// Clears what killed processes left in `within`, and opens a folder for this one.
    ///
    /// # Errors
    /// The folder cannot be made, read or written to.
    pub(crate) fn open(within: &Path) -> io::Result<Self> {
        fs::create_dir_all(within)?;
        // Held while folders come and go: a folder whose owner has not locked it yet must not look abandoned.
        let gate = File::create(within.join("gate.lock"))?;
        gate.lock()?;
        sweep(within)?;
        let run = tempfile::Builder::new().prefix("run-").tempdir_in(within)?;
        let lock = File::create(lock_of(run.path()))?;
        lock.lock()?;
        Ok(Self { run, _lock: lock })
    }

    /// A folder for one task. It is not made before it is asked for: most short tasks never do.
    #[must_use]
    pub(crate) fn for_task(&self, name: &str) -> WorkFolder {
        WorkFolder { path: self.run.path().join(name), made: OnceLock::new(), kept: false }
    }
}

impl Drop for WorkFolders {
    fn drop(&mut self) {
        let _ = fs::remove_file(lock_of(self.run.path()));
    }
}

/// Removes every folder whose owner is dead.
fn sweep(within: &Path) -> io::Result<()> {
    for entry in fs::read_dir(within)? {
        let path = entry?.path();
        let ours = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("run-"));
        if !ours || !path.is_dir() {
            continue;
        }
        let abandoned = match File::open(lock_of(&path)) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(fault) => fault.kind() == io::ErrorKind::NotFound,
        };
        if abandoned {
            debug!(folder = %path.display(), "clearing what a killed worker left");
            fs::remove_dir_all(&path)?;
            let _ = fs::remove_file(lock_of(&path));
        }
    }
    Ok(())
}

fn lock_of(run: &Path) -> PathBuf {
    run.with_extension("lock")
}

/// The folder of one task; removed with everything in it when this is dropped, unless it is kept.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
    made: OnceLock<()>,
    kept: bool,
}

impl WorkFolder {
    /// A folder that is somebody else's to remove.
    #[must_use]
    pub(crate) fn kept(path: &Path) -> Self {
        Self { path: path.to_owned(), made: OnceLock::new(), kept: true }
    }

    /// Where it is. When it cannot be made, whoever writes into it meets the reason.
    pub(crate) fn path(&self) -> &Path {
        self.made.get_or_init(|| {
            if let Err(fault) = fs::create_dir_all(&self.path) {
                warn!(folder = %self.path.display(), error = %fault, "the work folder could not be made");
            }
        });
        &self.path
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if !self.kept
            && self.made.get().is_some()
            && let Err(fault) = fs::remove_dir_all(&self.path)
        {
            warn!(folder = %self.path.display(), error = %fault, "the work folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(within: &Path) -> Vec<PathBuf> {
        fs::read_dir(within).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    }

    #[test]
    fn a_task_folder_is_made_when_asked_for_and_goes_with_its_files() {
        let within = tempfile::tempdir().unwrap();
        let run = WorkFolders::open(within.path()).unwrap();
        let folder = run.for_task("t");
        assert!(!folder.path.exists());

        fs::write(folder.path().join("file"), "x").unwrap();
        let path = folder.path().to_owned();
        drop(folder);

        assert!(!path.exists());
    }

    #[test]
    fn the_folder_of_a_dead_process_is_cleared_and_that_of_a_living_one_is_not() {
        let within = tempfile::tempdir().unwrap();
        let dead = within.path().join("run-dead");
        fs::create_dir_all(dead.join("task")).unwrap();
        fs::write(lock_of(&dead), "").unwrap();
        let living = WorkFolders::open(within.path()).unwrap();

        let other = WorkFolders::open(within.path()).unwrap();

        let mut left = folders(within.path());
        let mut expected = vec![living.run.path().to_owned(), other.run.path().to_owned()];
        left.sort();
        expected.sort();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_worker_that_ends_leaves_nothing_but_the_gate() {
        let within = tempfile::tempdir().unwrap();

        drop(WorkFolders::open(within.path()).unwrap());

        let left: Vec<_> = fs::read_dir(within.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["gate.lock"]);
    }
}
