//! What a job costs Redis, counted by Redis itself.

use std::time::{Duration, Instant};

use relevo_shared::job::JobState;
use rig::{Relevo, Worker, calls, forget_calls};
use serde_json::json;

const JOBS: u64 = 200;
/// Submit, claim, complete, advance.
const SCRIPTS_PER_JOB: u64 = 4;

#[test]
fn a_no_op_job_costs_at_most_four_scripts() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("counted", &["hand"]);

    count(&relevo, || {
        let id = relevo.api().create("jobs/by_hand", &json!({}));
        assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
        id
    });
}

#[test]
fn a_worker_that_waits_costs_no_more() {
    let relevo = Relevo::dev();
    let _worker = Worker::start(&relevo, "counted");

    count(&relevo, || {
        let id = relevo.api().create("jobs/echo", &json!({}));
        relevo.api().wait(&id, JobState::Completed);
        id
    });
}

/// Runs jobs one after another and fails when Redis counts more script calls than they may cost.
fn count(relevo: &Relevo, run_one: impl Fn() -> String) {
    // The first job loads the scripts.
    relevo.api().wait(&run_one(), JobState::Completed);
    let mut redis = relevo.redis();
    forget_calls(&mut redis);
    let began = Instant::now();

    let ids: Vec<String> = (0..JOBS).map(|_| run_one()).collect();

    let duties = scripts_of_duties(began.elapsed());
    let calls = calls(&mut redis);
    let scripts = calls.get("evalsha").copied().unwrap_or_default();
    assert!(duties < JOBS, "{:?} for {JOBS} jobs: too slow to tell a job's scripts from others", began.elapsed());
    assert!(scripts <= SCRIPTS_PER_JOB * JOBS + duties, "{scripts} script calls for {JOBS} jobs: {calls:?}");
    assert!(scripts >= 3 * JOBS, "{scripts} script calls for {JOBS} jobs cannot be all of them: {calls:?}");
    for costly in ["eval", "scan", "keys", "smembers", "sort"] {
        assert!(!calls.contains_key(costly), "'{costly}' was called: {calls:?}");
    }
    for id in ids {
        relevo.api().wait(&id, JobState::Completed);
    }
}

/// The scripts that the orchestrator runs by itself, whether there are jobs or not: two, five times a second, and one for
/// each heartbeat.
fn scripts_of_duties(time: Duration) -> u64 {
    (time.as_millis() / 200 + 1) as u64 * 2 + time.as_secs() + 1
}
