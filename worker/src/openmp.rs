//! How long threads of libtorch stay awake for more work. Nothing is computed here.

use std::{env, os::unix::process::CommandExt, process::Command};

use tracing::warn;

/// Says after how many rounds of a waiting loop a thread of OpenMP goes to sleep.
const SPIN_COUNT: &str = "GOMP_SPINCOUNT";
/// Some microseconds.
const ROUNDS: &str = "1000";
/// The other variable by which somebody may have decided it.
const POLICY: &str = "OMP_WAIT_POLICY";

/// Starts this program anew where nothing in its environment says how long threads wait awake, and says it there: libgomp reads that once,
/// when it is loaded, which is before `main`.
///
/// Left alone, threads of OpenMP wait awake for milliseconds. Where they share processors with anything else, such as another worker
/// or a container's quota, they take from each other what they wait for: training becomes several times slower.
pub fn wait_asleep() {
    if env::var_os(SPIN_COUNT).or_else(|| env::var_os(POLICY)).is_some() {
        return;
    }
    let mut given = env::args_os();
    let name = given.next().unwrap_or_default();
    let fault = match env::current_exe() {
        Ok(program) => Command::new(program).arg0(name).args(given).env(SPIN_COUNT, ROUNDS).exec(),
        Err(fault) => fault,
    };
    warn!(%fault, "threads will wait awake: the program cannot be started again with {SPIN_COUNT}={ROUNDS}");
}
