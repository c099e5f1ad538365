//! Jobs that end as they should, whatever way their blueprint takes.

use std::{collections::BTreeSet, thread};

use relevo_shared::job::JobState;
use rig::{Hand, Relevo, Worker};
use serde_json::{Value, json};

#[test]
fn a_no_op_job_runs_from_end_to_end() {
    let relevo = Relevo::dev();
    let _worker = Worker::start(&relevo, "only");

    let id = relevo.api().create("jobs/echo", &json!({ "text": "¡Qué bien! 🎉", "n": 3 }));

    let job = relevo.api().wait(&id, JobState::Completed);
    assert_eq!(job.result, Some(json!({ "text": "¡Qué bien! 🎉", "n": 3 })));
    assert_eq!(job.blueprint_name, "echo");
    assert_eq!(job.progress, 1.0);
    assert_eq!(job.job_id.to_string(), id);
    assert_eq!(job.job_id, job.id);
    assert_eq!(job.current_state, None);
    assert_eq!(job.completed_at, job.finished_at);
    assert!(job.started_at.is_some() && job.completed_at.is_some() && job.error.is_none());
}

#[test]
fn a_task_is_claimed_by_one_worker_only() {
    const JOBS: usize = 40;
    let relevo = Relevo::dev();
    let hands: Vec<Hand> = (0..6).map(|n| relevo.hand(&format!("hand-{n}"), &["hand"])).collect();
    for n in 0..JOBS {
        let _id = relevo.api().create("jobs/by_hand", &json!({ "n": n }));
    }

    let claimed: Vec<String> = thread::scope(|scope| {
        let claims: Vec<_> = hands
            .iter()
            .map(|hand| {
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    while let Some(task) = hand.poll(1) {
                        assert_eq!(hand.succeed(&task, &json!({})).status, 200);
                        mine.push(task.task_id.to_string());
                    }
                    mine
                })
            })
            .collect();
        claims.into_iter().flat_map(|claims| claims.join().expect("no hand fails")).collect()
    });

    assert_eq!(claimed.len(), JOBS);
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), JOBS);
}

#[test]
fn a_step_is_taken_once() {
    let relevo = Relevo::dev();
    let (first, second) = (relevo.hand("one", &["first"]), relevo.hand("two", &["second"]));
    let id = relevo.api().create("jobs/two_steps", &json!({}));
    let task = first.claim();

    // A worker that hears nothing sends its result again, here many times at once.
    let answers: Vec<Value> = thread::scope(|scope| {
        let sends: Vec<_> =
            (0..8).map(|_| scope.spawn(|| first.succeed(&task, &json!({ "from": "first" })).json())).collect();
        sends.into_iter().map(|send| send.join().expect("no send fails")).collect()
    });

    let accepted = answers.iter().filter(|answer| answer["status"] == "result_accepted_success").count();
    assert_eq!(accepted, 1, "{answers:?}");
    let task = second.claim();
    assert_eq!(Value::Object(task.params.clone()), json!({ "from": "first" }));
    assert!(second.poll(1).is_none(), "the second task was queued twice");
    assert_eq!(second.succeed(&task, &json!({ "from": "second" })).status, 200);
    let job = relevo.api().wait(&id, JobState::Completed);
    assert_eq!(job.state_history.iter().map(|visit| visit.state.as_str()).collect::<Vec<_>>(), ["First", "Second"]);
}

#[test]
fn what_a_worker_says_decides_the_way() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("judge", &["hand"]);
    let submit = || relevo.api().create("jobs/branches", &json!({ "subject": "essay" }));

    let good = submit();
    assert_eq!(hand.succeed(&hand.claim(), &json!({ "points": 12 })).status, 200);
    let bad = submit();
    assert_eq!(hand.succeed(&hand.claim(), &json!({ "points": 9 })).status, 200);
    let unsure = submit();
    let outcome = json!({ "status": "unsure", "data": { "why": "illegible" } });
    assert_eq!(hand.result(&hand.claim(), &outcome).status, 200);

    assert_eq!(relevo.api().wait(&good, JobState::Completed).result, Some(json!({ "points": 12 })));
    let error = relevo.api().wait(&bad, JobState::Failed).error.expect("a failed job has an error");
    assert_eq!((error.code.as_str(), error.message.as_str()), ("Too.Few", "fewer than ten points"));
    let unsure = relevo.api().wait(&unsure, JobState::Completed);
    assert_eq!(unsure.result, Some(json!({ "answer": "unsure", "about": "essay" })));
    assert!(unsure.duration_seconds.expect("it has ended") >= 1.0, "the wait of a second was skipped");
}

#[test]
fn each_kind_of_failure_has_its_own_end() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("failing", &["hand"]);
    let fail_with = |code: &str| {
        let id = relevo.api().create("jobs/by_hand", &json!({}));
        assert_eq!(hand.fail(&hand.claim(), code).status, 200);
        id
    };

    let invalid = fail_with("INVALID_INPUT");
    let permanent = fail_with("PERMANENT_ERROR");
    let passing = fail_with("TRANSIENT");
    let again = hand.claim();
    assert_eq!((again.job_id.to_string(), again.attempt), (passing.clone(), 2));
    assert_eq!(hand.succeed(&again, &json!({ "ok": true })).status, 200);

    let error = relevo.api().wait(&invalid, JobState::Failed).error.expect("a failed job has an error");
    assert_eq!((error.code.as_str(), error.message.as_str()), ("Worker.InvalidInput", "as the test wants it"));
    let error = relevo.api().wait(&permanent, JobState::Quarantined).error.expect("a quarantined job has an error");
    assert_eq!(error.code, "Worker.Permanent");
    assert_eq!(relevo.api().wait(&passing, JobState::Completed).result, Some(json!({ "ok": true })));
}

#[test]
fn progress_is_seen_while_a_task_runs() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("talker", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();

    let reply = hand.report(&task, 0.5, "half of it is done").json();

    assert_eq!(reply, json!({ "status": "progress_accepted", "cancelled": false }));
    let job = relevo.api().wait(&id, JobState::Running);
    assert_eq!((job.progress, job.message.as_deref()), (0.5, Some("half of it is done")));
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    assert_eq!(relevo.api().wait(&id, JobState::Completed).progress, 1.0);
}
