//! A model that a job has made gets a name, by which it stays when the job is gone.

use relevo_shared::job::JobState;
use rig::{Relevo, Worker, text};
use serde_json::json;

#[test]
fn a_model_outlives_its_job_under_the_name_that_it_was_given() {
    let relevo = Relevo::shipped();
    let (api, _worker) = (relevo.api(), Worker::start(&relevo, "only"));
    let trained = api.create("jobs/echo", &json!({}));
    api.wait(&trained, JobState::Completed);
    let mut folder = String::new();
    // The length of the header, the header, and the one tensor that it tells of.
    let weights = "\x35\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"U8\",\"shape\":[7],\"data_offsets\":[0,7]}}weights";
    for (name, content) in [("config.json", "{}"), ("model.safetensors", weights), ("history.json", "[]")] {
        let up = api.put(&format!("/api/v1/jobs/{trained}/files/content/{name}"), content);
        folder = text(&up.json()["s3_uri"]).trim_end_matches(name).to_owned();
    }
    let promote = |uri: &str| {
        let body =
            json!({ "type": "promote_model", "params": { "model_uri": uri, "name": "team/echo", "note": "first" } });
        let answer = api.post("/jobs", &body);
        assert_eq!(answer.status, 202, "{}", answer.text());
        let id = text(&answer.json()["job_id"]);
        api.wait(&id, JobState::Completed).result.expect("a completed job has a result")
    };

    let first = promote(&folder);
    assert_eq!(api.delete(&format!("/api/jobs/{trained}")).status, 200);
    // The place of the version is a model like any other.
    let again = promote(&text(&first["uri"]));

    assert_eq!(first["files"], json!(["config.json", "model.safetensors", "history.json"]));
    assert!(text(&first["uri"]).ends_with(&format!("/models/team/echo/{}", text(&first["version"]))), "{first}");
    assert_eq!((&first["previous_version"], &first["note"]), (&json!(null), &json!("first")));
    assert_eq!((&again["version"], &again["previous_version"]), (&first["version"], &first["version"]));
    let wrong =
        api.post("/jobs", &json!({ "type": "promote_model", "model_uri": folder, "name": "../x" })).refusal(422);
    assert_eq!(wrong.details[0].field, "name");
}
