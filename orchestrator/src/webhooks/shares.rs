//! How much each receiver, and each client, is given at once, so that one that is slow or dead costs the others nothing.
//!
//! Each replica keeps this for itself, in memory: it is a matter of manners, and no fact that must outlive anybody.

use std::{collections::HashMap, ops::RangeInclusive, time::Duration};

use tokio::time::Instant;
use tracing::{info, warn};

/// Failures in a row after which a host is left alone for a while.
const PATIENCE: u32 = 5;
/// How long it is left alone: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A delivery that finds its host busy is looked at again after this at the earliest, and at the latest.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(300);
/// Names that are kept in mind; above that, those that are well and idle are forgotten.
const MOST_NAMES: usize = 10_000;

/// Whether an attempt may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// Now.
    Now,
    /// Not before so long.
    Later(Duration),
}

/// What an attempt showed of the one that it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Showed {
    /// It answers.
    Well,
    /// It does not answer, or says that it cannot.
    Unwell,
    /// It asks to be left alone for so long.
    Busy(Duration),
    /// Nothing: it was not asked.
    Nothing,
}

/// How much each of those that were served lately may have at once.
#[derive(Debug)]
pub(super) struct Shares {
    /// Attempts that may be under way for one that is not known yet, and for one that has proven itself.
    window: RangeInclusive<u32>,
    by_name: HashMap<String, Share>,
}

#[derive(Debug)]
struct Share {
    under_way: u32,
    window: u32,
    /// In a row.
    failures: u32,
    /// Nothing is sent before this; after it one attempt at a time, until one succeeds.
    paused_until: Option<Instant>,
    /// How long an attempt takes, as a running mean.
    pace: Duration,
    /// Up to when those that wait have been given their turns.
    booked_until: Instant,
}

impl Shares {
    pub(super) fn new(window: RangeInclusive<u32>) -> Self {
        Self { window, by_name: HashMap::new() }
    }

    /// Asks to begin an attempt. Who is told `Now` must call [`Self::leave`] at its end.
    pub(super) fn enter(&mut self, name: &str, now: Instant) -> Entry {
        if self.by_name.len() >= MOST_NAMES {
            self.by_name.retain(|_, share| share.under_way > 0 || share.failures > 0);
        }
        let first = *self.window.start();
        let share = self.by_name.entry(name.to_owned()).or_insert_with(|| Share::new(first, now));
        match share.paused_until {
            Some(until) if now < until => return share.book(until, now),
            Some(_) if share.under_way > 0 => return share.book(now, now),
            None if share.under_way >= share.window => return share.book(now, now),
            _ => {}
        }
        share.under_way += 1;
        Entry::Now
    }

    /// Says that an attempt has ended.
    pub(super) fn leave(&mut self, name: &str, showed: Showed, took: Duration, now: Instant) {
        let Some(share) = self.by_name.get_mut(name) else { return };
        share.under_way = share.under_way.saturating_sub(1);
        if showed != Showed::Nothing {
            share.pace = (share.pace * 7 + took) / 8;
        }
        let pause = match showed {
            Showed::Nothing => return,
            Showed::Well => {
                if share.paused_until.take().is_some() {
                    info!(host = name, "a webhook receiver answers again");
                }
                share.failures = 0;
                share.window = (share.window + 1).min(*self.window.end());
                return;
            }
            Showed::Busy(pause) => pause.min(LONGEST_PAUSE),
            Showed::Unwell => {
                share.failures += 1;
                share.window = (share.window / 2).max(1);
                let Some(beyond) = share.failures.checked_sub(PATIENCE) else { return };
                FIRST_PAUSE.saturating_mul(1 << beyond.min(16)).min(LONGEST_PAUSE)
            }
        };
        if share.paused_until.is_none() {
            warn!(
                host = name,
                failures = share.failures,
                seconds = pause.as_secs(),
                "a webhook receiver is left alone"
            );
        }
        share.paused_until = Some(now + pause);
    }
}

impl Share {
    fn new(window: u32, now: Instant) -> Self {
        let pace = Duration::from_millis(100);
        Self { under_way: 0, window, failures: 0, paused_until: None, pace, booked_until: now }
    }

