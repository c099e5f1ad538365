//! The machine that the worker runs on: what it registers with, and the name it takes when it was given none.

use std::fs;

/// `<host>-<process id>` in the characters that a worker's name may have.
#[must_use]
pub(crate) fn worker_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(64).collect();
    let host = if host.is_empty() { "worker" } else { &host };
    format!("{host}-{}", std::process::id())
}

/// Processor cores that this process may use.
#[must_use]
pub(crate) fn cpu_cores() -> Option<f64> {
    let cores = std::thread::available_parallelism().ok()?;
    u32::try_from(cores.get()).ok().map(f64::from)
}

/// Main memory in GiB, to a tenth; none where the kernel does not tell.
#[must_use]
pub(crate) fn ram_gb() -> Option<f64> {
    let facts = fs::read_to_string("/proc/meminfo").ok()?;
    let kib: f64 =
        facts.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some((kib / 1024.0 / 1024.0 * 10.0).round() / 10.0)
}
