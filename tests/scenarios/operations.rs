//! What operators do and see: pauses, drains, why a job waits, and how well workers do.

use relevo_shared::job::JobState;
use rig::{Redis, Relevo, SOON, until};
use serde_json::{Value, json};

/// An orchestrator whose client is an operator.
fn operated(redis: &Redis) -> Relevo {
    Relevo::serve_with(redis, &[], "scopes = [\"jobs:read\", \"jobs:write\", \"admin\"]", "")
}

fn act(relevo: &Relevo, path: &str) -> String {
    let answer = relevo.api().post(path, &json!({}));
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    rig::text(&answer.json()["status"])
}

fn why(relevo: &Relevo, id: &str) -> Value {
    let answer = relevo.api().get(&format!("/api/v1/jobs/{id}/explain"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["waits_for"][0].clone()
}

#[test]
fn what_is_paused_gets_no_task_until_it_is_resumed() {
    let redis = Redis::start();
    let relevo = operated(&redis);
    let hand = relevo.hand("w", &["hand"]);
    for what in ["workers/w", "skills/hand", "blueprints/by_hand"] {
        assert_eq!(act(&relevo, &format!("/api/v1/{what}/pause")), "paused");
        let id = relevo.api().create("jobs/by_hand", &json!({}));
        assert!(hand.poll(0).is_none(), "{what} is paused");

        assert_eq!(act(&relevo, &format!("/api/v1/{what}/resume")), "resumed");

        let task = hand.claim();
        assert_eq!(task.job_id.to_string(), id);
        assert_eq!(hand.succeed(&task, &json!({})).status, 200);
        relevo.api().wait(&id, JobState::Completed);
    }
}

#[test]
fn only_an_operator_may_pause_and_only_what_there_is() {
    let redis = Redis::start();
    let (plain, operated) = (Relevo::serve(&redis, &[]), operated(&redis));

    assert_eq!(plain.api().post("/api/v1/skills/hand/pause", &json!({})).refusal(403).code, "forbidden");
    assert_eq!(operated.api().post("/api/v1/workers/nobody/pause", &json!({})).status, 404);
    assert_eq!(operated.api().post("/api/v1/blueprints/none/pause", &json!({})).status, 404);
    assert_eq!(operated.api().post("/api/v1/skills/a%20b/pause", &json!({})).status, 404);
}

#[test]
fn a_job_says_why_it_waits() {
    let redis = Redis::start();
    let relevo = operated(&redis);
    let id = relevo.api().create("jobs/choosy", &json!({}));
    assert_eq!(why(&relevo, &id)["message"], "no worker that is alive has the skill `hand`");

    let _poor = relevo.hand("poor", &["hand"]);
    let waits = why(&relevo, &id);
    assert_eq!((&waits["reason"], &waits["state"]), (&json!("worker"), &json!("Hand")));
    assert_eq!(waits["workers"]["with_skill"], 1);
    let reasons = waits["workers"]["unable"][0]["reasons"].as_array().expect("it says why not").clone();
    for reason in ["it has no GPU", "it has no label `eu`", "it tells no `vram_gb`", "it tells no `reputation`"] {
        assert!(reasons.contains(&json!(reason)), "{reason} in {reasons:?}");
    }
    assert_eq!((&waits["queue"]["ahead"], &waits["queue"]["length"]), (&json!(0), &json!(1)));

    let by_hand = relevo.api().create("jobs/by_hand", &json!({}));
    let worker = relevo.hand("able", &["hand"]);
    assert_eq!(why(&relevo, &by_hand)["workers"]["able"], 2);
    let task = worker.claim();
    assert_eq!(why(&relevo, &by_hand)["reason"], "result");
    assert_eq!(worker.succeed(&task, &json!({})).status, 200);
    relevo.api().wait(&by_hand, JobState::Completed);
    let ended = relevo.api().get(&format!("/api/v1/jobs/{by_hand}/explain")).json();
    assert_eq!((&ended["status"], &ended["waits_for"]), (&json!("completed"), &json!([])));
    assert_eq!(why(&relevo, &relevo.api().create("jobs/board", &json!({})))["reason"], "approval");
}

#[test]
fn a_fan_out_says_why_its_branches_wait() {
    let redis = Redis::start();
    let relevo = operated(&redis);
    let id = relevo.api().create("jobs/fan", &json!({ "numbers": [1, 2, 3], "at_once": 2 }));

    let told = until("two branches to wait", SOON, || {
        let told = relevo.api().get(&format!("/api/v1/jobs/{id}/explain")).json();
        let reasons: Vec<&Value> = (0..3).map(|place| &told["waits_for"][place]["reason"]).collect();
        (reasons == ["fan_out", "worker", "worker"]).then_some(told)
    });

    let message = rig::text(&told["waits_for"][0]["message"]);
    assert_eq!(message, "its fan-out: 0 of 3 branches have ended (0 failed), 2 are open, 1 have not begun");
}

#[test]
fn one_clients_many_jobs_do_not_keep_another_waiting() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("w", &["hand"]);
    for _ in 0..300 {
        let _id = relevo.api().create("jobs/by_hand", &json!({}));
    }
    let few: Vec<String> = (0..10).map(|_| relevo.stranger().create("jobs/by_hand", &json!({}))).collect();

    // Two clients take turns: after twenty tasks the ten of the second are done, behind three hundred.
    let mut done = 0;
    for _ in 0..20 {
        let task = hand.claim();
        done += usize::from(few.contains(&task.job_id.to_string()));
        assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    }

    assert_eq!(done, 10);
}

#[test]
fn a_workers_reputation_is_the_share_of_its_good_results() {
    let redis = Redis::start();
    let relevo = operated(&redis);
    let hand = relevo.hand("w", &["hand"]);
    for good in [true, true, true, false] {
        let _id = relevo.api().create("jobs/by_hand", &json!({}));
        let task = hand.claim();
        let answer = if good { hand.succeed(&task, &json!({})) } else { hand.fail(&task, "PERMANENT") };
        assert_eq!(answer.status, 200);
    }

    until("its results to be counted", SOON, || {
        let workers = relevo.api().get("/api/v1/workers").json();
        (workers[0]["reputation"] == json!(0.75)).then_some(())
    });

    // Also after it has registered anew.
    let _again = relevo.hand("w", &["hand"]);
    assert_eq!(relevo.api().get("/api/v1/workers").json()[0]["reputation"], 0.75);
}
