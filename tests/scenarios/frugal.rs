//! What a job costs Redis, counted by Redis itself.

use relevo_shared::job::JobState;
use rig::{Relevo, Worker, calls, forget_calls};
use serde_json::json;

const JOBS: u64 = 200;
/// Submit, claim, complete, advance.
const SCRIPTS_PER_JOB: u64 = 4;
/// Submitted, leased, completed.
const EVENTS_PER_JOB: u64 = 3;
/// Scripts of heartbeats and of the slow poll behind the messages, which come with time and not with jobs.
const HEARTBEATS: u64 = JOBS / 4;

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

    let ids: Vec<String> = (0..JOBS).map(|_| run_one()).collect();

    let calls = calls(&mut redis);
    let called = |name: &str| calls.get(name).copied().unwrap_or_default();
    // The scripts that an orchestrator runs whether there are jobs or not each read one range of scores; no other does.
    let scripts = called("evalsha") - called("zrangebyscore");
    assert!(scripts <= SCRIPTS_PER_JOB * JOBS + HEARTBEATS, "{scripts} script calls for {JOBS} jobs: {calls:?}");
    assert!(scripts >= 3 * JOBS, "{scripts} script calls for {JOBS} jobs cannot be all of them: {calls:?}");
    // For its task, for its end, and now and then for nobody: a job that tells nothing costs no more than that for those who watch.
    let published = called("publish");
    assert!(published <= 2 * JOBS + HEARTBEATS, "{published} messages for {JOBS} jobs: {calls:?}");
    assert_eq!(called("xadd"), EVENTS_PER_JOB * JOBS, "{calls:?}");
    for costly in ["eval", "scan", "keys", "smembers", "sort"] {
        assert!(!calls.contains_key(costly), "'{costly}' was called: {calls:?}");
    }
    for id in ids {
        relevo.api().wait(&id, JobState::Completed);
    }
}
