//! Draining: a worker that is told to stop finishes what it can and hands back the rest.

use relevo_shared::job::JobState;
use rig::{Relevo, SOON, Worker, until};
use serde_json::json;

#[test]
fn a_draining_worker_finishes_what_it_holds() {
    let relevo = Relevo::dev();
    let mut worker = Worker::start(&relevo, "leaving");
    let held = relevo.api().create("jobs/sleep", &json!({ "seconds": 2 }));
    until("the first sign of progress", SOON, || (relevo.api().job(&held).progress > 0.0).then_some(()));

    worker.process().sigterm();
    let next = relevo.api().create("jobs/sleep", &json!({ "seconds": 0 }));

    assert!(worker.process().ended(SOON).success(), "{}", worker.process().log());
    assert_eq!(relevo.api().job(&held).status, "completed");
    assert_eq!(relevo.api().job(&next).status, "pending", "a draining worker took a new task");
}

#[test]
fn a_drained_worker_hands_its_task_back() {
    let relevo = Relevo::dev();
    let mut worker = Worker::start_with(&relevo, "leaving", &[("RELEVO_DRAIN_SECONDS", "0")]);
    let id = relevo.api().create("jobs/sleep", &json!({ "seconds": 600 }));
    until("the first sign of progress", SOON, || (relevo.api().job(&id).progress > 0.0).then_some(()));

    worker.process().sigterm();

    assert!(worker.process().ended(SOON).success(), "{}", worker.process().log());
    let hand = relevo.hand("next", &["sleep"]);
    let task = hand.claim();
    assert_eq!(task.job_id.to_string(), id);
    assert_eq!(task.attempt, 1, "a task that was handed back has not failed");
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    relevo.api().wait(&id, JobState::Completed);
}
