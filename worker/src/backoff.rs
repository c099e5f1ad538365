//! How long to wait before something is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Exponential delays with full jitter, so that workers which lost the same orchestrator do not return in step.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after one more failure: at least `asked`, when the other side asked for one.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let ceiling = ceiling(self.failures);
        self.failures = self.failures.saturating_add(1);
        asked.unwrap_or_default() + ceiling.mul_f64(fastrand::f64())
    }

    /// Forgets the failures: something worked.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The longest delay after so many failures in a row.
fn ceiling(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_limit() {
        let ceilings: Vec<_> = [0, 1, 2, 7, 40].map(|failures| ceiling(failures).as_millis()).into();

        assert_eq!(ceilings, [100, 200, 400, 5_000, 5_000]);
    }

    #[test]
    fn a_delay_that_was_asked_for_is_kept() {
        let asked = Duration::from_secs(3);

        assert!(Backoff::default().next(Some(asked)) >= asked);
    }
}
