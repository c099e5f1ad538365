//! The wire as workers of the field speak it, request by request: what their releases send, and what they make of answers.

use std::time::{Duration, Instant};

use reqwest::Method;
use rig::{Answer, Api, Relevo};
use serde_json::{Value, json};

/// Sends a request with the header by which the SDK is known.
fn sdk(relevo: &Relevo, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let request = relevo.worker_api(relevo.worker_token()).request(method, path).header("x-rxon-version", "1.0b17");
    Api::send(match body {
        Some(body) => request.json(body),
        None => request,
    })
}

#[test]
fn a_heartbeat_with_nulls_and_skills_registers_a_worker_that_is_unknown() {
    let relevo = Relevo::dev();
    let path = "/_worker/workers/w";
    let beat = |skills: Value| {
        json!({
            "worker_id": "w", "status": "idle", "load": 0.0, "current_tasks": [], "supported_skills": skills,
            "hot_cache": [], "skill_dependencies": null, "hot_skills": null,
        })
    };

    let busy = sdk(&relevo, Method::PATCH, path, Some(&beat(json!([]))));
    let idle = sdk(&relevo, Method::PATCH, path, Some(&beat(json!(["hand"]))));

    assert_eq!((busy.status.as_u16(), busy.json()["error"].as_str()), (404, Some("worker not found")));
    assert_eq!(idle.json(), json!({ "status": "ttl_refreshed" }));
    assert_eq!(sdk(&relevo, Method::PATCH, path, Some(&beat(json!([])))).status, 200);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    assert_eq!(sdk(&relevo, Method::GET, &format!("{path}/tasks/next"), None).json()["job_id"], id.as_str());
}

#[test]
fn a_heartbeat_with_other_skills_is_asked_for_all_of_them() {
    let relevo = Relevo::dev();
    let skill = json!({ "name": "hand", "type": "hand", "description": null });
    let registration = json!({
        "worker_id": "w", "supported_skills": [skill], "skills_hash": "a1", "timestamp": 1,
        "resources": { "properties": { "cpu_cores": 4 }, "devices": [{ "type": "gpu", "properties": { "memory_gb": 16 } }] },
        "capabilities": { "cost_per_skill": {}, "s3_config_hash": null, "extra": {} },
    });
    assert_eq!(sdk(&relevo, Method::POST, "/_worker/workers/register", Some(&registration)).status, 200);
    let beat = |more: Value| {
        let mut body = json!({ "worker_id": "w", "status": "idle", "current_tasks": [], "timestamp": 2 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sdk(&relevo, Method::PATCH, "/_worker/workers/w", Some(&body)).json()
    };

    let same = beat(json!({ "skills_hash": "a1" }));
    let other = beat(json!({ "skills_hash": "b2" }));
    let all = beat(json!({ "skills_hash": "b2", "supported_skills": [{ "name": "new" }] }));

    assert_eq!((&same["require_full_sync"], &other["require_full_sync"]), (&Value::Null, &json!(true)));
    assert_eq!(all["require_full_sync"], Value::Null);
    assert!(same["next_heartbeat_jitter_ms"].as_u64().is_some_and(|jitter| jitter <= 1500), "{same}");
}

#[test]
fn a_poll_gets_no_task_of_a_skill_that_cannot_begin_now() {
    let relevo = Relevo::dev();
    let _hand = relevo.hand("w", &["hand", "other"]);
    let _id = relevo.api().create("jobs/by_hand", &json!({}));
    let poll = |available: &str| {
        let path = format!("/_worker/workers/w/tasks/next?timeout=0.2&available_skills={available}&hot_skills=");
        sdk(&relevo, Method::GET, &path, None).status.as_u16()
    };

    assert_eq!((poll("other"), poll(""), poll("other,hand")), (204, 204, 200));
}

#[test]
fn a_stale_result_is_ignored_where_a_refusal_would_be_sent_again() {
    let relevo = Relevo::dev();
    let (holder, thief) = (relevo.hand("holder", &["hand"]), relevo.hand("thief", &["hand"]));
    let _id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = holder.claim();
    let stale = json!({ "job_id": task.job_id, "task_id": task.task_id, "worker_id": "thief", "data": {} });

    let answer = sdk(&relevo, Method::POST, "/_worker/tasks/result", Some(&stale));

    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "status": "ignored", "reason": "stale_task" })));
    assert_eq!(thief.api().post("/_worker/tasks/result", &stale).refusal(409).code, "lease_lost");
    assert_eq!(holder.succeed(&task, &json!({})).status, 200);
}

#[test]
fn a_worker_that_asks_again_at_once_is_refused_slowly() {
    let relevo = Relevo::dev();
    let unknown = "/_worker/workers/nobody/tasks/next";
    let timed = |ask: &dyn Fn() -> Answer| {
        let began = Instant::now();
        assert_eq!(ask().status, 404);
        began.elapsed()
    };

    let hasty = timed(&|| sdk(&relevo, Method::GET, unknown, None));
    let patient = timed(&|| relevo.worker_api(relevo.worker_token()).get(unknown));

    assert!(hasty >= Duration::from_secs(1) && patient < hasty, "{hasty:?} and {patient:?}");
}

#[test]
fn an_empty_body_is_a_sign_of_life_whatever_type_it_is_said_to_have() {
    let relevo = Relevo::dev();
    let _hand = relevo.hand("w", &["hand"]);
    let request = relevo.worker_api(relevo.worker_token()).request(Method::PATCH, "/_worker/workers/w");

    let answer = Api::send(request.header("content-type", "application/octet-stream").body(""));

    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "status": "ttl_refreshed" })));
}

#[test]
fn a_body_whose_signature_is_wrong_is_refused() {
    let relevo = Relevo::dev();
    let body = json!({
        "worker_id": "w", "supported_skills": ["hand"], "security": { "signature": "00".repeat(32), "signer_id": "w" },
    });

    let refused = sdk(&relevo, Method::POST, "/_worker/workers/register", Some(&body));

    assert!(refused.refusal(401).error.contains("signature"));
}
