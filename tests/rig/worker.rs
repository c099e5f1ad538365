//! A running worker process.

use std::{path::PathBuf, process::Command};

use tempfile::TempDir;

use crate::{Process, Relevo, program, repository};

/// A running `relevo-worker`.
#[derive(Debug)]
pub struct Worker {
    // Fields drop in this order: the process ends before its folder goes.
    process: Process,
    _home: TempDir,
}

impl Worker {
    /// Starts one with the shipped models, one task at a time and a heartbeat each second.
    #[must_use]
    pub fn start(relevo: &Relevo, id: &str) -> Self {
        Self::start_with(relevo, id, &[])
    }

    /// Starts one with more variables in its environment.
    #[must_use]
    pub fn start_with(relevo: &Relevo, id: &str, variables: &[(&str, &str)]) -> Self {
        let home = TempDir::with_prefix("relevo-worker-").expect("the temporary folder is writable");
        let mut command = Command::new(program("relevo-worker"));
        command
            .envs(relevo.environment())
            .env("RELEVO_WORKER_ID", id)
            .env("RELEVO_CONCURRENCY", "1")
            .env("RELEVO_HEARTBEAT_SECONDS", "1")
            .env("RELEVO_MODELS", models())
            // What a worker sets for itself by starting once more, which takes time.
            .env("GOMP_SPINCOUNT", "1000")
            .envs(variables.iter().copied())
            .current_dir(home.path());
        Self { process: Process::start(id, &mut command, home.path()), _home: home }
    }

    /// The process itself.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// The folder of the shipped models.
fn models() -> PathBuf {
    repository().join("worker/demo/models")
}
