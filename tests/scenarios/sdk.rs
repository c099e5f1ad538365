//! Fleets in the field: published releases of the worker SDK, as they are, do all their work here.

use relevo_shared::{
    command::Command,
    job::{JobState, JobView},
};
use rig::{Redis, Relevo, SOON, SdkWorker, until};
use serde_json::{Value, json};

use crate::sockets::tell;

fn run(relevo: &Relevo, input: &Value, state: JobState) -> JobView {
    let id = relevo.api().create("jobs/field", input);
    relevo.api().wait(&id, state)
}

/// Tells the story of every release, each with an orchestrator and a worker of its own.
fn of_each_release(variables: &[(&str, &str)], story: impl Fn(&Relevo, &mut SdkWorker)) {
    for release in SdkWorker::RELEASES {
        let relevo = Relevo::dev();
        let mut worker = SdkWorker::start(&relevo, release, &release.replace('.', "-"), variables);
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

#[test]
fn a_worker_of_the_field_stops_a_task_when_it_is_told_to() {
    of_each_release(&[("WORKER_ENABLE_WEBSOCKETS", "true")], |relevo, worker| {
        let id = relevo.api().create("jobs/field", &json!({ "how": "progress" }));
        until("the progress of the task", SOON, || Some(relevo.api().job(&id)).filter(|job| job.progress > 0.0));
        let job_id = id.parse().unwrap();
        let (task_id, name) = (format!("{id}.1").parse().unwrap(), worker.name().to_owned());

        until("its WebSocket to be known", SOON, || {
            tell(relevo, &name, Command::CancelTask { task_id, job_id }).then_some(())
        });

        until("the skill to stop", SOON, || {
            worker.process().log().contains(&format!("stopped {task_id}")).then_some(())
        });
        run(relevo, &json!({ "how": "answer" }), JobState::Completed);
    });
}

#[test]
fn a_worker_of_the_field_survives_a_redis_that_was_emptied() {
    of_each_release(&[], |relevo, worker| {
        let id = relevo.api().create("jobs/field", &json!({ "how": "sleep" }));
        relevo.api().wait(&id, JobState::Running);
        // Until the worker has named it in a heartbeat, nobody but the task itself knows that it runs.
        until("the task to be under way", SOON, || (relevo.api().job(&id).status == "running").then_some(()));

        redis::cmd("FLUSHALL").exec(&mut relevo.redis()).unwrap();

        // It registers anew, is told that it holds nothing, and the result of what it stopped is dropped.
        until("the orphaned task to be stopped", SOON, || worker.process().log().contains("stopped").then_some(()));
        run(relevo, &json!({ "how": "answer" }), JobState::Completed);
    });
}

#[test]
fn signatures_of_the_field_are_verified_where_they_are_asked_for() {
    let redis = Redis::start();
    let relevo = Relevo::serve_with(&redis, &[], "signatures = \"required\"\n");
    let _signing = SdkWorker::start(&relevo, "1.0b20", "signing", &[]);

    run(&relevo, &json!({ "how": "answer" }), JobState::Completed);

    let body = json!({ "worker_id": "unsigned", "supported_skills": ["field"] });
    let refused = relevo.worker_api(relevo.worker_token()).post("/_worker/workers/register", &body);
    assert!(refused.refusal(401).error.contains("signature"));
}
