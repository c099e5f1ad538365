//! What this machine uses at the moment: processor, main memory, GPUs. Measured apart from the heartbeat, which must not wait for a driver.

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use relevo_shared::worker::Usage;
use tracing::warn;

use crate::{gpus::GpuMeter, host::kib};

/// The latest measurement; measuring ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Meter(Arc<Mutex<Option<Usage>>>);

impl Meter {
    /// Begins to measure this often.
    pub(crate) fn start(period: Duration) -> Self {
        let latest = Arc::new(Mutex::new(None));
        let seen = Arc::downgrade(&latest);
        // A thread of its own: a driver that hangs holds up nothing else, not even the end of the process.
        if let Err(error) = thread::Builder::new().name("usage".to_owned()).spawn(move || measure(&seen, period)) {
            warn!(%error, "what the machine uses is not told");
        }
        Self(latest)
    }

    /// What was measured last; none before the first time.
    pub(crate) fn latest(&self) -> Option<Usage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn measure(latest: &Weak<Mutex<Option<Usage>>>, period: Duration) {
    let gpus = GpuMeter::new();
    let mut before = Ticks::now();
    while let Some(latest) = latest.upgrade() {
        let now = Ticks::now();
        let usage = Usage {
            cpu_load_percent: before.zip(now).and_then(|(before, now)| now.load_since(before)),
            ram_used_gb: ram_used_gb(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            devices_usage: Some(gpus.measure()).filter(|gpus| !gpus.is_empty()),
        };
        before = now;
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(usage);
        drop(latest);
        thread::sleep(period);
    }
}

/// Time that all processors have spent, in ticks of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    all: u64,
    idle: u64,
}

impl Ticks {
    fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Reads `/proc/stat` (proc_stat(5)): user, nice, system, idle, iowait, and so on; guests are counted with user and nice.
    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let spent: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
        let idle = spent.get(3)? + spent.get(4)?;
        Some(Self { all: spent.iter().sum(), idle })
    }

    /// The share of the time since then that was not idle, in percent.
    fn load_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        let idle = self.idle.saturating_sub(before.idle).min(all);
        Some(to_a_tenth((all - idle) as f64 / all as f64 * 100.0))
    }
}

/// Main memory that is not available, in GiB.
fn ram_used_gb(facts: &str) -> Option<f64> {
    let used = kib(facts, "MemTotal:")?.checked_sub(kib(facts, "MemAvailable:")?)?;
    Some(to_a_tenth(used as f64 / 1024.0 / 1024.0))
}

fn to_a_tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_the_time_between_two_looks_that_was_not_idle() {
        let look = |user: u64, idle: u64, waiting: u64| {
            Ticks::read(&format!("cpu  {user} 0 10 {idle} {waiting} 0 0 0 99 0\ncpu0 1 1 1 1\n")).unwrap()
        };

        assert_eq!(look(0, 100, 0), Ticks { all: 110, idle: 100 });
        assert_eq!(look(30, 160, 10).load_since(look(0, 100, 0)), Some(30.0));
        assert_eq!(look(0, 100, 0).load_since(look(0, 100, 0)), None);
        assert_eq!(look(0, 0, 0).load_since(look(5, 100, 0)), None);
        for other in ["", "intr 5", "cpu  1 2"] {
            assert_eq!(Ticks::read(other), None, "{other}");
        }
    }

    #[test]
    fn memory_that_can_be_had_is_not_used() {
        let facts = "MemTotal:       16777216 kB\nMemFree:  100 kB\nMemAvailable:   12582912 kB\n";

        assert_eq!(ram_used_gb(facts), Some(4.0));
        assert_eq!(ram_used_gb("MemTotal: 5 kB"), None);
    }

    #[test]
    fn a_meter_measures_this_machine_and_ends_with_its_owner() {
        let meter = Meter::start(Duration::from_millis(20));
        let kept = Arc::downgrade(&meter.0);

        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while meter.latest().is_none_or(|usage| usage.cpu_load_percent.is_none()) {
            assert!(std::time::Instant::now() < deadline, "nothing is measured");
            thread::sleep(Duration::from_millis(5));
        }
        let usage = meter.latest().unwrap();
        drop(meter);

        assert!(usage.ram_used_gb.is_some_and(|gb| gb > 0.0), "{usage:?}");
        while kept.strong_count() > 0 {
            assert!(std::time::Instant::now() < deadline, "it measures for nobody");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
