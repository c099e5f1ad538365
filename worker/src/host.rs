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

/// Bytes of main memory that this process could still have, by the kernel and the limit of its control group; none where neither tells.
#[must_use]
#[cfg(feature = "torch")]
pub(crate) fn memory_left() -> Option<u64> {
    let group =
        |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok()?.trim().parse::<u64>().ok();
    let of_group = group("max").zip(group("current")).map(|(most, now)| most.saturating_sub(now));
    of_group.into_iter().chain(meminfo("MemAvailable:").map(|kib| kib * 1024)).min()
}

/// Main memory in GiB, to a tenth; none where the kernel does not tell.
#[must_use]
pub(crate) fn ram_gb() -> Option<f64> {
    let kib = u32::try_from(meminfo("MemTotal:")? / 1024).ok().map(f64::from)?;
    Some((kib / 1024.0 * 10.0).round() / 10.0)
}

/// A figure of the kernel's, in KiB.
fn meminfo(name: &str) -> Option<u64> {
    let facts = fs::read_to_string("/proc/meminfo").ok()?;
    facts.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix(" kB")?.parse().ok()
}
