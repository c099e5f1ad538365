//! Workers make what they have computed a commit of a dataset, as long as they hold the task.

use std::fs;

use relevo_shared::{dataset::DatasetView, worker::Task};
use rig::{Answer, Api, Hand, Relevo};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BYTES: &[u8] = b"PAR1 whatever a worker has computed PAR1";

/// A job whose task a worker holds that the test plays.
fn held(relevo: &Relevo) -> (Hand, Task) {
    let hand = relevo.hand("maker", &["hand"]);
    let _ = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();
    (hand, task)
}

/// A commit of `BYTES` as table `made` of dataset `numbers`.
fn commit(task: &Task) -> Value {
    let id = hex::encode(Sha256::new_with_prefix("parquet\n").chain_update(BYTES).finalize());
    let prefix = task.datasets_prefix.as_deref().expect("S3 is on");
    json!({
        "worker_id": "maker", "lease_token": task.lease_token, "dataset_id": "numbers", "table_key": "made",
        "uri": format!("{prefix}numbers/made/{id}"), "commit_id": id, "format": "parquet",
        "columns": [{ "name": "n", "type": "integer", "nullable": false }], "rows": 3, "bytes": BYTES.len(),
    })
}

fn with(commit: &Value, field: &str, value: Value) -> Value {
    let mut commit = commit.clone();
    commit[field] = value;
    commit
}

fn send(hand: &Hand, task: &Task, commit: &Value) -> Answer {
    hand.api().post(&format!("/_worker/tasks/{}/commits", task.task_id), commit)
}

/// Puts the bytes where the commit says.
fn upload(relevo: &Relevo, commit: &Value) {
    let file = relevo.object(commit["uri"].as_str().expect("a commit has a uri"));
    fs::create_dir_all(file.parent().expect("an object lies in a bucket")).expect("the bucket is writable");
    fs::write(file, BYTES).expect("the bucket is writable");
}

fn dataset(api: &Api, id: &str) -> DatasetView {
    let answer = api.get(&format!("/api/datasets/{id}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("a dataset has the form that is documented")
}

#[test]
fn a_worker_makes_a_table_a_commit_however_often_it_asks() {
    let relevo = Relevo::dev();
    let (hand, task) = held(&relevo);
    let commit = commit(&task);
    upload(&relevo, &commit);

    let first = send(&hand, &task, &commit);
    let again = send(&hand, &task, &commit);

    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.json(), again.json(), "the reference that is kept");
    let view = dataset(&relevo.api(), "numbers");
    assert_eq!((view.tables.len(), view.commits.len()), (1, 1), "{view:?}");
    assert_eq!((view.tables[0].rows, &json!(view.tables[0].commit_id)), (3, &commit["commit_id"]));
    let reader = relevo
        .api()
        .post("/api/v1/jobs/reads", &json!({ "initial_data": { "dataset_id": "numbers", "table_key": "made" } }));
    assert_eq!(reader.status, 202, "{}", reader.text());
}

#[test]
fn a_commit_moves_the_ref_that_it_names_and_no_other() {
    let relevo = Relevo::dev();
    let (hand, task) = held(&relevo);
    let commit = commit(&task);
    upload(&relevo, &commit);

    let answer = send(&hand, &task, &with(&commit, "ref", json!("candidate")));

    assert_eq!(answer.status, 200, "{}", answer.text());
    let view = dataset(&relevo.api(), "numbers");
    assert_eq!(json!(view.refs), json!({ "candidate": { "made": commit["commit_id"] } }));
    assert!(view.tables.is_empty(), "main points nowhere yet: {:?}", view.tables);
}

#[test]
fn only_who_holds_the_task_commits() {
    let relevo = Relevo::dev();
    let (hand, task) = held(&relevo);
    let commit = commit(&task);
    upload(&relevo, &commit);
    let thief = relevo.hand("thief", &["hand"]);
    let mut unknown = task.clone();
    unknown.task_id.number += 1;

    let stolen = send(&thief, &task, &with(&commit, "worker_id", json!("thief")));
    let stale = send(&hand, &task, &with(&commit, "lease_token", json!(task.lease_token.expect("it has one") + 1)));
    let foreign = send(&hand, &unknown, &commit);
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    let late = send(&hand, &task, &commit);

    for refused in [stolen, stale, foreign, late] {
        assert_eq!(refused.refusal(409).code, "lease_lost");
    }
    let nowhere = hand.api().post("/_worker/tasks/not-a-task/commits", &commit);
    assert_eq!(nowhere.refusal(404).code, "not_found");
    assert_eq!(relevo.api().get("/api/datasets/numbers").status, 404, "a refused commit left a dataset behind");
}

#[test]
fn a_cancelled_task_commits_nothing_more() {
    let relevo = Relevo::dev();
    let (hand, task) = held(&relevo);
    let commit = commit(&task);
    upload(&relevo, &commit);
    let cancel = relevo.api().post(&format!("/api/v1/jobs/{}/cancel", task.job_id), &json!({}));
    assert_eq!(cancel.status, 200, "{}", cancel.text());

    let refused = send(&hand, &task, &commit);

    assert_eq!(refused.refusal(409).code, "task_cancelled");
    assert_eq!(relevo.api().get("/api/datasets/numbers").status, 404);
}

#[test]
fn a_commit_that_cannot_be_right_names_the_field() {
    let relevo = Relevo::dev();
    let (hand, task) = held(&relevo);
    let commit = commit(&task);
    let elsewhere = format!("{}{}", task.files_prefix.as_deref().expect("S3 is on"), "made.parquet");
    let missing = send(&hand, &task, &commit);
    upload(&relevo, &commit);

    assert_eq!(missing.refusal(422).details[0].field, "uri", "nothing was uploaded yet");
    for (field, value) in [
        ("dataset_id", json!("../numbers")),
        ("dataset_id", json!("a\u{0}b")),
        ("table_key", json!("a@b")),
        ("ref", json!("a\nb")),
        ("ref", commit["commit_id"].clone()),
        ("commit_id", json!("abc")),
        ("uri", json!(elsewhere)),
        ("uri", json!("s3://somebody-elses/datasets/numbers/made/x")),
        ("csv", json!({ "separator": ",", "encoding": "utf-8" })),
        ("columns", json!([])),
        ("bytes", json!(BYTES.len() + 1)),
        ("rows", json!(-1)),
        ("format", json!("xlsx")),
    ] {
        let problem = send(&hand, &task, &with(&commit, field, value.clone())).refusal(422);
        assert_eq!(problem.details[0].field, field, "{value}: {problem:?}");
    }
    assert_eq!(relevo.api().get("/api/datasets/numbers").status, 404, "a refused commit left a dataset behind");
}
