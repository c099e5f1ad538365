//! Measures the orchestrator with no-op jobs, beside Celery on the same machine, the same Redis and in the same run.
//!
//! `make bench` builds what this needs and runs it. It prints what it measured and judges nothing.

mod celery;
mod orchestrator;
mod table;

use rig::{Durability, Redis};

/// No-op jobs for the throughput; jobs one by one for the latency; rounds of everything.
const JOBS: usize = 5_000;
const SAMPLES: usize = 500;
const ROUNDS: usize = 3;

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
    let mut rows = Vec::new();
    for (durability, name) in [(Durability::None, "none"), (Durability::EverySecond, "everysec")] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            eprintln!("append-only file: {name}; round {round} of {ROUNDS}");
            ours.push(orchestrator::measure(&Redis::with(durability), JOBS, SAMPLES));
            theirs.push(celery::measure(&Redis::with(durability), JOBS, SAMPLES));
        }
        rows.push(table::Row { append_only: name, relevo: table::median(ours), celery: table::median(theirs) });
    }
    println!("{}", table::render(&rows, JOBS, SAMPLES, ROUNDS));
}
