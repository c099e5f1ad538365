//! What the documents refuse, each in its own form; and what they must not be led to.

use reqwest::Method;
use rig::{Answer, Api, Redis, Relevo};
use serde_json::{Value, json};

use super::EachState;

/// Every route that names a job, but for those of workers.
fn routes_of(id: &str) -> Vec<(Method, String, Value)> {
    let get = |path: String| (Method::GET, path, Value::Null);
    vec![
        get(format!("/api/v1/jobs/{id}")),
        get(format!("/api/v1/jobs/{id}/history")),
        get(format!("/api/v1/jobs/{id}/explain")),
        get(format!("/api/v1/jobs/{id}/deliveries")),
        (Method::POST, format!("/api/v1/jobs/{id}/cancel"), json!({})),
        (Method::POST, format!("/api/v1/jobs/{id}/retry"), json!({})),
        get(format!("/api/jobs/{id}")),
        get(format!("/api/jobs/{id}/logs")),
        get(format!("/api/jobs/{id}/metrics")),
        get(format!("/api/jobs/{id}/events")),
        get(format!("/api/jobs/{id}/stream")),
        (Method::POST, format!("/api/jobs/{id}/cancel"), json!({})),
        (Method::DELETE, format!("/api/jobs/{id}"), Value::Null),
        get(format!("/api/sampling/jobs/{id}/data")),
        get(format!("/jobs/{id}")),
    ]
}

fn send(api: &Api, (method, path, body): &(Method, String, Value)) -> Answer {
    let request = api.request(method.clone(), path);
    Api::send(if body.is_null() { request } else { request.json(body) })
}

#[test]
fn a_job_of_another_client_is_not_found_by_any_route() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));

    for route in routes_of(&id) {
        let answer = send(&relevo.stranger(), &route);

        let problem = answer.refusal(404);
        assert_eq!(
            (problem.code.as_str(), problem.job_id.as_deref()),
            ("job_not_found", Some(id.as_str())),
            "{route:?}"
        );
        assert_eq!(problem.error, "Job not found");
    }
    let toolkit = relevo.stranger().post("/v1/toolkit/job/status", &json!({ "job_id": id }));
    assert_eq!((toolkit.status.as_u16(), &toolkit.json()["error"]), (404, &json!("Job not found")));
    assert_eq!(relevo.api().job(&id).status, "pending", "nothing was done to it");
}

#[test]
fn what_is_no_job_id_is_not_found_and_redis_is_not_asked() {
    let mut redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[("RELEVO_ADDRESS_REQUESTS_PER_SECOND", "0")]);
    let api = relevo.api();
    let hostile = [
        "1",
        "status",
        "0198C0DE-0000-7000-8000-000000000000",
        "0198c0de000070008000000000000000",
        "e6d7f3c0-9c9f-4b8a-b7c3-f0e3c9f6b9d7",
        "0198c0de-0000-7000-8000-000000000000%00",
        "%00",
        "..",
        "..%2F..%2Fetc%2Fpasswd",
        "%F0%9F%A6%8A",
        "%FF",
        "'%20OR%20'1'='1",
        "1;DROP%20TABLE%20jobs--",
        "*",
        "%7Bp00%7D:job:x",
        &"a".repeat(10_000),
    ];
    // Whoever asks Redis now gets no answer.
    redis.sigkill();

    for id in hostile {
        for route in routes_of(id) {
            let answer = send(&api, &route);
            assert!(matches!(answer.status.as_u16(), 404 | 405 | 414), "{} {}: {}", route.0, route.1, answer.text());
        }
        let toolkit = api.post("/v1/toolkit/job/status", &json!({ "job_id": id }));
        assert_eq!(toolkit.status, 404, "{id}: {}", toolkit.text());
    }
}

#[test]
fn an_ended_job_is_not_cancelled_and_the_document_says_so_in_its_words() {
    let jobs = EachState::new();
    let cancel = |state: &str| jobs.api().post(&format!("/api/jobs/{}/cancel", jobs.id(state)), &json!({}));

    for (state, word) in
        [("completed", "completed"), ("failed", "failed"), ("quarantined", "failed"), ("cancelled", "cancelled")]
    {
        let problem = cancel(state).refusal(400);
        assert_eq!((problem.error, problem.code.as_str()), (format!("Cannot cancel {word} job"), "invalid_state"));
        assert_eq!(problem.job_id.as_deref(), Some(jobs.id(state)));
    }
    for state in ["pending", "running", "waiting"] {
        let answer = cancel(state);
        let done = json!({ "job_id": jobs.id(state), "status": "cancelled", "message": "Job cancelled successfully" });
        assert_eq!((answer.status.as_u16(), answer.json()), (200, done), "{state}");
    }
}

#[test]
fn the_spanish_document_adds_a_detail_to_every_refusal() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    let run = |body: Value| api.post("/jobs/preproc/beto/run", &body);
    let unknown_dataset = json!({ "dataset_id": "nowhere" });

    let refused = [
        (run(json!({})), 422, "dataset_id"),
        (run(unknown_dataset), 422, "dataset_id"),
        (run(json!({ "dataset_id": [] })), 422, "dataset_id"),
        (run(json!({ "dataset_id": "x", "text_cols": "y" })), 422, "text_cols"),
        (run(json!({ "dataset_id": "x", "tfidf_min_df": 0 })), 422, "tfidf_min_df"),
        (run(json!([])), 422, "body"),
    ];
    for (answer, status, field) in refused {
        let problem = answer.refusal(status);
        assert_eq!(problem.details[0].field, field, "{problem:?}");
        assert_eq!(problem.detail.as_ref(), Some(&problem.error));
        assert!(!problem.error.contains("initial_data"), "{problem:?}");
    }
    let nobody = api.with_token("").get("/jobs/0198c0de-0000-7000-8000-000000000000").refusal(401);
    assert_eq!(nobody.detail.as_deref(), Some(nobody.error.as_str()));
    let nothing = api.get("/jobs/preproc/beto").refusal(404);
    assert_eq!(nothing.detail.as_deref(), Some(nothing.error.as_str()));
}

#[test]
fn every_document_says_that_redis_is_away_and_nothing_of_its_inside() {
    let mut redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    redis.sigkill();

    for path in [format!("/api/jobs/{id}"), format!("/jobs/{id}"), format!("/api/v1/jobs/{id}")] {
        let answer = relevo.api().get(&path);
        assert!(answer.header("retry-after").is_some(), "{path}");
        assert_eq!(answer.refusal(503).code, "store_unavailable");
    }
    let toolkit = relevo.api().post("/v1/toolkit/job/status", &json!({ "job_id": id }));
    assert_eq!((toolkit.status.as_u16(), &toolkit.json()["code"]), (503, &json!(503)));
    let told = rig::text(&toolkit.json()["error"]);
    assert_eq!(told, "Failed to retrieve job status: the job store is away for a moment; try again");
}
