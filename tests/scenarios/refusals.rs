//! Requests that are wrong are refused in words that help.

use rig::{Api, Relevo, text};
use serde_json::{Value, json};

#[test]
fn a_token_that_is_wrong_by_one_character_opens_nothing() {
    let relevo = Relevo::dev();
    let right = &relevo.environment()["RELEVO_CLIENT_TOKEN"];
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let mut wrong: Vec<char> = right.chars().collect();
    let last = wrong.last_mut().expect("a token is not empty");
    *last = if *last == 'a' { 'b' } else { 'a' };
    let wrong: String = wrong.into_iter().collect();

    for token in [wrong.as_str(), &right[1..], "", &format!("{right}x"), &relevo.environment()["RELEVO_WORKER_TOKEN"]] {
        let stranger = relevo.api().with_token(token);

        assert_eq!(stranger.get(&format!("/api/v1/jobs/{id}")).refusal(401).code, "unauthorized");
        assert_eq!(stranger.post("/api/v1/jobs/by_hand", &json!({})).status, 401);
        assert_eq!(stranger.put("/api/datasets/x/tables/primary", "a\n1\n").status, 401);
        assert_eq!(
            Api::worker(relevo.url(), token).get("/_worker/workers/w/tasks/next").status == 401,
            token != worker(&relevo)
        );
    }
}

#[test]
fn the_same_token_is_accepted_under_each_of_its_headers() {
    let relevo = Relevo::dev();
    let token = &relevo.environment()["RELEVO_CLIENT_TOKEN"];
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let nobody = relevo.api().with_token("");
    let path = format!("/api/v1/jobs/{id}");

    for (name, value) in
        [("x-client-token", token.clone()), ("x-api-key", token.clone()), ("authorization", format!("Bearer {token}"))]
    {
        let request = reqwest::blocking::Client::new().get(format!("{}{path}", relevo.url())).header(name, value);
        assert_eq!(Api::send(request).status, 200, "{name}");
    }
    assert_eq!(nobody.get(&path).status, 401);
}

#[test]
fn an_unknown_blueprint_is_not_found() {
    let relevo = Relevo::dev();

    let problem = relevo.api().post("/api/v1/jobs/no_such", &json!({})).refusal(404);

    assert!(problem.error.contains("jobs/no_such"), "{problem:?}");
    assert_eq!(problem.error, problem.message);
}

#[test]
fn a_field_that_is_unknown_or_of_the_wrong_type_is_named() {
    let relevo = Relevo::dev();
    let cases: [(Value, &str); 13] = [
        (json!({ "initial_data": { "seconds": 1 }, "inital_data": {} }), "inital_data"),
        (json!({ "initial_data": "seconds" }), "initial_data"),
        (json!({ "initial_data": { "seconds": "one" } }), "initial_data.seconds"),
        (json!({ "initial_data": { "seconds": -1 } }), "initial_data.seconds"),
        (json!({ "initial_data": { "seconds": 1, "minutes": 1 } }), "minutes"),
        (json!({ "initial_data": {} }), "seconds"),
        (json!({ "initial_data": { "seconds": 1 }, "dispatch_timeout": -5 }), "dispatch_timeout"),
        (json!({ "initial_data": { "seconds": 1 }, "result_timeout": 0 }), "result_timeout"),
        (json!({ "initial_data": { "seconds": 1 }, "priority": 1001 }), "priority"),
        (json!({ "initial_data": { "seconds": 1 }, "run_at": "tomorrow" }), "run_at"),
        (json!({ "initial_data": { "seconds": 1 }, "unique_key": "" }), "unique_key"),
        (json!({ "initial_data": { "seconds": 1 }, "concurrency_limit": 2 }), "concurrency_limit"),
        (json!([{ "seconds": 1 }]), "body"),
    ];

    for (body, field) in cases {
        let problem = relevo.api().post("/api/v1/jobs/sleep", &body).refusal(422);

        let told = problem.details.iter().any(|detail| detail.field.contains(field) || detail.reason.contains(field));
        assert!(told, "{body} was refused without a word of {field}: {problem:?}");
    }
}

#[test]
fn a_body_that_is_no_json_is_refused() {
    let relevo = Relevo::dev();
    let send = |body: &'static str, kind: &str| {
        let request = relevo.api().request(reqwest::Method::POST, "/api/v1/jobs/by_hand");
        Api::send(request.header("content-type", kind).body(body))
    };

    assert_eq!(send("{\"initial_data\": ", "application/json").refusal(422).details.len(), 1);
    assert_eq!(send("{}", "text/plain").status, 415);
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let relevo = Relevo::dev();
    let api = relevo.api();

    let answer = api.post("/api/v1/jobs/by_hand", &json!({ "initial_data": { "text": "x".repeat(32 << 20) } }));

    assert_eq!(answer.refusal(413).code, "body_too_large");
    let id = api.create("jobs/by_hand", &json!({}));
    assert_eq!(text(&api.get(&format!("/api/v1/jobs/{id}")).json()["status"]), "pending");
}

#[test]
fn what_is_no_job_id_is_not_found() {
    let relevo = Relevo::dev();

    for id in ["1", "cleanup", "0198C0DE-0000-7000-8000-000000000000", "..%2F..%2Fetc", "%7Bp00%7D", "*"] {
        assert_eq!(relevo.api().get(&format!("/api/v1/jobs/{id}")).status, 404, "{id}");
    }
}

#[test]
fn anybody_may_ask_whether_it_lives_and_what_it_counts() {
    let relevo = Relevo::dev();
    let nobody = relevo.api().with_token("");

    assert_eq!(nobody.get("/_public/status").json(), json!({ "status": "ok" }));
    let metrics = nobody.get("/_public/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("# TYPE relevo_"), "{}", metrics.text());
}

fn worker(relevo: &Relevo) -> &str {
    &relevo.environment()["RELEVO_WORKER_TOKEN"]
}
