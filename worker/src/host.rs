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

/// Bytes of main memory that this process could still have, by the kernel and by the limit of the container that it runs in; none where
/// neither tells. What the kernel keeps of files counts as free: it gives way.
#[must_use]
#[cfg(feature = "torch")]
pub(crate) fn memory_left() -> Option<u64> {
    let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).unwrap_or_default();
    let of_container = left_of_limit(&read("max"), &read("current"), &read("stat"));
    let facts = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    of_container.into_iter().chain(kib(&facts, "MemAvailable:").map(|kib| kib * 1024)).min()
}

/// What a limit leaves, by the files `memory.max`, `memory.current` and `memory.stat` of a control group (version 2); none without a limit.
#[cfg(feature = "torch")]
fn left_of_limit(most: &str, now: &str, stat: &str) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let files = stat.lines().find_map(|line| number(line.strip_prefix("file ")?)).unwrap_or(0);
    Some(number(most)?.saturating_sub(number(now)?.saturating_sub(files)))
}

/// Main memory in GiB, to a tenth; none where the kernel does not tell.
#[must_use]
pub(crate) fn ram_gb() -> Option<f64> {
    let facts = fs::read_to_string("/proc/meminfo").ok()?;
    Some((kib(&facts, "MemTotal:")? as f64 / 1024.0 / 1024.0 * 10.0).round() / 10.0)
}

/// A figure of `/proc/meminfo` by its name, in KiB.
pub(crate) fn kib(facts: &str, name: &str) -> Option<u64> {
    facts.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(all(test, feature = "torch"))]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_keeps_of_files_is_free_within_a_limit() {
        let stat = "anon 300\nfile 500\nfile_mapped 7\n";

        assert_eq!(left_of_limit("1000\n", "900\n", stat), Some(600));
        assert_eq!(left_of_limit("1000\n", "900\n", ""), Some(100));
        assert_eq!((left_of_limit("max\n", "900\n", stat), left_of_limit("", "", "")), (None, None));
    }
}
