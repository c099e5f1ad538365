//! How jobs end before their last state, and how they come back: cancellation, deadlines, approvals, retry.

use relevo_shared::job::JobState;
use rig::{Api, Relevo, SOON, Worker, until};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

fn act(api: &Api, id: &str, action: &str) -> rig::Answer {
    api.post(&format!("/api/v1/jobs/{id}/{action}"), &json!({}))
}

fn create(api: &Api, endpoint: &str, body: &Value) -> String {
    let answer = api.post(&format!("/api/v1/{endpoint}"), body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["job_id"].as_str().expect("it is accepted").to_owned()
}

fn events(api: &Api, id: &str) -> Vec<String> {
    let history = api.get(&format!("/api/v1/jobs/{id}/history")).json();
    let events = history.as_array().expect("history is a list").iter();
    events.filter_map(|event| event["event"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_pending_job_is_cancelled_at_once() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/by_hand", &json!({}));

    let answer = act(&relevo.api(), &id, "cancel");

    assert_eq!(answer.json(), json!({ "status": "cancellation_request_accepted", "job_id": id }));
    let job = relevo.api().job(&id);
    assert_eq!((job.status.as_str(), job.error.map(|error| error.code)), ("cancelled", Some("Cancelled".to_owned())));
    assert!(relevo.hand("late", &["hand"]).poll(0).is_none(), "its task is gone");
    let again = act(&relevo.api(), &id, "cancel").refusal(400);
    assert_eq!(again.error, "Cannot cancel cancelled job");
}

#[test]
fn a_running_job_is_cancelled_down_to_its_skill() {
    let relevo = Relevo::dev();
    let _worker = Worker::start(&relevo, "sleeper");
    let id = relevo.api().create("jobs/sleep", &json!({ "seconds": 600 }));
    until("the first sign of progress", SOON, || (relevo.api().job(&id).progress > 0.0).then_some(()));

    assert_eq!(act(&relevo.api(), &id, "cancel").status, 200);

    relevo.api().wait(&id, JobState::Cancelled);
    // The worker is free for the next one.
    let next = relevo.api().create("jobs/sleep", &json!({ "seconds": 0 }));
    relevo.api().wait(&next, JobState::Completed);
}

#[test]
fn a_worker_that_does_not_stop_loses_its_lease_after_the_grace() {
    let redis = rig::Redis::start();
    let relevo = Relevo::serve(&redis, &[("RELEVO_CANCEL_GRACE_SECONDS", "1")]);
    let hand = relevo.hand("stubborn", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();

    assert_eq!(act(&relevo.api(), &id, "cancel").status, 200);
    assert_eq!(hand.beat(&[&task]).cancelled_task_ids, [task.task_id.to_string()]);

    relevo.api().wait(&id, JobState::Cancelled);
    assert_eq!(hand.succeed(&task, &json!({})).refusal(409).code, "lease_lost");
    assert_eq!(relevo.api().job(&id).status, "cancelled");
}

#[test]
fn a_job_that_takes_too_long_is_ended() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("slow", &["hand"]);
    let id = create(&relevo.api(), "jobs/by_hand", &json!({ "result_timeout": 1 }));
    let task = hand.claim();
    assert!(task.deadline.is_some(), "its worker knows");

    let job = relevo.api().wait(&id, JobState::Failed);

    assert_eq!(job.error.expect("it says why").code, "States.Timeout");
    assert_eq!(hand.succeed(&task, &json!({})).status, 409);
}

#[test]
fn a_task_that_no_worker_takes_in_time_fails_its_job() {
    let relevo = Relevo::dev();

    let id = create(&relevo.api(), "jobs/by_hand", &json!({ "dispatch_timeout": 1 }));

    let job = relevo.api().wait(&id, JobState::Failed);
    assert_eq!(job.error.expect("it says why").code, "Dispatch.Timeout");
}

#[test]
fn a_job_that_is_put_off_starts_when_its_time_has_come() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("patient", &["hand"]);
    let at = OffsetDateTime::now_utc() + time::Duration::milliseconds(1500);
    let run_at = at.format(&Rfc3339).expect("an instant of today can be written");
    let id = create(&relevo.api(), "jobs/by_hand", &json!({ "run_at": run_at }));
    assert!(hand.poll(0).is_none(), "not yet");
    assert_eq!(relevo.api().job(&id).status, "pending");

    let task = hand.claim();

    assert_eq!(task.job_id.to_string(), id);
}

#[test]
fn a_job_that_is_put_off_may_begin_with_a_fan_out_and_have_another() {
    let relevo = Relevo::dev();
    let at = OffsetDateTime::now_utc() + time::Duration::milliseconds(500);
    let run_at = at.format(&Rfc3339).expect("an instant of today can be written");

    let body = json!({ "initial_data": { "numbers": [1, 2] }, "run_at": run_at });
    let id = create(&relevo.api(), "jobs/two_fans", &body);

    assert_eq!(relevo.api().wait(&id, JobState::Completed).result, Some(json!([1, 2])));
}

#[test]
fn an_unfinished_job_with_the_same_key_is_answered_instead_of_a_new_one() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("hand", &["hand"]);
    let body = json!({ "unique_key": "nightly" });
    let first = create(&relevo.api(), "jobs/by_hand", &body);

    let again = relevo.api().post("/api/v1/jobs/by_hand", &body);
    assert_eq!((again.status.as_u16(), again.json()), (200, json!({ "status": "exists", "job_id": first })));
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    relevo.api().wait(&first, JobState::Completed);

    assert_ne!(create(&relevo.api(), "jobs/by_hand", &body), first);
}

#[test]
fn a_job_is_not_retried_beside_another_with_its_key() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("hand", &["hand"]);
    let body = json!({ "unique_key": "nightly" });
    let first = create(&relevo.api(), "jobs/by_hand", &body);
    assert_eq!(hand.fail(&hand.claim(), "PERMANENT").status, 200);
    relevo.api().wait(&first, JobState::Quarantined);
    let second = create(&relevo.api(), "jobs/by_hand", &body);

    assert_eq!(act(&relevo.api(), &first, "retry").refusal(409).code, "not_unique");
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    relevo.api().wait(&second, JobState::Completed);
    assert_eq!(act(&relevo.api(), &first, "retry").status, 200);

    let again = relevo.api().post("/api/v1/jobs/by_hand", &body).json();
    assert_eq!(again, json!({ "status": "exists", "job_id": first }));
}

