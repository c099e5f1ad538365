//! The toolkit's envelope.

use rig::{Api, Relevo};
use serde_json::{Value, json};

use super::EachState;

const STATUS: &str = "/v1/toolkit/job/status";

/// The names of an object's members, in their order.
fn members(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

const ENVELOPE: [&str; 13] = [
    "endpoint",
    "code",
    "id",
    "job_id",
    "response",
    "message",
    "pid",
    "queue_id",
    "run_time",
    "queue_time",
    "total_time",
    "queue_length",
    "build_number",
];

#[test]
fn a_job_that_is_done_comes_in_two_envelopes() {
    let jobs = EachState::new();
    let id = jobs.id("completed");

    let answer = jobs.api().post(STATUS, &json!({ "job_id": id })).json();

    assert_eq!(members(&answer), ENVELOPE);
    assert_eq!((&answer["endpoint"], &answer["code"], &answer["id"]), (&json!(STATUS), &json!(200), &Value::Null));
    assert_eq!(
        (&answer["job_id"], &answer["message"], &answer["queue_time"]),
        (&json!(id), &json!("success"), &json!(0.0))
    );
    let job = &answer["response"];
    assert_eq!(members(job), ["job_status", "job_id", "queue_id", "process_id", "response"]);
    let outcome = &job["response"];
    assert_eq!(members(outcome), ENVELOPE);
    assert_eq!((&outcome["endpoint"], &outcome["id"]), (&json!("/api/v1/jobs/by_hand"), &json!("my-own-7")));
    assert_eq!((&outcome["response"], &outcome["message"]), (&json!({ "rows": 12 }), &json!("success")));
    let [run, queue, total] =
        ["run_time", "queue_time", "total_time"].map(|name| outcome[name].as_f64().expect("a number of seconds"));
    assert!((run + queue - total).abs() < 0.002, "{outcome}");
    assert!((total * 1000.0 - (total * 1000.0).round()).abs() < 1e-6, "more than three decimals: {total}");
    assert_eq!((&answer["queue_id"], &outcome["queue_id"]), (&job["queue_id"], &job["queue_id"]));
    let waiting = jobs.api().post(STATUS, &json!({ "job_id": jobs.id("pending") })).json();
    assert_eq!(waiting["queue_id"], job["queue_id"], "the queue of one skill has one number");
    assert_eq!(waiting["queue_length"], 1, "one task of the skill waits: {waiting}");
}

#[test]
fn a_job_that_is_not_done_has_no_outcome_and_one_that_failed_says_why() {
    let jobs = EachState::new();
    let ask = |state: &str| jobs.api().post(STATUS, &json!({ "job_id": jobs.id(state) })).json()["response"].clone();

    assert_eq!(
        [ask("pending"), ask("running"), ask("waiting")].map(|job| job["response"].clone()),
        [Value::Null, Value::Null, Value::Null]
    );
    let failed = ask("failed")["response"].clone();
    assert_eq!(
        (&failed["code"], &failed["message"], &failed["response"]),
        (&json!(400), &json!("no good"), &Value::Null)
    );
}

#[test]
fn a_token_is_told_to_be_good_or_not() {
    let relevo = Relevo::dev();
    let token = &relevo.environment()["RELEVO_CLIENT_TOKEN"];
    let http = reqwest::blocking::Client::new();
    let url = format!("{}/v1/toolkit/authenticate", relevo.url());

    let good = Api::send(http.get(&url).header("x-api-key", token));
    let bad = Api::send(http.get(&url).header("x-api-key", "no"));

    assert_eq!((good.status.as_u16(), &good.json()["response"]), (200, &json!("Authorized")));
    assert_eq!(bad.status, 401);
    assert_eq!((&bad.json()["code"], members(&bad.json())), (&json!(401), vec!["error", "code"]));
}

#[test]
fn what_is_wrong_is_told_in_the_toolkits_bodies() {
    let relevo = Relevo::dev();
    let api = relevo.api();
    let unknown = "e6d7f3c0-9c9f-4b8a-b7c3-f0e3c9f6b9d7";

    let missing = api.post(STATUS, &json!({ "job_id": unknown }));
    assert_eq!(missing.status, 404);
    assert_eq!(missing.text(), format!(r#"{{"error":"Job not found","job_id":"{unknown}"}}"#));
    for body in [json!({}), json!({ "job_id": 5 }), json!({ "job_id": null }), json!([]), json!("x")] {
        let refused = api.post(STATUS, &body);
        assert_eq!(refused.status, 400, "{body}: {}", refused.text());
        assert_eq!((members(&refused.json()), &refused.json()["code"]), (vec!["error", "code"], &json!(400)), "{body}");
    }
    let nobody = api.with_token("").post(STATUS, &json!({ "job_id": unknown }));
    assert_eq!((nobody.status.as_u16(), &nobody.json()["code"]), (401, &json!(401)));
    assert_eq!(api.get(STATUS).status, 405);
}
