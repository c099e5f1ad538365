//! Leases: one worker holds a task at a time, and a worker that is gone does not keep it.

use std::time::Duration;

use relevo_shared::job::JobState;
use rig::{Relevo, SOON, Worker, until};
use serde_json::json;

#[test]
fn a_killed_workers_task_runs_again() {
    let relevo = Relevo::dev();
    let mut first = Worker::start(&relevo, "first");
    let id = relevo.api().create("jobs/sleep", &json!({ "seconds": 600 }));
    // A task that was told of counts as begun: it is lost with its worker, not merely unconfirmed.
    until("the first sign of progress", SOON, || (relevo.api().job(&id).progress > 0.0).then_some(()));

    first.process().sigkill();

    let second = relevo.hand("second", &["sleep"]);
    let task = second.claim();
    assert_eq!((task.job_id.to_string(), task.attempt), (id.clone(), 2));
    assert_eq!(second.succeed(&task, &json!({ "slept_by": "second" })).status, 200);
    assert_eq!(relevo.api().wait(&id, JobState::Completed).result, Some(json!({ "slept_by": "second" })));
}

#[test]
fn late_result_is_refused() {
    let relevo = Relevo::dev();
    let (slow, quick) = (relevo.hand("slow", &["hand"]), relevo.hand("quick", &["hand"]));
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let lost = slow.claim();
    // No heartbeat comes: the lease runs out, and the other worker gets the task.
    let won = quick.claim();
    assert_eq!(won.job_id, lost.job_id);
    assert!(won.lease_token > lost.lease_token || won.task_id != lost.task_id);

    let refusal = slow.succeed(&lost, &json!({ "by": "slow" })).refusal(409);

    assert_eq!(refusal.code, "lease_lost");
    assert_eq!(slow.report(&lost, 0.9, "nearly").json()["cancelled"], true);
    assert_eq!(quick.succeed(&won, &json!({ "by": "quick" })).json(), json!({ "status": "result_accepted_success" }));
    assert_eq!(relevo.api().wait(&id, JobState::Completed).result, Some(json!({ "by": "quick" })));
    assert_eq!(slow.succeed(&lost, &json!({ "by": "slow" })).refusal(409).code, "lease_lost");
    assert_eq!(relevo.api().job(&id).result, Some(json!({ "by": "quick" })));
}

#[test]
fn a_repeated_result_changes_nothing() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("stutterer", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();
    assert_eq!(hand.succeed(&task, &json!({ "n": 1 })).status, 200);

    let repeat = hand.succeed(&task, &json!({ "n": 1 }));
    let other = hand.succeed(&task, &json!({ "n": 2 }));

    assert_eq!((repeat.status.as_u16(), repeat.json()), (200, json!({ "status": "result_ignored_duplicate" })));
    assert_eq!(other.refusal(409).code, "lease_lost");
    assert_eq!(relevo.api().wait(&id, JobState::Completed).result, Some(json!({ "n": 1 })));
}

#[test]
fn a_result_without_a_token_counts_while_its_worker_holds_the_lease() {
    let relevo = Relevo::dev();
    let (old, thief) = (relevo.hand("old-release", &["hand"]), relevo.hand("thief", &["hand"]));
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = old.claim();

    let stolen = thief.result(&task, &json!({ "lease_token": null, "data": { "by": "thief" } }));
    let own = old.result(&task, &json!({ "lease_token": null, "data": { "by": "old" } }));

    assert_eq!(stolen.refusal(409).code, "lease_lost");
    assert_eq!(own.status, 200);
    assert_eq!(relevo.api().wait(&id, JobState::Completed).result, Some(json!({ "by": "old" })));
}

#[test]
fn a_heartbeat_keeps_a_long_task() {
    let relevo = Relevo::dev();
    let (holder, other) = (relevo.hand("holder", &["hand"]), relevo.hand("other", &["hand"]));
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = holder.claim();

    // A lease lasts three seconds here: twice that passes, with the other worker asking all the time.
    for _ in 0..6 {
        assert!(holder.beat(&[&task]).cancel_task_ids.is_empty());
        assert!(other.poll(1).is_none(), "the task was given to another worker although its holder was alive");
    }

    assert_eq!(holder.succeed(&task, &json!({})).status, 200);
    relevo.api().wait_within(&id, JobState::Completed, Duration::from_secs(5));
}

#[test]
fn a_worker_that_lost_its_task_is_told_to_stop() {
    let relevo = Relevo::dev();
    let (slow, quick) = (relevo.hand("slow", &["hand"]), relevo.hand("quick", &["hand"]));
    let _id = relevo.api().create("jobs/by_hand", &json!({}));
    let lost = slow.claim();
    let _won = quick.claim();

    let reply = slow.beat(&[&lost]);

    assert_eq!(reply.cancel_task_ids, [lost.task_id.to_string()]);
}