#[test]
fn jobs_with_the_same_concurrency_key_take_turns() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("hand", &["hand"]);
    let body = json!({ "concurrency_key": "teacher-48", "concurrency_limit": 2 });
    for _ in 0..3 {
        create(&relevo.api(), "jobs/by_hand", &body);
    }

    let (first, _second) = (hand.claim(), hand.claim());
    assert!(hand.poll(0).is_none(), "two at once");
    assert_eq!(hand.succeed(&first, &json!({})).status, 200);

    assert!(hand.poll(20).is_some());
}

#[test]
fn an_approval_is_given_once() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/board", &json!({}));
    let job = relevo.api().job(&id);
    assert_eq!(job.status, "waiting_for_human");
    let approval = job.approval.expect("it says what it asks");
    assert_eq!((approval.group.as_str(), &approval.params["message"]), ("board", &json!("Shall it go on?")));
    let decide = |body: &Value| relevo.api().post(&approval.link, body);

    assert_eq!(decide(&json!({ "decision": "perhaps" })).refusal(422).details[0].field, "decision");
    let answer = decide(&json!({ "decision": "approved", "comment": "fine" }));

    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "status": "approval_received", "job_id": id })));
    let result = relevo.api().wait(&id, JobState::Completed).result.expect("it has one");
    assert_eq!((&result["decision"], &result["comment"]), (&json!("approved"), &json!("fine")));
    assert_eq!(decide(&json!({ "decision": "rejected" })).refusal(409).code, "not_waiting");
    let history = relevo.api().get(&format!("/api/v1/jobs/{id}/history")).json();
    let decided = history.as_array().expect("a list").iter().find(|event| event["event"] == "approval_decided");
    assert_eq!(decided.expect("it is kept")["comment"], "fine");
}

