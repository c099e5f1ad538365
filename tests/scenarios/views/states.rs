//! One job, told by every document.

use relevo_shared::job::JobState;
use reqwest::StatusCode;
use rig::{Api, Redis, Relevo, SOON, until};
use serde_json::{Value, json};

use super::EachState;

fn get(api: &Api, path: &str) -> Value {
    let answer = api.get(path);
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer.json()
}

#[test]
fn each_state_has_its_word_in_each_document() {
    let jobs = EachState::new();
    let api = jobs.api();

    let told: Vec<_> = jobs
        .jobs
        .iter()
        .map(|(state, id)| {
            let toolkit = api.post("/v1/toolkit/job/status", &json!({ "job_id": id })).json();
            let words = [
                get(&api, &format!("/api/v1/jobs/{id}"))["status"].clone(),
                get(&api, &format!("/api/jobs/{id}"))["status"].clone(),
                get(&api, &format!("/jobs/{id}"))["status"].clone(),
                toolkit["response"]["job_status"].clone(),
                toolkit["response"]["response"]["code"].clone(),
            ];
            (*state, Value::from(words.to_vec()))
        })
        .collect();

    let expected = [
        ("completed", json!(["completed", "completed", "completed", "done", 200])),
        ("failed", json!(["failed", "failed", "failed", "done", 400])),
        ("quarantined", json!(["quarantined", "failed", "failed", "done", 500])),
        ("cancelled", json!(["cancelled", "cancelled", "cancelled", "done", 499])),
        ("running", json!(["running", "running", "running", "running", null])),
        ("waiting", json!(["waiting_for_human", "running", "running", "running", null])),
        ("pending", json!(["pending", "pending", "created", "queued", null])),
    ];
    assert_eq!(told, expected);
}

