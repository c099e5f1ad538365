//! Measures the orchestrator with no-op jobs, beside Celery on the same machine, the same Redis and in the same run.
//!
//! `make bench` builds what this needs and runs it. It prints what it measured and judges nothing.

mod celery;
mod orchestrator;
mod table;

use rig::{Durability, Redis};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// No-op jobs for the throughput.
    pub(crate) jobs: usize,
    /// Jobs one by one for the latency.
    pub(crate) samples: usize,
    /// Rounds of everything.
    pub(crate) rounds: usize,
}

impl Plan {
    /// Up to three numbers on the command line stand for jobs, samples and rounds.
    fn read() -> Self {
        let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
        let mut next = |usual| numbers.next().unwrap_or(usual);
        Self { jobs: next(5_000), samples: next(500), rounds: next(3) }
    }
}

/// What one system did in one round.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// Jobs a second, from the first submission to the last completion, with the worker running all the while.
    pub(crate) jobs_per_second: f64,
    /// Milliseconds from the submission of a job to the moment at which an idle worker has it, sorted.
    pub(crate) latencies_ms: Vec<f64>,
    /// Commands that Redis executed for each job of the throughput, those inside scripts included.
    pub(crate) commands_per_job: f64,
    /// Scripts among them.
    pub(crate) scripts_per_job: f64,
}

fn main() {
    // `cargo test --all-targets` runs benchmarks too, to see that they start; this one takes minutes.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let plan = Plan::read();
    let mut rows = Vec::new();
    for (durability, name) in [(Durability::None, "none"), (Durability::EverySecond, "everysec")] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=plan.rounds {
            eprintln!("append-only file: {name}; round {round} of {}", plan.rounds);
            ours.push(orchestrator::measure(&Redis::with(durability), plan));
            theirs.push(celery::measure(&Redis::with(durability), plan));
        }
        rows.push(table::Row { append_only: name, relevo: table::median(ours), celery: table::median(theirs) });
    }
    println!("{}", table::render(&rows, plan));
}