#[test]
fn an_approval_that_is_refused_or_comes_too_late_fails_the_job() {
    let relevo = Relevo::dev();
    let refused = relevo.api().create("jobs/board", &json!({}));
    let late = relevo.api().create("jobs/board", &json!({ "seconds": 1 }));

    let link = format!("/_public/webhooks/approval/{refused}");
    assert_eq!(relevo.api().post(&link, &json!({ "decision": "rejected", "comment": "no budget" })).status, 200);

    let error = relevo.api().wait(&refused, JobState::Failed).error.expect("it says why");
    assert_eq!((error.code.as_str(), error.message.as_str()), ("Approval.Rejected", "no budget"));
    let error = until("the approval to expire", SOON, || relevo.api().job(&late).error);
    assert_eq!(error.code, "States.Timeout");
    let link = format!("/_public/webhooks/approval/{late}");
    assert_eq!(relevo.api().post(&link, &json!({ "decision": "approved" })).status, 409);
}

#[test]
fn a_signed_approval_needs_its_link() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/board", &json!({ "signed": true }));
    let link = relevo.api().job(&id).approval.expect("it asks").link;
    let yes = json!({ "decision": "approved" });
    let bare = link.split('?').next().expect("a path");

    for wrong in [bare.to_owned(), format!("{bare}?token=x"), format!("{link}x")] {
        assert_eq!(relevo.api().post(&wrong, &yes).refusal(403).code, "forbidden");
    }
    assert_eq!(relevo.api().post(&link, &yes).status, 200);

    relevo.api().wait(&id, JobState::Completed);
}

#[test]
fn a_quarantined_job_goes_on_from_the_state_that_failed() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("hand", &["hand"]);
    let id = relevo.api().create("jobs/stubborn", &json!({}));
    assert_eq!(act(&relevo.api(), &id, "retry").refusal(400).code, "invalid_state");
    assert_eq!(hand.succeed(&hand.claim(), &json!({ "n": 1 })).status, 200);
    assert_eq!(hand.fail(&hand.claim(), "PERMANENT").status, 200);
    relevo.api().wait(&id, JobState::Quarantined);

    let answer = act(&relevo.api(), &id, "retry");

    assert_eq!(answer.json(), json!({ "status": "retry_accepted", "job_id": id }));
    assert_eq!(hand.succeed(&hand.claim(), &json!({ "n": 2 })).status, 200);
    let job = relevo.api().wait(&id, JobState::Completed);
    assert_eq!(job.result, Some(json!({ "first": { "n": 1 }, "second": { "n": 2 } })));
    let visits: Vec<&str> = job.state_history.iter().map(|visit| visit.state.as_str()).collect();
    assert_eq!(visits, ["First", "Second", "Second"]);
    let told = events(&relevo.api(), &id);
    for event in ["submitted", "leased", "quarantined", "retried", "completed"] {
        assert!(told.iter().any(|known| known == event), "{event} is missing in {told:?}");
    }
}

#[test]
fn everything_can_be_deleted_in_development_only() {
    let redis = rig::Redis::start();
    let safe = Relevo::serve(&redis, &[]);
    assert_eq!(safe.api().post("/_public/debug/flush_db", &json!({})).status, 404);
    let unsafe_one = Relevo::serve(&redis, &[("RELEVO_ALLOW_FLUSH", "true")]);
    let id = unsafe_one.api().create("jobs/by_hand", &json!({}));

    let answer = unsafe_one.api().post("/_public/debug/flush_db", &json!({}));

    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "status": "db_flushed" })));
    assert_eq!(safe.api().get(&format!("/api/v1/jobs/{id}")).status, 404);
    let _id = safe.api().create("jobs/by_hand", &json!({}));
}
