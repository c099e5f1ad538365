//! Workers of the field: releases of their SDK, as they were published, in a process of their own.

use std::{env, path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::{Process, Relevo, repository};

/// A running worker of the field.
#[derive(Debug)]
pub struct SdkWorker {
    // Fields drop in this order: the process ends before its folder goes.
    process: Process,
    _home: TempDir,
}

impl SdkWorker {
    /// The releases that are tried, the earliest first.
    pub const RELEASES: [&'static str; 2] = ["1.0b7", "1.0b20"];

    /// Starts one that beats each second and has the skill `field`.
    #[must_use]
    pub fn start(relevo: &Relevo, release: &str, id: &str, variables: &[(&str, &str)]) -> Self {
        let home = TempDir::with_prefix("relevo-sdk-").expect("the temporary folder is writable");
        let mut command = Command::new("python3");
        command
            .arg(repository().join("tests/sdk/worker.py"))
            .env("PYTHONPATH", installed(release))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("ORCHESTRATOR_URL", relevo.url())
            .env("WORKER_TOKEN", relevo.worker_token())
            .env("WORKER_ID", id)
            .env("HEARTBEAT_INTERVAL", "1")
            .env("TASK_FILES_DIR", home.path())
            .env("WORKER_BLOB_CACHE_DIR", home.path())
            .envs(variables.iter().copied())
            .current_dir(home.path());
        Self { process: Process::start(id, &mut command, home.path()), _home: home }
    }

    /// The process itself.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Drop for SdkWorker {
    /// At once: asked politely, it would wait for tasks that never end.
    fn drop(&mut self) {
        self.process.sigkill();
    }
}

/// The folder of one release.
fn installed(release: &str) -> PathBuf {
    let sdks = env::var_os("RELEVO_SDK").map_or_else(|| repository().join(".cache/sdk"), PathBuf::from);
    let folder = sdks.join(release);
    assert!(
        folder.join(".complete").exists(),
        "the worker SDK {release} is not in {}: run 'make test', or '.make/sdk.sh' first",
        sdks.display()
    );
    folder
}
