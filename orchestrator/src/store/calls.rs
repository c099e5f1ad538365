//! Counts and times every call to Redis, by the name of its script or command.

use std::{borrow::Cow, time::Instant};

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use redis::{Arg, Cmd};

use super::script;

/// Seconds: from a script on the same machine to the time after which an answer is given up.
const BUCKETS: &[f64] = &[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

/// What is known of the calls of one process; clones count together.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    seconds: HistogramVec,
    errors: IntCounterVec,
}

impl Calls {
    pub(super) fn new() -> Self {
        let seconds = HistogramOpts::new("relevo_redis_call_seconds", "Calls to Redis, by script or command.");
        let errors = Opts::new("relevo_redis_errors_total", "Calls to Redis that gave no answer or an error.");
        Self {
            seconds: HistogramVec::new(seconds.buckets(BUCKETS.to_vec()), &["call"]).expect("the names are valid"),
            errors: IntCounterVec::new(errors, &["call"]).expect("the names are valid"),
        }
    }

    /// A call ended that began at this instant.
    pub(super) fn ended<T>(&self, name: &str, begun: Instant, answer: &redis::RedisResult<T>) {
        self.seconds.with_label_values(&[name]).observe(begun.elapsed().as_secs_f64());
        if answer.is_err() {
            self.errors.with_label_values(&[name]).inc();
        }
    }
}

impl Collector for Calls {
    fn desc(&self) -> Vec<&Desc> {
        [self.seconds.desc(), self.errors.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        [self.seconds.collect(), self.errors.collect()].concat()
    }
}

/// The name of a call: that of its script, or the command in small letters.
pub(super) fn name(command: &Cmd) -> Cow<'static, str> {
    let mut words = command.args_iter().map_while(|arg| match arg {
        Arg::Simple(word) => Some(String::from_utf8_lossy(word)),
        _ => None,
    });
    let first = words.next().unwrap_or_default();
    let script = (first == "EVALSHA").then(|| words.next()).flatten().and_then(|hash| script::name_of(&hash));
    script.map_or_else(|| first.to_ascii_lowercase().into(), Cow::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_called_by_its_name_and_not_by_its_hash() {
        let mut call = redis::cmd("EVALSHA");
        call.arg(script::CLAIM_TASKS.get_hash()).arg(0);

        assert_eq!(name(&call), "claim_tasks");
        assert_eq!(name(redis::cmd("HMGET").arg("a key")), "hmget");
    }
}
