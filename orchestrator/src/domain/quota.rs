//! How much a client may take: rates and quotas.

use serde::{Deserialize, Serialize};

/// Limits of a client. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Requests that it may send in a second, for as long as it likes.
    pub requests_per_second: Option<f64>,
    /// Requests that it may send at once after a pause; as many as in one second when absent.
    pub burst: Option<u32>,
    /// Unfinished jobs that it may have.
    pub max_open_jobs: Option<u64>,
    /// Jobs that it may create in one day of UTC.
    pub jobs_per_day: Option<u64>,
    /// Tasks of its jobs that may run at the same time.
    pub max_concurrent_tasks: Option<u32>,
}

impl Plan {
    /// This plan, with another one's limits where it has none.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            requests_per_second: self.requests_per_second.or(other.requests_per_second),
            burst: self.burst.or(other.burst),
            max_open_jobs: self.max_open_jobs.or(other.max_open_jobs),
            jobs_per_day: self.jobs_per_day.or(other.jobs_per_day),
            max_concurrent_tasks: self.max_concurrent_tasks.or(other.max_concurrent_tasks),
        }
    }

    /// How fast requests may come; `None` for as fast as they like.
    #[must_use]
    pub fn rate(&self) -> Option<Rate> {
        self.requests_per_second.map(|per_second| Rate::new(per_second, self.burst))
    }

    /// What is wrong with it: the name of a limit, and what would be right.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if let Some(rate) = self.requests_per_second
            && !Rate::ALLOWED.contains(&rate)
        {
            let (least, most) = (Rate::ALLOWED.start(), Rate::ALLOWED.end());
            faults.push(("requests_per_second", format!("is {rate}, but must be {least} to {most}")));
        }
        let numbers = [
            ("burst", self.burst.map(u64::from)),
            ("max_open_jobs", self.max_open_jobs),
            ("jobs_per_day", self.jobs_per_day),
            ("max_concurrent_tasks", self.max_concurrent_tasks.map(u64::from)),
        ];
        let noughts = numbers.into_iter().filter(|(_, number)| *number == Some(0));
        faults.extend(noughts.map(|(name, _)| (name, "is 0; leave it out for no limit".to_owned())));
        faults
    }
}

/// A steady rate and how far one may run ahead of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds from one request to the next.
    pub interval_us: u64,
    /// Requests that may come at once.
    pub burst: u32,
}

impl Rate {
    /// Rates that can be counted in whole microseconds without much error.
    pub const ALLOWED: std::ops::RangeInclusive<f64> = 0.001..=100_000.0;

    /// So many requests in a second, and so many at once; without a number, those of one second.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
    pub fn new(per_second: f64, burst: Option<u32>) -> Self {
        let per_second = per_second.clamp(*Self::ALLOWED.start(), *Self::ALLOWED.end());
        let interval_us = (1e6 / per_second).round() as u64;
        Self { interval_us, burst: burst.unwrap_or(per_second.ceil() as u32).max(1) }
    }

    /// Seconds in which a whole burst comes back, rounded up.
    #[must_use]
    pub const fn window_s(self) -> u64 {
        (self.interval_us * self.burst as u64).div_ceil(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_the_limits_of_its_plan_where_it_has_none_of_its_own() {
        let plan = Plan { requests_per_second: Some(10.0), burst: Some(30), jobs_per_day: Some(5), ..Plan::default() };
        let own = Plan { burst: Some(2), max_open_jobs: Some(7), ..Plan::default() };

        let merged = own.or(&plan);

        assert_eq!(merged.rate(), Some(Rate { interval_us: 100_000, burst: 2 }));
        assert_eq!((merged.max_open_jobs, merged.jobs_per_day, merged.max_concurrent_tasks), (Some(7), Some(5), None));
    }

    #[test]
    fn a_rate_without_a_burst_takes_the_requests_of_one_second_at_once() {
        assert_eq!(Rate::new(2.5, None), Rate { interval_us: 400_000, burst: 3 });
        assert_eq!(Rate::new(0.01, None).burst, 1);
        assert_eq!(Rate::new(0.5, Some(4)).window_s(), 8);
        assert_eq!(Plan::default().rate(), None);
    }

    #[test]
    fn every_limit_that_makes_no_sense_is_named() {
        let plan = Plan {
            requests_per_second: Some(f64::NAN),
            burst: Some(0),
            max_open_jobs: Some(0),
            jobs_per_day: Some(0),
            max_concurrent_tasks: Some(0),
        };

        let names: Vec<_> = plan.faults().into_iter().map(|(name, _)| name).collect();

        assert_eq!(names, ["requests_per_second", "burst", "max_open_jobs", "jobs_per_day", "max_concurrent_tasks"]);
        assert_eq!(Plan { requests_per_second: Some(0.5), ..Plan::default() }.faults(), []);
    }
}
