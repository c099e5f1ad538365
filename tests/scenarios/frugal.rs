//! What a job costs Redis, counted by Redis itself.

use relevo_shared::job::JobState;
use rig::{Relevo, calls, forget_calls};
use serde_json::json;

#[test]
fn a_no_op_job_costs_at_most_four_scripts() {
    const JOBS: u64 = 100;
    let relevo = Relevo::dev();
    let hand = relevo.hand("counted", &["hand"]);
    let run_one = || {
        let id = relevo.api().create("jobs/by_hand", &json!({}));
        let task = hand.claim();
        assert_eq!(hand.succeed(&task, &json!({})).status, 200);
        id
    };
    // The first job loads the scripts.
    relevo.api().wait(&run_one(), JobState::Completed);
    let mut redis = relevo.redis();
    forget_calls(&mut redis);

    let ids: Vec<String> = (0..JOBS).map(|_| run_one()).collect();

    let calls = calls(&mut redis);
    let scripts = calls.get("evalsha").copied().unwrap_or_default();
    // The duties of the orchestrator run a script now and then; a fifth script per job would add a hundred.
    assert!(scripts <= 4 * JOBS + JOBS / 4, "{scripts} script calls for {JOBS} jobs: {calls:?}");
    assert!(scripts >= 3 * JOBS, "{scripts} script calls for {JOBS} jobs cannot be all of them: {calls:?}");
    for costly in ["eval", "scan", "keys", "smembers", "hgetall", "lrange", "sort"] {
        assert!(!calls.contains_key(costly), "'{costly}' was called: {calls:?}");
    }
    for id in ids {
        relevo.api().wait(&id, JobState::Completed);
    }
}
