//! How long threads of libtorch stay awake for more work. Nothing is computed here.

use std::{env, os::unix::process::CommandExt, process::Command};

use tracing::warn;

/// Rounds of a waiting loop, some microseconds, before a thread of OpenMP goes to sleep.
const ROUNDS: (&str, &str) = ("GOMP_SPINCOUNT", "1000");
/// The other variable by which somebody may have decided it.
const POLICY: &str = "OMP_WAIT_POLICY";

/// Starts this program anew where nothing in its environment says how long threads wait awake, and says it there: libgomp reads that once,
/// when it is loaded, which is before `main`.
///
/// Left alone, threads of OpenMP wait awake for milliseconds. Where they share processors with anything else, such as another worker
/// or a container's quota, they take from each other what they wait for: training becomes several times slower.
pub fn wait_asleep() {
    let (name, rounds) = ROUNDS;
    if env::var_os(name).or_else(|| env::var_os(POLICY)).is_some() {
        return;
    }
    let fault = match env::current_exe() {
        Ok(program) => Command::new(program).args(env::args_os().skip(1)).env(name, rounds).exec(),
        Err(fault) => fault,
    };
    warn!(%fault, "threads will wait awake: the program cannot be started again with {name}={rounds}");
}
