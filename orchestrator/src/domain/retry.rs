//! How long to wait before the next attempt, and what a failure means where a blueprint says nothing about it.

use super::task::{DISPATCH_TIMEOUT, REJECTED};

/// Times a task is run again when its state has neither `Retry` nor `Catch`.
pub const DEFAULT_RETRIES: u32 = 3;

/// The longest a retry is put off, in seconds, whatever a blueprint says: one year.
const LONGEST_SECONDS: f64 = 31_622_400.0;

/// How the waits between attempts grow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Seconds before the first retry.
    pub interval_seconds: f64,
    /// What each further wait is multiplied by.
    pub rate: f64,
    /// No wait is longer than this many seconds.
    pub max_seconds: Option<f64>,
    /// Whether waits are spread at random, so that what failed together does not come back together.
    pub jitter: Jitter,
}

/// How waits are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Evenly between nothing and the whole wait.
    Full,
}

/// The backoff of the default policy: at most 2, 4 and 8 seconds.
pub const DEFAULT_BACKOFF: Backoff =
    Backoff { interval_seconds: 2.0, rate: 2.0, max_seconds: Some(60.0), jitter: Jitter::Full };

impl Backoff {
    /// Milliseconds to wait after `retries` earlier ones, with `random` in `[0, 1)`.
    ///
    /// `interval · rate^retries`, cut at the maximum, then times `random` under full jitter; see Brooker,
    /// "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
    #[must_use]
    pub fn delay_ms(&self, retries: u32, random: f64) -> u64 {
        let grown = self.interval_seconds * self.rate.powf(f64::from(retries));
        let cut = grown.min(self.max_seconds.unwrap_or(LONGEST_SECONDS)).min(LONGEST_SECONDS);
        let spread = match self.jitter {
            Jitter::None => cut,
            Jitter::Full => cut * random,
        };
        // A float is cast with saturation, and the cut keeps it far below the end of u64.
        (spread * 1000.0).round() as u64
    }
}

/// What becomes of a task whose blueprint has no answer to its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It runs again after so many milliseconds.
    RetryIn(u64),
    /// The job is kept whole, to be looked at and resumed by a person.
    Quarantine,
    /// The job has failed: the same input would fail again.
    Fail,
}

/// Says what `error` means once a state's own `Retry` and `Catch` have let it pass.
///
/// `retries` is how often the default policy has retried already; `None` where the state has a `Retry` or `Catch`
/// of its own, because then the blueprint's author has thought about errors and nothing is retried behind their back.
#[must_use]
pub fn by_default(error: &str, retries: Option<u32>, random: f64) -> Verdict {
    match error {
        "Worker.Transient" | "Worker.ResourceExhausted" | "States.HeartbeatTimeout" => match retries {
            Some(done) if done < DEFAULT_RETRIES => Verdict::RetryIn(DEFAULT_BACKOFF.delay_ms(done, random)),
            _ => Verdict::Quarantine,
        },
        "Worker.InvalidInput" | DISPATCH_TIMEOUT | REJECTED => Verdict::Fail,
        "States.Timeout" | "States.TaskFailed" => Verdict::Quarantine,
        // The machine itself could not go on.
        _ if error.starts_with("States.") => Verdict::Fail,
        // Also an outcome that no state expects: the blueprint is at fault, so nothing is thrown away.
        _ => Verdict::Quarantine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum() {
        let backoff = Backoff { interval_seconds: 1.0, rate: 2.0, max_seconds: Some(5.0), jitter: Jitter::None };

        let waits: Vec<u64> = (0..5).map(|retries| backoff.delay_ms(retries, 0.9)).collect();

        assert_eq!(waits, [1000, 2000, 4000, 5000, 5000]);
    }

    #[test]
    fn full_jitter_takes_any_part_of_the_wait() {
        assert_eq!(DEFAULT_BACKOFF.delay_ms(0, 0.0), 0);
        assert_eq!(DEFAULT_BACKOFF.delay_ms(1, 0.5), 2000);
        assert_eq!(DEFAULT_BACKOFF.delay_ms(30, 0.5), 30_000);
    }

    #[test]
    fn a_huge_number_of_retries_stays_in_range() {
        let endless = Backoff { interval_seconds: 9e7, rate: 1e6, max_seconds: None, jitter: Jitter::None };

        assert_eq!(endless.delay_ms(u32::MAX, 0.5), 31_622_400_000);
    }

    #[test]
    fn transient_failures_are_retried_three_times_then_quarantined() {
        for error in ["Worker.Transient", "Worker.ResourceExhausted", "States.HeartbeatTimeout"] {
            assert_eq!(by_default(error, Some(2), 0.5), Verdict::RetryIn(4000), "{error}");
            assert_eq!(by_default(error, Some(3), 0.5), Verdict::Quarantine, "{error}");
        }
    }

    #[test]
    fn a_state_with_a_policy_of_its_own_gets_no_default_retries() {
        assert_eq!(by_default("Worker.Transient", None, 0.5), Verdict::Quarantine);
    }

    #[test]
    fn what_would_fail_again_fails_and_what_a_person_can_mend_is_quarantined() {
        let told = |error| by_default(error, Some(0), 0.5);

        assert_eq!(told("Worker.InvalidInput"), Verdict::Fail);
        assert_eq!(told("States.ParameterPathFailure"), Verdict::Fail);
        assert_eq!(told("Worker.Permanent"), Verdict::Quarantine);
        assert_eq!(told("States.Timeout"), Verdict::Quarantine);
        assert_eq!(told("Outcome.needs_review"), Verdict::Quarantine);
        assert_eq!(told("SomethingElse"), Verdict::Quarantine);
    }
}
