//! What Prometheus reads: what happened is counted, and labels are names that the deployment knows.

use relevo_shared::job::JobState;
use rig::{Relevo, SOON, until};
use serde_json::json;

#[test]
fn a_job_is_counted_from_its_creation_to_its_end() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("counted", &["hand"]);

    let id = relevo.api().create("jobs/by_hand", &json!({}));
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    relevo.api().wait(&id, JobState::Completed);

    let now = relevo.samples();
    for counted in [
        r#"relevo_jobs_created_total{blueprint="by_hand"}"#,
        r#"relevo_jobs_ended_total{state="completed"}"#,
        r#"relevo_job_duration_seconds_count{state="completed"}"#,
        r#"relevo_task_queue_seconds_count{skill="hand"}"#,
        r#"relevo_task_run_seconds_count{outcome="succeeded",skill="hand"}"#,
        r#"relevo_tasks_ended_total{outcome="succeeded",skill="hand"}"#,
        r#"relevo_poll_seconds_count{outcome="task"}"#,
    ] {
        assert_eq!(now.get(counted), Some(&1.0), "{counted} in {now:#?}");
    }
    for script in ["submit_job", "claim_tasks", "complete_task", "advance_job"] {
        // A script that Redis has not seen yet is called twice.
        let calls = now.get(&format!(r#"relevo_redis_call_seconds_count{{call="{script}"}}"#)).copied();
        assert!(calls.is_some_and(|calls| calls >= 1.0), "{script}: {calls:?}");
    }
    assert!(now["process_resident_memory_bytes"] > 1e6, "{now:#?}");
}

#[test]
fn tasks_that_nobody_takes_are_seen() {
    let relevo = Relevo::dev();

    for _ in 0..3 {
        let _ = relevo.api().create("jobs/by_hand", &json!({}));
    }

    until("three tasks to be seen in the queue", SOON, || {
        let now = relevo.samples();
        assert!(now.len() > 10, "{now:#?}");
        (now.get(r#"relevo_queued_tasks{skill="hand"}"#) == Some(&3.0)).then_some(())
    });
    let hand = relevo.hand("late", &["hand"]);
    let held = hand.claim();
    until("one of them to be seen leased", SOON, || {
        let _ = hand.beat(&[&held]);
        let now = relevo.samples();
        (now.get("relevo_leases") == Some(&1.0)
            && now.get("relevo_workers") == Some(&1.0)
            && now.get(r#"relevo_queued_tasks{skill="hand"}"#) == Some(&2.0))
        .then_some(())
    });
}

#[test]
fn what_a_stranger_names_is_no_label() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("inventive", &["hand", "a.skill.of.its.own"]);

    assert_eq!(relevo.api().post("/api/v1/jobs/invented", &json!({})).status, 404);
    assert_eq!(relevo.api().get("/api/v9/nowhere/at-all").status, 405);
    assert_eq!(hand.api().get("/_worker/workers/inventive/tasks/next?wait=0").status, 204);

    let told = until("the requests to be counted", SOON, || {
        let now = relevo.samples();
        now.contains_key(r#"relevo_poll_seconds_count{outcome="empty"}"#).then_some(now)
    });
    for invented in ["invented", "nowhere", "inventive", "a.skill.of.its.own", "v9"] {
        assert!(told.keys().all(|name| !name.contains(invented)), "{invented} in {told:#?}");
    }
}

#[test]
fn what_the_gpus_of_workers_do_is_listed_and_measured() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("trainer", &["hand"]);
    let beat = |body: &serde_json::Value| hand.api().patch("/_worker/workers/trainer", body);
    let gpu =
        json!({ "unit_id": "GPU-1", "load_percent": 87.5, "metrics": { "memory_used_gb": 3, "memory_total_gb": 16 } });
    let usage = json!({ "cpu_load_percent": 12.5, "ram_used_gb": 4.25, "devices_usage": [gpu] });
    assert_eq!(beat(&json!({ "status": "idle", "usage": usage })).status, 200);

    // Nothing new is no news, and what makes no sense ends no worker.
    assert_eq!(beat(&json!({ "status": "busy" })).status, 200);
    assert_eq!(beat(&json!({ "usage": { "devices_usage": "many" } })).status, 200);

    let workers = relevo.api().get("/api/v1/workers").json();
    let mut expected = usage;
    expected["devices_usage"][0]["metrics"] = json!({ "memory_total_gb": 16, "memory_used_gb": 3 });
    assert_eq!(workers[0]["usage"], expected);
    let of_gpu = |name: &str| format!(r#"relevo_gpu_{name}{{gpu="GPU-1",worker="trainer"}}"#);
    until("the GPU to be measured", SOON, || {
        let now = relevo.samples();
        let told = ["utilization_ratio", "memory_used_bytes", "memory_total_bytes"]
            .map(|name| now.get(&of_gpu(name)).copied());
        let gib = 1024.0 * 1024.0 * 1024.0;
        (told == [Some(0.875), Some(3.0 * gib), Some(16.0 * gib)]).then_some(())
    });
}
