//! Fleets in the field: published releases of the worker SDK, as they are, do all their work here.

use relevo_shared::job::{JobState, JobView};
use rig::{Redis, Relevo, SOON, SdkWorker, text, until};
use serde_json::{Value, json};

fn run(relevo: &Relevo, input: &Value, state: JobState) -> JobView {
    let id = relevo.api().create("jobs/field", input);
    relevo.api().wait(&id, state)
}

/// Tells the story of every release, each with an orchestrator and a worker of its own.
fn of_each_release(variables: &[(&str, &str)], story: impl Fn(&Relevo, &mut SdkWorker)) {
    for release in SdkWorker::RELEASES {
        let relevo = Relevo::dev();
        let mut worker = SdkWorker::start(&relevo, release, "w", variables);
        story(&relevo, &mut worker);
    }
}

#[test]
fn workers_of_the_field_answer() {
    of_each_release(&[], |relevo, _| {
        let answered = run(relevo, &json!({ "how": "answer" }), JobState::Completed).result.unwrap();
        assert_eq!(answered["text"], "x");
        assert_eq!((answered["half"].as_f64(), answered["whole"].as_f64()), (Some(1.5), Some(2.0)));

        let worded = run(relevo, &json!({ "how": "word" }), JobState::Completed).result.unwrap();
        assert_eq!(worded["Error"], "Outcome.unsure");
        assert!(worded["Cause"].as_str().unwrap().contains("it is dark"), "{worded}");

        let refused = run(relevo, &json!({ "how": "refuse" }), JobState::Failed);
        assert!(refused.error.is_some_and(|error| error.message.contains("not like this")));
        run(relevo, &json!({ "how": "break" }), JobState::Quarantined);
    });
}

#[test]
fn a_result_of_the_field_may_be_larger_than_a_mebibyte() {
    of_each_release(&[], |relevo, _| {
        let length = 1_500_000;

        let answered = run(relevo, &json!({ "how": "answer", "length": length }), JobState::Completed).result.unwrap();

        assert_eq!(answered["text"].as_str().map(str::len), Some(length));
    });
}

#[test]
fn progress_of_the_field_is_seen() {
    // The earliest release tells of it over its WebSocket, and does not say who it is there.
    of_each_release(&[("WORKER_ENABLE_WEBSOCKETS", "true")], |relevo, _| {
        let id = relevo.api().create("jobs/field", &json!({ "how": "progress" }));

        let job =
            until("the progress of the task", SOON, || Some(relevo.api().job(&id)).filter(|job| job.progress > 0.0));

        assert_eq!((job.progress, job.message.as_deref()), (0.5, Some("half of it")));
    });
}

/// Cancels a job once its task runs, and waits until the skill has stopped; answers the word of the cancellation.
fn cancel_at_work(relevo: &Relevo, worker: &mut SdkWorker, how: &str, ready: impl Fn() -> bool) -> String {
    let id = relevo.api().create("jobs/field", &json!({ "how": how }));
    relevo.api().wait(&id, JobState::Running);
    until("the task to be under way", SOON, || ready().then_some(()));

    let answer = relevo.api().post(&format!("/api/v1/jobs/{id}/cancel"), &json!({}));

    until("the skill to stop", SOON, || worker.process().log().contains(&format!("stopped {id}")).then_some(()));
    relevo.api().wait(&id, JobState::Cancelled);
    run(relevo, &json!({ "how": "answer" }), JobState::Completed);
    text(&answer.json()["status"])
}

#[test]
fn a_worker_of_the_field_is_told_over_its_socket_that_a_task_is_cancelled() {
    of_each_release(&[("WORKER_ENABLE_WEBSOCKETS", "true")], |relevo, worker| {
        let has_socket = || redis::cmd("EXISTS").arg("relevo:socket:w").query(&mut relevo.redis()).unwrap();

        let word = cancel_at_work(relevo, worker, "progress", has_socket);

        assert_eq!(word, "cancellation_request_sent");
    });
}

#[test]
fn a_worker_of_the_field_learns_from_a_heartbeat_that_a_task_is_cancelled() {
    of_each_release(&[], |relevo, worker| {
        let word = cancel_at_work(relevo, worker, "sleep", || true);

        assert_eq!(word, "cancellation_request_accepted");
    });
}

#[test]
fn a_worker_of_the_field_survives_a_redis_that_was_emptied() {
    of_each_release(&[], |relevo, worker| {
        let id = relevo.api().create("jobs/field", &json!({ "how": "sleep" }));
        relevo.api().wait(&id, JobState::Running);

        redis::cmd("FLUSHALL").exec(&mut relevo.redis()).unwrap();

        // It registers anew, is told that it holds nothing, and the result of what it stopped is dropped.
        until("the orphaned task to be stopped", SOON, || worker.process().log().contains("stopped").then_some(()));
        run(relevo, &json!({ "how": "answer" }), JobState::Completed);
    });
}

#[test]
fn signatures_of_the_field_are_verified_where_they_are_asked_for() {
    let redis = Redis::start();
    let relevo = Relevo::serve_with(&redis, &[], "", "signatures = \"required\"\n");
    let _signing = SdkWorker::start(&relevo, "1.0b20", "signing", &[]);

    run(&relevo, &json!({ "how": "answer" }), JobState::Completed);

    let body = json!({ "worker_id": "unsigned", "supported_skills": ["field"] });
    let refused = relevo.worker_api(relevo.worker_token()).post("/_worker/workers/register", &body);
    assert!(refused.refusal(401).error.contains("signature"));
}
