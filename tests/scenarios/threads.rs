//! How the threads that compute wait for work.

use std::{fs, process::Command};

use rig::{Process, SOON, program, until};
use tempfile::TempDir;

/// The environment of a worker that has come so far as to look for its orchestrator, started with these variables beside those it needs.
fn environment_with(variables: &[(&str, &str)]) -> String {
    let home = TempDir::with_prefix("relevo-threads-").expect("the temporary folder is writable");
    let mut command = Command::new(program("relevo-worker"));
    command
        // Nobody answers there, which a worker waits for.
        .envs([("RELEVO_URL", "http://127.0.0.1:9"), ("RELEVO_WORKER_ID", "sleeper"), ("RELEVO_WORKER_TOKEN", "t")])
        .env_remove("GOMP_SPINCOUNT")
        .env_remove("OMP_WAIT_POLICY")
        .envs(variables.iter().copied())
        .current_dir(home.path());
    let worker = Process::start("sleeper", &mut command, home.path());
    until("its first try to register", SOON, || worker.log().contains("not registered yet").then_some(()));
    let environment = fs::read_to_string(format!("/proc/{}/environ", worker.id())).expect("the worker runs");
    environment.replace('\0', "\n")
}

#[test]
fn a_worker_lets_threads_that_wait_go_to_sleep_soon() {
    assert!(environment_with(&[]).contains("GOMP_SPINCOUNT=1000\n"));
}

#[test]
fn how_threads_wait_is_left_to_whoever_has_decided_it() {
    let environment = environment_with(&[("OMP_WAIT_POLICY", "active")]);

    assert!(!environment.contains("GOMP_SPINCOUNT"), "{environment}");
}
