//! How much a program may say: a burst, then so many lines a second. What is over is counted, not kept. Pure.

use std::time::{Duration, Instant};

/// Fewer than wait for a report, so that a flood pushes out nothing that was told before it.
const BURST: f64 = 200.0;
const PER_SECOND: f64 = 100.0;
/// What was left out is told of this often at most.
const TELL_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Allowance {
    left: f64,
    seen: Instant,
    dropped: u64,
    told: Instant,
}

/// What becomes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// It is told.
    Tell,
    /// It is told, and before it how many were not.
    TellAfter(u64),
    /// It is left out.
    Drop,
}

impl Allowance {
    pub(super) const fn new(now: Instant) -> Self {
        Self { left: BURST, seen: now, dropped: 0, told: now }
    }

    /// Asks for one line.
    pub(super) fn ask(&mut self, now: Instant) -> Leave {
        self.left = (self.left + (now - self.seen).as_secs_f64() * PER_SECOND).min(BURST);
        self.seen = now;
        if self.left < 1.0 {
            self.dropped += 1;
            return Leave::Drop;
        }
        self.left -= 1.0;
        if self.dropped > 0 && now - self.told >= TELL_EVERY {
            self.told = now;
            return Leave::TellAfter(std::mem::take(&mut self.dropped));
        }
        Leave::Tell
    }

    /// How many were left out that nobody was told of.
    pub(super) const fn untold(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_left_out_and_counted() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);

        let told = (0..100_000).filter(|_| allowance.ask(start) == Leave::Tell).count();

        assert_eq!(told, 200);
        assert_eq!(allowance.ask(start + Duration::from_secs(2)), Leave::TellAfter(99_800));
        assert_eq!((allowance.ask(start + Duration::from_secs(2)), allowance.untold()), (Leave::Tell, 0));
    }

    #[test]
    fn who_speaks_slowly_is_always_heard() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);

        assert!((0..5000).all(|n| allowance.ask(start + Duration::from_millis(20 * n)) == Leave::Tell));
    }
}
