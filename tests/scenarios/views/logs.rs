//! The lines that a job's tasks wrote.

use rig::{Relevo, SOON, until};
use serde_json::{Value, json};

/// A running job with these lines, each a level and a message.
fn job_with(relevo: &Relevo, lines: &[(&str, String)]) -> String {
    let hand = relevo.hand("writer", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();
    let logs: Vec<_> = lines.iter().map(|(level, message)| json!({ "level": level, "message": message })).collect();
    let mut report = json!({ "worker_id": "writer", "lease_token": task.lease_token, "logs": logs });
    report["logs"][0]["context"] = json!({ "filename": "VxRail_Admin_Guide.pdf" });
    assert_eq!(hand.api().post(&format!("/_worker/tasks/{}/progress", task.task_id), &report).status, 200);
    until("the lines to be kept", SOON, || (logs_of(relevo, &id, "")["total"] == lines.len()).then_some(()));
    id
}

fn logs_of(relevo: &Relevo, id: &str, query: &str) -> Value {
    let answer = relevo.api().get(&format!("/api/jobs/{id}/logs{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

fn messages(logs: &Value) -> Vec<&str> {
    logs["logs"].as_array().expect("a list").iter().filter_map(|line| line["message"].as_str()).collect()
}

#[test]
fn a_level_is_the_mildest_that_is_told() {
    let relevo = Relevo::dev();
    let lines = ["debug", "info", "warning", "error", "info"].map(|level| (level, format!("one {level}")));
    let id = job_with(&relevo, &lines);

    let all = logs_of(&relevo, &id, "");
    assert_eq!((&all["job_id"], &all["total"]), (&json!(id), &json!(5)));
    let first = &all["logs"][0];
    assert_eq!(
        (&first["level"], &first["context"]),
        (&json!("debug"), &json!({ "filename": "VxRail_Admin_Guide.pdf" }))
    );
    assert!(first["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{first}");
    assert_eq!(all["logs"][1]["context"], json!({}));
    for (level, expected) in [
        ("debug", vec!["one debug", "one info", "one warning", "one error", "one info"]),
        ("info", vec!["one info", "one warning", "one error", "one info"]),
        ("warning", vec!["one warning", "one error"]),
        ("error", vec!["one error"]),
    ] {
        let logs = logs_of(&relevo, &id, &format!("?level={level}"));
        assert_eq!((messages(&logs), &logs["total"]), (expected.clone(), &json!(expected.len())), "{level}");
    }
}

#[test]
fn the_latest_lines_come_oldest_first_and_all_are_counted() {
    let relevo = Relevo::dev();
    let lines: Vec<_> = (0..250).map(|n| (if n % 2 == 0 { "info" } else { "debug" }, format!("line {n}"))).collect();
    let id = job_with(&relevo, &lines);

    let usual = logs_of(&relevo, &id, "");
    assert_eq!((messages(&usual).len(), messages(&usual)[0], &usual["total"]), (100, "line 150", &json!(250)));
    let some = logs_of(&relevo, &id, "?level=info&limit=3");
    assert_eq!((messages(&some), &some["total"]), (vec!["line 244", "line 246", "line 248"], &json!(125)));
    assert_eq!(messages(&logs_of(&relevo, &id, "?limit=10000")).len(), 250);
}

#[test]
fn lines_that_cannot_be_told_are_refused_with_the_reason() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/by_hand", &json!({}));

    assert_eq!(logs_of(&relevo, &id, ""), json!({ "job_id": id, "logs": [], "total": 0 }));
    for (query, field) in [
        ("level=warn", "level"),
        ("level=INFO", "level"),
        ("level=", "level"),
        ("limit=0", "limit"),
        ("limit=-5", "limit"),
        ("limit=10001", "limit"),
        ("limit=many", "limit"),
        ("levels=info", "levels"),
    ] {
        let problem = relevo.api().get(&format!("/api/jobs/{id}/logs?{query}")).refusal(422);
        assert_eq!(problem.details[0].field, field, "{query}: {problem:?}");
    }
}
