//! Jobs that are asked for by their type.

use relevo_shared::job::JobState;
use reqwest::Method;
use rig::{Api, Relevo, text};
use serde_json::{Value, json};

#[test]
fn a_job_of_a_type_is_created_and_told_in_the_words_of_its_document() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let hand = relevo.hand("trainer", &["hand"]);

    let answer = api.post("/jobs", &json!({ "type": "train_rbm", "epochs": 3, "params_note": "flat" }));

    assert_eq!(answer.status, 202, "{}", answer.text());
    let created = answer.json();
    let id = text(&created["job_id"]);
    let expected = json!({ "job_id": id, "type": "train_rbm", "status": "created", "dataset_id": null });
    assert_eq!(created, expected);
    let task = hand.claim();
    assert_eq!(
        (task.job_id.to_string(), Value::Object(task.params.clone())),
        (id.clone(), json!({ "epochs": 3, "params_note": "flat" }))
    );
    assert_eq!(hand.succeed(&task, &json!({ "loss": 0.5 })).status, 200);
    api.wait(&id, JobState::Completed);
    let job = api.get(&format!("/jobs/{id}")).json();
    assert_eq!(
        (&job["type"], &job["status"], &job["output"]),
        (&json!("train_rbm"), &json!("completed"), &json!({ "loss": 0.5 }))
    );
    assert_eq!(api.get("/jobs?type=train_rbm").json()["total"], 1);
}

#[test]
fn parameters_may_stand_in_an_object_and_a_blueprint_be_named() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let table = api.put("/api/datasets/48/tables/primary", "comentario\nbien\n");
    assert_eq!(table.status, 200, "{}", table.text());

    let created =
        api.post("/jobs", &json!({ "type": "reads", "dataset_id": 48, "params": { "table_key": "primary" } }));
    let by_name = api.post("/jobs", &json!({ "type": "train_by_hand", "params": { "epochs": 3 } }));

    assert_eq!((created.status.as_u16(), &created.json()["dataset_id"]), (202, &json!(48)));
    let job = api.get(&format!("/jobs/{}", text(&created.json()["job_id"]))).json();
    assert_eq!(job["params"], json!({ "dataset_id": 48, "table_key": "primary" }));
    assert_eq!((by_name.status.as_u16(), &by_name.json()["type"]), (202, &json!("train_rbm")));
}

#[test]
fn what_cannot_become_a_job_is_refused_before_anything_is_stored() {
    let relevo = Relevo::dev();
    let api = relevo.api();

    let unknown = api.post("/jobs", &json!({ "type": "train_dbn" })).refusal(422);
    assert_eq!((unknown.details[0].field.as_str(), unknown.detail.as_ref()), ("type", Some(&unknown.error)));
    for known in ["train_rbm", "by_hand", "reads", "echo"] {
        assert!(unknown.details[0].reason.contains(known), "{unknown:?}");
    }
    for (body, field) in [
        (json!({}), "type"),
        (json!({ "type": 7 }), "type"),
        (json!({ "type": "reads" }), "dataset_id"),
        (json!({ "type": "reads", "params": {} }), "params.dataset_id"),
        (json!({ "type": "reads", "dataset_id": [1] }), "dataset_id"),
        (json!({ "type": "reads", "params": { "dataset_id": [1] } }), "params.dataset_id"),
        (json!({ "type": "reads", "dataset_id": "nada" }), "dataset_id"),
        (json!({ "type": "reads", "params": "x" }), "params"),
        (json!({ "type": "reads", "params": { "dataset_id": "1" }, "table_key": "t" }), "table_key"),
        (json!([]), "body"),
    ] {
        let problem = api.post("/jobs", &body).refusal(422);
        assert_eq!(problem.details[0].field, field, "{body}: {problem:?}");
        assert!(problem.detail.is_some_and(|detail| !detail.contains("initial_data")), "{body}");
    }
    assert_eq!(api.get("/jobs").json()["total"], 0);
}

#[test]
fn the_same_key_creates_one_job_of_a_type() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let create = |epochs: u32| {
        let request = api.request(Method::POST, "/jobs").header("Idempotency-Key", "training-7");
        Api::send(request.json(&json!({ "type": "train_rbm", "epochs": epochs })))
    };

    let (first, again, other) = (create(3), create(3), create(4));

    assert_eq!((first.status.as_u16(), again.json()), (202, first.json()));
    assert_eq!(other.status, 409);
    assert_eq!(api.get("/jobs").json()["total"], 1);
}
