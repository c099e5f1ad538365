//! What is going on, as those see it who look.

use relevo_shared::job::JobState;
use rig::{Redis, Relevo, SOON, text, until};
use serde_json::{Value, json};

fn get(relevo: &Relevo, path: &str) -> Value {
    let answer = relevo.api().get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

#[test]
fn a_worker_is_listed_with_what_it_said_until_it_is_forgotten() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("quiet", &["hand"]);
    let body = json!({
        "worker_id": "gpu-1", "worker_type": "gpu", "supported_skills": ["zeta", {"name": "alpha", "input_schema": {"type": "object"}}],
        "resources": { "gpu_info": { "model": "T4", "vram_gb": 16 } }, "labels": ["madrid"], "heartbeat_seconds": 4,
    });
    assert_eq!(hand.api().post("/_worker/workers/register", &body).status, 200);
    let beat = json!({ "status": "busy", "load": 2, "current_tasks": ["one"], "hot_cache": ["beto"] });
    assert_eq!(hand.api().patch("/_worker/workers/gpu-1", &beat).status, 200);

    let workers = get(&relevo, "/api/v1/workers");

    let worker =
        workers.as_array().expect("a list").iter().find(|worker| worker["id"] == "gpu-1").expect("it is listed");
    let told = [
        "worker_id",
        "worker_type",
        "status",
        "load",
        "skills",
        "current_tasks",
        "loaded_models",
        "labels",
        "lease_seconds",
    ];
    let told = told.map(|name| worker[name].clone());
    let expected = json!(["gpu-1", "gpu", "busy", 2.0, ["alpha", "zeta"], ["one"], ["beto"], ["madrid"], 12.0]);
    assert_eq!(json!(told), expected);
    assert_eq!(worker["resources"]["gpu_info"]["vram_gb"], 16.0);
    assert!(text(&worker["last_seen"]) >= text(&worker["registered_at"]));
    assert_eq!(get(&relevo, "/api/v1/workers?limit=1").as_array().map(Vec::len), Some(1));
    assert_eq!(relevo.api().get("/api/v1/workers?limit=0").refusal(422).details[0].field, "limit");

    // What expires by itself after a silence.
    redis::cmd("DEL").arg("relevo:{workers}:worker:gpu-1").exec(&mut redis.connection()).expect("Redis answers");

    let left = get(&relevo, "/api/v1/workers");
    assert_eq!(
        left.as_array().map(|list| list.iter().map(|worker| text(&worker["id"])).collect()),
        Some(vec!["quiet".to_owned()])
    );
}

#[test]
fn skills_and_figures_tell_of_workers_queues_and_leases() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("worker", &["hand"]);
    for _ in 0..3 {
        assert!(!relevo.api().create("jobs/by_hand", &json!({})).is_empty());
    }
    let task = hand.claim();

    let skills = get(&relevo, "/api/v1/skills");
    let figures = get(&relevo, "/api/v1/dashboard");

    let skill = |name: &str| skills.as_array().expect("a list").iter().find(|skill| skill["name"] == name).cloned();
    let hands = skill("hand").expect("a worker has it");
    assert_eq!((&hands["workers"], &hands["queued"]), (&json!(1), &json!(2)));
    assert!(hands["blueprints"].as_array().is_some_and(|names| names.contains(&json!("by_hand"))), "{hands}");
    assert_eq!(skill("first").expect("a blueprint needs it")["workers"], 0);
    assert_eq!(figures["tasks"], json!({ "queued": 2, "held": 1 }));
    assert_eq!(figures["queues"], json!([{ "queue": "hand", "queued": 2 }]));
    assert_eq!(figures["workers"], json!({ "alive": 1, "by_status": { "idle": 1 } }));
    let blueprints = get(&relevo, "/api/v1/blueprints")["blueprints"].as_array().map(Vec::len);
    assert_eq!(figures["blueprints"].as_u64(), blueprints.map(|count| count as u64));
    assert!(
        figures["store"]["used_memory_bytes"].as_u64() > Some(0) && figures["store"]["latency_ms"].as_f64() > Some(0.0)
    );
    assert_eq!(figures["jobs"], json!({ "open": 3, "ended": {} }));

    assert_eq!(hand.succeed(&task, &json!({})).status, 200);

    relevo.api().wait(&task.job_id.to_string(), JobState::Completed);
    assert_eq!(get(&relevo, "/api/v1/dashboard")["jobs"], json!({ "open": 2, "ended": { "completed": 1 } }));
}

#[test]
fn a_replica_is_ready_while_redis_answers() {
    let mut redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    assert_eq!(get(&relevo, "/_public/ready"), json!({ "status": "ok" }));

    redis.sigkill();

    until("it not to be ready", SOON, || (relevo.api().get("/_public/ready").status == 503).then_some(()));
    assert_eq!(get(&relevo, "/_public/status"), json!({ "status": "ok" }), "it still serves");
    redis.restart();
    until("it to be ready again", SOON, || (relevo.api().get("/_public/ready").status == 200).then_some(()));
}
