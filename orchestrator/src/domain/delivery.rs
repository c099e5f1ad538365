//! What becomes of a webhook after an attempt to deliver it.

use relevo_shared::webhook::DeliveryState;

use super::retry::{Backoff, Jitter};

/// Attempts before a delivery is given up.
pub const MOST_ATTEMPTS: u32 = 12;
/// A delivery is given up at this age, in milliseconds: one day.
pub const DAY_MS: u64 = 24 * 3600 * 1000;
/// No wait is longer than this many seconds.
const LONGEST_WAIT: f64 = 12.0 * 3600.0;

/// The waits between attempts: at most so many seconds at first, then three times as many each time, up to twelve hours.
/// Each is drawn at random from the whole span; with 5 seconds at first they fill a day.
#[must_use]
pub const fn backoff(first_seconds: f64) -> Backoff {
    Backoff { interval_seconds: first_seconds, rate: 3.0, max_seconds: Some(LONGEST_WAIT), jitter: Jitter::Full }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The receiver answered.
    Answered {
        /// With this status.
        status: u16,
        /// And asked to be left alone for so many milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// No answer came.
    Failed,
    /// The address is not one that may be called; nothing was sent.
    Refused,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try again in so many milliseconds.
    RetryIn(u64),
    /// Nothing: this is the end.
    Over(DeliveryState),
}

impl Verdict {
    /// How the delivery stands now.
    #[must_use]
    pub const fn state(self) -> DeliveryState {
        match self {
            Self::RetryIn(_) => DeliveryState::Pending,
            Self::Over(state) => state,
        }
    }
}

/// Says what an attempt means for its delivery: the `tries`th since the delivery began `age_ms` ago, with `random` in
/// `[0, 1)`.
#[must_use]
pub fn after_attempt(ending: Ending, tries: u32, age_ms: u64, backoff: &Backoff, random: f64) -> Verdict {
    let asked_for = match ending {
        Ending::Answered { status: 200..=299, .. } => return Verdict::Over(DeliveryState::Delivered),
        Ending::Answered { status: 410, .. } => return Verdict::Over(DeliveryState::Gone),
        Ending::Refused => return Verdict::Over(DeliveryState::Refused),
        Ending::Answered { status: 429 | 503, retry_after_ms } => retry_after_ms.unwrap_or(0),
        Ending::Answered { .. } | Ending::Failed => 0,
    };
    if MOST_ATTEMPTS <= tries || DAY_MS <= age_ms {
        return Verdict::Over(DeliveryState::Dead);
    }
    // The last attempt falls on the end of the day at the latest.
    Verdict::RetryIn(backoff.delay_ms(tries.saturating_sub(1), random).max(asked_for).min(DAY_MS - age_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITS: Backoff = backoff(5.0);

    fn answered(status: u16) -> Ending {
        Ending::Answered { status, retry_after_ms: None }
    }

    #[test]
    fn a_success_and_a_410_end_it_for_good() {
        assert_eq!(after_attempt(answered(204), 1, 0, &WAITS, 0.5), Verdict::Over(DeliveryState::Delivered));
        assert_eq!(after_attempt(answered(410), 1, 0, &WAITS, 0.5), Verdict::Over(DeliveryState::Gone));
        assert_eq!(after_attempt(Ending::Refused, 1, 0, &WAITS, 0.5), Verdict::Over(DeliveryState::Refused));
    }

    #[test]
    fn anything_else_is_tried_again_ever_later() {
        for ending in [answered(302), answered(404), answered(500), Ending::Failed] {
            assert_eq!(after_attempt(ending, 1, 0, &WAITS, 0.5), Verdict::RetryIn(2_500), "{ending:?}");
            assert_eq!(after_attempt(ending, 3, 0, &WAITS, 0.5), Verdict::RetryIn(22_500), "{ending:?}");
            assert_eq!(after_attempt(ending, 11, 0, &WAITS, 0.5), Verdict::RetryIn(21_600_000), "{ending:?}");
        }
    }

    #[test]
    fn twelve_attempts_or_a_day_are_enough() {
        assert_eq!(after_attempt(Ending::Failed, 12, 0, &WAITS, 0.5), Verdict::Over(DeliveryState::Dead));
        assert_eq!(after_attempt(Ending::Failed, 2, DAY_MS, &WAITS, 0.5), Verdict::Over(DeliveryState::Dead));
        assert_eq!(after_attempt(Ending::Failed, 11, DAY_MS - 1000, &WAITS, 0.5), Verdict::RetryIn(1000));
    }

    #[test]
    fn the_mean_waits_fill_most_of_a_day() {
        let mean: u64 = (0..MOST_ATTEMPTS - 1).map(|retries| WAITS.delay_ms(retries, 0.5)).sum();

        assert!((DAY_MS * 3 / 4..=DAY_MS).contains(&mean), "{mean}");
    }

    #[test]
    fn a_receiver_that_names_a_time_is_left_alone_until_then() {
        let asks = |status| Ending::Answered { status, retry_after_ms: Some(60_000) };

        assert_eq!(after_attempt(asks(429), 1, 0, &WAITS, 0.5), Verdict::RetryIn(60_000));
        assert_eq!(after_attempt(asks(503), 1, 0, &WAITS, 0.5), Verdict::RetryIn(60_000));
        assert_eq!(after_attempt(asks(500), 1, 0, &WAITS, 0.5), Verdict::RetryIn(2_500));
        assert_eq!(after_attempt(asks(429), 11, 0, &WAITS, 0.5), Verdict::RetryIn(21_600_000));
    }
}
