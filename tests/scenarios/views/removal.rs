//! Jobs that are deleted, one by one or by their age.

use reqwest::Method;
use rig::{Answer, Api, ListFile, Redis, Relevo, client_entry};
use serde_json::{Value, json};

use super::EachState;

fn clean_up(api: &Api, body: &Value) -> Answer {
    api.post("/api/jobs/cleanup", body)
}

/// A job that has ended.
fn ended(relevo: &Relevo, api: &Api) -> String {
    let hand = relevo.hand("ender", &["hand"]);
    let id = api.create("jobs/by_hand", &json!({}));
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    id
}

#[test]
fn a_job_is_deleted_once_it_has_ended() {
    let jobs = EachState::new();
    let api = jobs.api();
    let file = format!("/api/v1/jobs/{}/files", jobs.id("completed"));
    assert_eq!(api.put(&format!("{file}/content/x.txt"), "hola").status, 200);
    let link = api.get(&format!("{file}/download/x.txt")).header("location").expect("a link").to_owned();
    let delete = |state: &str| api.delete(&format!("/api/jobs/{}", jobs.id(state)));

    for (state, word) in [("pending", "pending"), ("running", "running"), ("waiting", "running")] {
        let problem = delete(state).refusal(400);
        assert_eq!(problem.error, format!("Cannot delete {word} job. Cancel it first."));
        assert_eq!((problem.code.as_str(), problem.job_id.as_deref()), ("invalid_state", Some(jobs.id(state))));
    }
    for state in ["completed", "failed", "quarantined", "cancelled"] {
        let answer = delete(state);
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, json!({ "message": "Job deleted", "job_id": jobs.id(state) }))
        );
        assert_eq!(delete(state).refusal(404).code, "job_not_found");
        for path in ["/api/v1/jobs", "/api/jobs", "/jobs"] {
            assert_eq!(api.get(&format!("{path}/{}", jobs.id(state))).status, 404);
        }
    }
    assert_eq!(api.bare(Method::GET, &link, "").status, 404, "its files are still there");
    assert_eq!(api.get("/api/jobs").json()["total"], 3);
}

#[test]
fn old_jobs_are_cleaned_up_by_their_state() {
    let jobs = EachState::new();
    let api = jobs.api();
    let left = || {
        let list = api.get("/api/jobs").json();
        let states = |id: &str| jobs.jobs.iter().find(|(_, known)| known == id).map(|(state, _)| *state);
        let ids = list["jobs"].as_array().expect("a list").iter().filter_map(|job| states(job["id"].as_str()?));
        let mut states: Vec<_> = ids.collect();
        states.sort_unstable();
        states
    };

    let young = clean_up(&api, &json!({}));
    assert_eq!(young.json(), json!({ "message": "Cleanup complete", "jobs_deleted": 0, "space_freed_mb": 0.0 }));
    assert_eq!(clean_up(&api, &json!({ "older_than_days": 30 })).json()["jobs_deleted"], 0);
    assert_eq!(Api::send(api.request(Method::POST, "/api/jobs/cleanup")).status, 200, "a body is not needed");

    let cancelled = clean_up(&api, &json!({ "older_than_days": 0, "status": ["cancelled"] })).json();
    assert_eq!(cancelled["jobs_deleted"], 1);
    assert!(cancelled["space_freed_mb"].as_f64().is_some_and(|freed| freed > 0.0), "{cancelled}");
    assert_eq!(left(), ["completed", "failed", "pending", "quarantined", "running", "waiting"]);
    let quarantined = clean_up(&api, &json!({ "older_than_days": 0.0, "status": ["quarantined"] })).json();
    assert_eq!(quarantined["jobs_deleted"], 1);
    // Completed and failed are meant when nothing is said.
    assert_eq!(clean_up(&api, &json!({ "older_than_days": 0 })).json()["jobs_deleted"], 2);
    assert_eq!(left(), ["pending", "running", "waiting"]);
}

#[test]
fn a_clean_up_that_makes_no_sense_deletes_nothing() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let _id = ended(&relevo, &api);

    for (body, field) in [
        (json!({ "older_than_days": -1 }), "older_than_days"),
        (json!({ "older_than_days": 0.5 }), "older_than_days"),
        (json!({ "older_than_days": "7" }), "older_than_days"),
        (json!({ "older_than_days": 40_000 }), "older_than_days"),
        (json!({ "older_than_days": 1e300 }), "older_than_days"),
        (json!({ "older_than_days": 0, "status": "completed" }), "status"),
        (json!({ "older_than_days": 0, "status": [] }), "status"),
        (json!({ "older_than_days": 0, "status": ["completed", "running"] }), "status[1]"),
        (json!({ "older_than_days": 0, "status": ["pending"] }), "status[0]"),
        (json!({ "older_than_days": 0, "status": ["waiting"] }), "status[0]"),
        (json!({ "older_than_days": 0, "status": ["done"] }), "status[0]"),
        (json!({ "older_than_days": 0, "status": [7] }), "status[0]"),
        (json!({ "older_than_day": 0 }), "older_than_day"),
        (json!([]), "body"),
    ] {
        let problem = clean_up(&api, &body).refusal(422);
        assert_eq!(problem.details[0].field, field, "{body}: {problem:?}");
    }
    assert_eq!(api.get("/api/jobs").json()["total"], 1);
}

#[test]
fn a_client_cleans_up_after_itself_and_an_admin_after_all() {
    let redis = Redis::start();
    let file =
        ListFile::new(&(client_entry("root", &["root"], "scopes = [\"admin\"]") + &client_entry("ana", &["ana"], "")));
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);
    let (ana, root) = (relevo.api().with_token("ana"), relevo.api().with_token("root"));
    let (of_tests, of_ana) = (ended(&relevo, &relevo.api()), ended(&relevo, &ana));
    let all = json!({ "older_than_days": 0 });

    assert_eq!(relevo.api().delete(&format!("/api/jobs/{of_ana}")).refusal(404).code, "job_not_found");
    assert_eq!(clean_up(&ana, &all).json()["jobs_deleted"], 1);
    assert_eq!(relevo.api().job(&of_tests).status, "completed");
    assert_eq!(clean_up(&root, &all).json()["jobs_deleted"], 1);
    assert_eq!(relevo.api().get(&format!("/api/jobs/{of_tests}")).status, 404);
}
