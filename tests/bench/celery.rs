//! Celery under the same load: prefork with two processes, Redis as broker and as result backend.

use std::process::Command;

use rig::{Redis, calls, forget_calls, repository};
use serde_json::Value;

use crate::{Measured, Plan};

#[expect(clippy::cast_precision_loss, reason = "counts here are small")]
pub(crate) fn measure(redis: &Redis, plan: Plan) -> Measured {
    let mut connection = redis.connection();
    let whole = run(redis, plan.jobs, plan.samples);
    forget_calls(&mut connection);
    // Commands are counted in a run of their own, without the latency's jobs.
    run(redis, plan.jobs, 0);
    let calls = calls(&mut connection);

    let latencies = whole["latencies_ms"].as_array().expect("the driver prints a list");
    let mut latencies_ms: Vec<f64> = latencies.iter().map(|ms| ms.as_f64().expect("of numbers")).collect();
    latencies_ms.sort_by(f64::total_cmp);
    Measured {
        jobs_per_second: whole["jobs_per_second"].as_f64().expect("the driver prints a number"),
        latencies_ms,
        commands_per_job: calls.values().sum::<u64>() as f64 / plan.jobs as f64,
        scripts_per_job: calls.get("evalsha").copied().unwrap_or_default() as f64 / plan.jobs as f64,
    }
}

/// Runs the driver, which starts a worker of its own and ends it.
fn run(redis: &Redis, jobs: usize, samples: usize) -> Value {
    let output = Command::new("python3")
        .arg(repository().join("tests/bench/celery_noop.py"))
        .args([&redis.url(), &jobs.to_string(), &samples.to_string()])
        .output()
        .expect("python3 starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "celery_noop.py failed (run 'make bench', which installs Celery): {errors}");
    serde_json::from_slice(&output.stdout).expect("the driver prints JSON")
}
