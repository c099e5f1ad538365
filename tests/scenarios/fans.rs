//! Fan-outs as clients and workers see them.

use relevo_shared::{job::JobState, worker::Task};
use rig::{Relevo, SOON, until};
use serde_json::{Value, json};

fn numbers(tasks: &[Task]) -> Vec<i64> {
    let mut numbers: Vec<i64> = tasks.iter().filter_map(|task| task.params["number"].as_i64()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn each_item_is_a_task_and_their_outputs_come_in_order() {
    let relevo = Relevo::dev();
    let (hand, sum) = (relevo.hand("hand", &["hand"]), relevo.hand("sum", &["sum"]));
    let id = relevo.api().create("jobs/fan", &json!({ "numbers": [10, 20, 30] }));

    let mut tasks: Vec<Task> = (0..3).map(|_| hand.claim()).collect();
    assert_eq!(numbers(&tasks), [10, 20, 30]);
    tasks.reverse();
    for task in &tasks {
        let double = task.params["number"].as_i64().expect("a number") * 2;
        assert_eq!(hand.succeed(task, &json!({ "double": double })).status, 200);
    }

    let last = sum.claim();
    assert_eq!(
        Value::Object(last.params.clone()),
        json!({ "results": [{ "double": 20 }, { "double": 40 }, { "double": 60 }] })
    );
    assert_eq!(sum.succeed(&last, &json!({ "sum": 120 })).status, 200);
    assert_eq!(relevo.api().wait(&id, JobState::Completed).result, Some(json!({ "sum": 120 })));
}

#[test]
fn no_more_tasks_are_out_than_run_at_once() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("hand", &["hand"]);
    let _id = relevo.api().create("jobs/fan", &json!({ "numbers": [1, 2, 3], "at_once": 1 }));

    for number in 1..=3 {
        let task = hand.claim();
        assert_eq!(task.params["number"], number);
        assert!(hand.poll(0).is_none(), "one at a time");
        assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    }
}

#[test]
fn a_failed_item_stops_the_others_unless_it_is_tolerated() {
    let relevo = Relevo::dev();
    let (hand, sum) = (relevo.hand("hand", &["hand"]), relevo.hand("sum", &["sum"]));
    let strict = relevo.api().create("jobs/fan", &json!({ "numbers": [1, 2] }));
    let (first, second) = (hand.claim(), hand.claim());
    assert_eq!(hand.fail(&first, "PERMANENT").status, 200);

    relevo.api().wait(&strict, JobState::Quarantined);
    until("the other task to be cancelled", SOON, || {
        hand.beat(&[&second]).cancelled_task_ids.contains(&second.task_id.to_string()).then_some(())
    });
    assert_eq!(hand.succeed(&second, &json!({})).status, 409);

    let lenient = relevo.api().create("jobs/fan", &json!({ "numbers": [1, 2], "may_fail": 1 }));
    let (first, second) = (hand.claim(), hand.claim());
    assert_eq!(hand.fail(&first, "PERMANENT").status, 200);
    assert_eq!(hand.succeed(&second, &json!({ "ok": true })).status, 200);
    let last = sum.claim();
    assert_eq!(last.params["results"], json!([{ "ok": true }]));
    assert_eq!(sum.succeed(&last, &json!({})).status, 200);
    relevo.api().wait(&lenient, JobState::Completed);
}

#[test]
fn a_job_waits_for_its_child_and_hears_how_it_ended() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("hand", &["hand"]);
    let good = relevo.api().create("jobs/family", &json!({}));
    let task = hand.claim();
    assert_ne!(task.job_id.to_string(), good, "the task is the child's");
    let child = relevo.api().job(&task.job_id.to_string());
    assert_eq!((child.blueprint_name.as_str(), child.parent.as_deref()), ("by_hand", Some(good.as_str())));

    assert_eq!(hand.succeed(&task, &json!({ "n": 1 })).status, 200);
    assert_eq!(relevo.api().wait(&good, JobState::Completed).result, Some(json!({ "n": 1 })));

    let bad = relevo.api().create("jobs/family", &json!({}));
    assert_eq!(hand.fail(&hand.claim(), "INVALID_INPUT").status, 200);
    let result = relevo.api().wait(&bad, JobState::Completed).result.expect("it has one");
    assert!(result["why"].as_str().is_some_and(|why| why.contains("failed: Worker.InvalidInput")), "{result}");
}

#[test]
fn a_child_whose_dataset_is_unknown_fails_its_parent() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/reads_elsewhere", &json!({ "dataset_id": "nowhere" }));

    let error = relevo.api().wait(&id, JobState::Failed).error.expect("it says why");

    assert_eq!(error.code, "Worker.InvalidInput");
    assert_eq!(error.details[0].field, "initial_data.dataset_id");
}

#[test]
fn cancelling_a_job_reaches_its_child() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("hand", &["hand"]);
    let id = relevo.api().create("jobs/family", &json!({}));
    let task = hand.claim();

    let answer = relevo.api().post(&format!("/api/v1/jobs/{id}/cancel"), &json!({}));

    assert_eq!(answer.status, 200, "{}", answer.text());
    relevo.api().wait(&id, JobState::Cancelled);
    until("the child's worker to hear of it", SOON, || {
        hand.beat(&[&task]).cancelled_task_ids.contains(&task.task_id.to_string()).then_some(())
    });
    assert_eq!(hand.result(&task, &json!({ "status": "cancelled" })).status, 200);
    relevo.api().wait(&task.job_id.to_string(), JobState::Cancelled);
}