    /// Gives each that waits its own turn, as far apart as they are taken, so that a long row of them is not looked at
    /// again and again.
    fn book(&mut self, from: Instant, now: Instant) -> Entry {
        let turn = self.booked_until.max(from);
        let wait = turn.saturating_duration_since(now);
        if wait < LATEST {
            self.booked_until = turn + self.pace / self.window;
        }
        Entry::Later(wait.clamp(SOONEST, LATEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(50);

    fn fail(hosts: &mut Shares, times: u32, now: Instant) {
        for _ in 0..times {
            assert_eq!(hosts.enter("dead", now), Entry::Now);
            hosts.leave("dead", Showed::Unwell, QUICK, now);
        }
    }

    #[test]
    fn a_host_that_is_not_known_gets_two_at_once_and_a_good_one_more() {
        let (mut hosts, now) = (Shares::new(2..=16), Instant::now());
        let at_once = |hosts: &mut Shares| {
            let begun = (0..100).filter(|_| hosts.enter("new", now) == Entry::Now).count();
            (0..begun).for_each(|_| hosts.leave("new", Showed::Well, QUICK, now));
            begun
        };

        assert_eq!(at_once(&mut hosts), 2);
        assert_eq!(at_once(&mut hosts), 4);
        assert_eq!(at_once(&mut hosts), 8);
        assert_eq!(at_once(&mut hosts), 16);
        assert_eq!(at_once(&mut hosts), 16);
    }

    #[test]
    fn nobody_gets_more_than_the_widest_window() {
        let (mut clients, now) = (Shares::new(64..=64), Instant::now());

        let begun = (0..100).filter(|_| clients.enter("greedy", now) == Entry::Now).count();

        assert_eq!(begun, 64);
        assert_eq!(clients.enter("modest", now), Entry::Now);
        clients.leave("greedy", Showed::Nothing, QUICK, now);
        assert_eq!(clients.enter("greedy", now), Entry::Now);
    }

    #[test]
    fn a_dead_host_is_left_alone_and_then_tried_once() {
        let (mut hosts, now) = (Shares::new(2..=16), Instant::now());

        fail(&mut hosts, 5, now);

        assert_eq!(hosts.enter("dead", now), Entry::Later(FIRST_PAUSE));
        let after = now + FIRST_PAUSE;
        assert_eq!(hosts.enter("dead", after), Entry::Now);
        assert_ne!(hosts.enter("dead", after), Entry::Now, "only one tries");
        hosts.leave("dead", Showed::Unwell, QUICK, after);
        assert_ne!(hosts.enter("dead", after + FIRST_PAUSE), Entry::Now, "the second pause is longer");
        assert_eq!(hosts.enter("dead", after + FIRST_PAUSE * 2), Entry::Now);
        hosts.leave("dead", Showed::Well, QUICK, after);
        assert_eq!(hosts.enter("dead", after), Entry::Now);
        assert_eq!(hosts.enter("healthy", now), Entry::Now);
    }

    #[test]
    fn no_pause_is_longer_than_five_minutes() {
        let (mut hosts, mut now) = (Shares::new(2..=16), Instant::now());
        for _ in 0..100 {
            fail(&mut hosts, 1, now);
            now += LONGEST_PAUSE;
        }

        fail(&mut hosts, 1, now);
        assert_eq!(hosts.enter("dead", now + LONGEST_PAUSE), Entry::Now);
    }

    #[test]
    fn those_that_wait_are_spread_over_the_time_that_they_take() {
        let (mut hosts, now) = (Shares::new(2..=16), Instant::now());
        let waits: Vec<Duration> = (0..1000)
            .filter_map(|_| match hosts.enter("slow", now) {
                Entry::Now => None,
                Entry::Later(wait) => Some(wait),
            })
            .collect();

        assert_eq!(waits.len(), 998);
        // A tenth of a second each, two at a time.
        assert!((49..=51).contains(&waits.last().unwrap().as_secs()), "{waits:?}");
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn a_host_that_asks_for_time_gets_it() {
        let (mut hosts, now) = (Shares::new(2..=16), Instant::now());
        hosts.enter("busy", now);

        hosts.leave("busy", Showed::Busy(Duration::from_secs(20)), QUICK, now);

        assert_eq!(hosts.enter("busy", now), Entry::Later(Duration::from_secs(20)));
        assert_eq!(hosts.enter("busy", now + Duration::from_secs(20)), Entry::Now);
    }
}