#[test]
fn both_documents_of_a_job_find_their_members_in_one_object() {
    let jobs = EachState::new();
    let id = jobs.id("completed");

    let job = get(&jobs.api(), &format!("/api/jobs/{id}"));

    assert_eq!((&job["id"], &job["job_id"]), (&json!(id), &json!(id)));
    assert_eq!((&job["run_type"], &job["job_type"]), (&json!("by_hand"), &json!("by_hand")));
    assert_eq!(job["run_parameters"], json!({ "id": "my-own-7", "n": 3 }));
    assert_eq!(job["output_summary"], json!({ "rows": 12 }));
    assert_eq!(job["metadata"], json!({ "id": "my-own-7", "n": 3, "rows": 12 }));
    assert_eq!((&job["error_message"], &job["errors"]), (&Value::Null, &json!([])));
    assert_eq!((&job["progress"], &job["stages"]), (&json!(1.0), &json!([])));
    assert_eq!(
        (&job["dataset_id"], &job["dataset_name"], &job["source_commit_id"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    for instant in ["created_at", "started_at", "completed_at"] {
        let text = job[instant].as_str().unwrap_or_else(|| panic!("{instant} is missing"));
        assert!(text.len() == 24 && text.ends_with('Z'), "{instant}: {text}");
    }
    assert!(job["duration_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{job}");
    let failed = get(&jobs.api(), &format!("/api/jobs/{}", jobs.id("quarantined")));
    assert_eq!(failed["error_message"], "no good");
    assert_eq!(failed["errors"].as_array().map(Vec::len), Some(1), "{failed}");
    assert_eq!(
        (&failed["errors"][0]["code"], &failed["errors"][0]["fatal"]),
        (&json!("Worker.Permanent"), &json!(true))
    );
}

#[test]
fn the_spanish_document_has_its_own_names() {
    let jobs = EachState::new();

    let job = get(&jobs.api(), &format!("/jobs/{}", jobs.id("completed")));
    let failed = get(&jobs.api(), &format!("/jobs/{}", jobs.id("failed")));

    assert_eq!((&job["type"], &job["params"]["n"]), (&json!("by_hand"), &json!(3)));
    assert_eq!((&job["result"], &job["output"]), (&json!({ "rows": 12 }), &json!({ "rows": 12 })));
    assert_eq!((&job["error"], &job["progress"]), (&Value::Null, &json!(1.0)));
    assert!(job["created_at"].is_string() && job["started_at"].is_string() && job["finished_at"].is_string(), "{job}");
    assert_eq!((&failed["error"], &failed["result"]), (&json!("no good"), &Value::Null));
}

#[test]
fn an_attempt_that_failed_is_told_beside_the_end_of_the_job() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("failing", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let told = || get(&relevo.api(), &format!("/api/jobs/{id}"));

    assert_eq!(hand.fail(&hand.claim(), "TRANSIENT").status, 200);
    let again = hand.claim();
    let job = told();
    assert_eq!((&job["status"], &job["error_message"]), (&json!("running"), &Value::Null));
    assert_eq!((&job["errors"][0]["code"], &job["errors"][0]["fatal"]), (&json!("Worker.Transient"), &json!(false)));
    assert_eq!(hand.fail(&again, "PERMANENT").status, 200);
    relevo.api().wait(&id, JobState::Quarantined);

    let errors: Vec<_> =
        told()["errors"].as_array().expect("a list").iter().map(|error| error["code"].clone()).collect();
    assert_eq!(errors, ["Worker.Transient", "Worker.Permanent"]);
    let history = get(&relevo.api(), &format!("/api/v1/jobs/{id}/history"));
    let setback = history.as_array().expect("a list").iter().find(|event| event["event"] == "set_back");
    assert_eq!(setback.expect("it is written down")["error"]["message"], "as the test wants it");
}

#[test]
fn a_job_that_was_packed_is_told_as_before() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[("RELEVO_PACK_AFTER_SECONDS", "3")]);
    let hand = relevo.hand("packed", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({ "id": "my-own-7", "dataset_id": 48 }));
    assert_eq!(hand.fail(&hand.claim(), "TRANSIENT").status, 200);
    assert_eq!(hand.succeed(&hand.claim(), &json!({ "rows": 12, "list": [1] })).status, 200);
    relevo.api().wait(&id, JobState::Completed);
    let told = || {
        let api = relevo.api();
        let mut toolkit = api.post("/v1/toolkit/job/status", &json!({ "job_id": id })).json();
        (toolkit["run_time"], toolkit["total_time"]) = (Value::Null, Value::Null);
        let paths =
            [format!("/api/jobs/{id}"), format!("/jobs/{id}"), format!("/api/v1/jobs/{id}"), "/api/jobs".to_owned()];
        (paths.map(|path| get(&api, &path)), toolkit)
    };
    let key = format!("relevo:{{p00}}:packed:{id}");
    let is_packed = || redis::cmd("EXISTS").arg(&key).query::<bool>(&mut relevo.redis()).expect("Redis answers");
    let before = told();
    assert!(!is_packed(), "it was packed at once");

    until("the job to be packed", SOON, || is_packed().then_some(()));

    assert_eq!(told(), before);
    assert_eq!(before.0[0]["errors"].as_array().map(Vec::len), Some(1), "{}", before.0[0]);
}

#[test]
fn stages_and_progress_are_told_while_a_task_runs() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("stages", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({ "filename": "guide.pdf", "tags": ["a"] }));
    let task = hand.claim();
    let report = json!({
        "worker_id": "stages", "lease_token": task.lease_token, "progress": 0.65, "message": "Processing chunks (95/147)",
        "stages": [
            { "name": "loading", "status": "completed", "progress": 1.0, "duration_seconds": 3.2 },
            { "name": "embedding", "status": "running", "progress": 0.65, "duration_seconds": 12.4 },
            { "name": "persistence", "status": "pending" },
        ],
    });

    assert_eq!(hand.api().post(&format!("/_worker/tasks/{}/progress", task.task_id), &report).status, 200);

    let job = until("the stages to be told", SOON, || {
        let job = get(&relevo.api(), &format!("/api/jobs/{id}"));
        (job["stages"].as_array().is_some_and(|stages| stages.len() == 3)).then_some(job)
    });
    assert_eq!((&job["status"], &job["progress"]), (&json!("running"), &json!(0.65)));
    assert_eq!(job["message"], "Processing chunks (95/147)");
    assert_eq!(job["metadata"], json!({ "filename": "guide.pdf" }), "a list is no plain fact");
    assert_eq!(
        job["stages"],
        json!([
            { "name": "loading", "status": "completed", "progress": 1.0, "duration_seconds": 3.2 },
            { "name": "embedding", "status": "running", "progress": 0.65, "duration_seconds": 12.4 },
            { "name": "persistence", "status": "pending", "progress": 0.0 },
        ])
    );
}

#[test]
fn beto_is_run_over_a_dataset() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    assert_eq!(api.put("/api/datasets/48/tables/primary", "comentario,nota\nmuy claro,45\n").status, 200);

    let answer = api.post(
        "/jobs/preproc/beto/run",
        &json!({ "dataset_id": 48, "text_col": "comentario", "keep_empty_text": false }),
    );

    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    let accepted = answer.json();
    assert_eq!((&accepted["status"], &accepted["dataset_id"]), (&json!("created"), &json!(48)));
    let job = get(&api, &format!("/jobs/{}", rig::text(&accepted["job_id"])));
    assert_eq!((&job["status"], &job["dataset_id"]), (&json!("created"), &json!(48)));
    assert_eq!((&job["params"]["text_col"], &job["params"]["keep_empty_text"]), (&json!("comentario"), &json!(false)));
    let superset = get(&api, &format!("/api/jobs/{}", rig::text(&accepted["job_id"])));
    assert_eq!((&superset["dataset_id"], superset["source_commit_id"].is_string()), (&json!(48), true));
}
