//! Figures that a job's tasks measure: told in reports, kept as series, seen while they come.

use rig::{Relevo, text};
use serde_json::{Value, json};

use crate::live::{events, held, seq, stream, word};

fn point(name: &str, step: u64, value: f64) -> Value {
    json!({ "name": name, "step": step, "value": value })
}

fn metrics(relevo: &Relevo, id: &str, query: &str) -> Value {
    let answer = relevo.api().get(&format!("/api/jobs/{id}/metrics{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

#[test]
fn the_losses_of_a_training_are_seen_while_they_come_and_read_afterwards() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("trainer", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    let mut socket = stream(&relevo, &id, "");
    let mut sse = events(&relevo, &id, "?logs=info", None).expect("the job can be watched");
    let mut without = events(&relevo, &id, "?metrics=false", None).expect("the job can be watched");
    assert_eq!(socket.receive()["snapshot"], true);

    let first = json!({ "metrics": [point("loss", 1, 0.5), point("val/acc", 1, 0.75)], "progress": 0.5 });
    assert_eq!(hand.tell(&task, first).status, 200);
    let second = json!({ "metrics": [{ "name": "loss", "step": 2, "value": 0.25, "timestamp": "2026-11-28T02:00:00+01:00" }],
        "logs": [{ "level": "info", "message": "epoch 2" }] });
    assert_eq!(hand.tell(&task, second).status, 200);

    let [loss, accuracy, progress, later] = [(); 4].map(|()| socket.receive());
    let expected = json!({ "type": "metric", "job_id": id, "task_id": task.task_id, "name": "loss", "step": 1,
        "value": 0.5, "timestamp": word(&loss, "timestamp"), "seq": seq(&loss) });
    assert_eq!(loss, expected);
    assert_eq!((word(&accuracy, "name"), word(&progress, "type")), ("val/acc", "progress"));
    assert_eq!((&later["value"], word(&later, "timestamp")), (&json!(0.25), "2026-11-28T01:00:00.000Z"));
    assert!(seq(&loss) < seq(&accuracy) && seq(&accuracy) < seq(&progress) && seq(&progress) < seq(&later));
    let heard: Vec<_> = (0..6).map(|_| sse.next().expect("an event comes").kind).collect();
    assert_eq!(heard, ["progress", "metric", "metric", "progress", "log", "metric"]);

    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    assert_eq!(word(&socket.receive(), "type"), "completed");
    let kinds: Vec<_> = std::iter::from_fn(|| without.next()).map(|event| event.kind).collect();
    assert_eq!(kinds, ["progress", "progress", "completed"]);
    let mut again = events(&relevo, &id, &format!("?since={}", seq(&accuracy)), None).expect("the job can be watched");
    let kinds: Vec<_> = std::iter::from_fn(|| again.next()).map(|event| event.kind).collect();
    assert_eq!(kinds, ["progress", "metric", "completed"]);

    let all = metrics(&relevo, &id, "");
    assert_eq!((&all["job_id"], &all["dropped"]), (&json!(id), &json!(0)));
    let [losses, accuracies] = [&all["series"][0], &all["series"][1]];
    assert_eq!((word(losses, "name"), &losses["task_id"], &losses["total"]), ("loss", &json!(task.task_id), &json!(2)));
    assert_eq!(losses["points"][1], json!({ "step": 2, "value": 0.25, "timestamp": "2026-11-28T01:00:00.000Z" }));
    assert_eq!((word(accuracies, "name"), &accuracies["points"][0]["value"]), ("val/acc", &json!(0.75)));
    assert_eq!(metrics(&relevo, &id, "?name=loss&since_step=2&limit=1")["series"][0]["points"][0]["step"], 2);
    assert_eq!(metrics(&relevo, &id, "?name=other")["series"], json!([]));
    let said = relevo.cli(&["metrics", &id, "--name", "loss", "--since-step", "2"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.trim_end(), "2026-11-28T01:00:00.000Z  task 1  loss  step 2  0.25");
}

#[test]
fn figures_that_cannot_be_kept_are_refused_with_their_place() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("trainer", &["hand"]);
    let (id, task) = held(&relevo, &hand);

    for (figures, field) in [
        (json!([point("loss", 1, 0.5), point("", 1, 0.5)]), "metrics[1].name"),
        (json!([point(&"x".repeat(129), 1, 0.5)]), "metrics[0].name"),
        (json!([point("a b", 1, 0.5)]), "metrics[0].name"),
        (json!([point("loss", u64::MAX, 0.5)]), "metrics[0].step"),
        (json!(vec![point("loss", 1, 0.5); 1_001]), "metrics"),
        (json!([{ "name": "loss", "step": -1, "value": 0.5 }]), "metrics[0].step"),
        (json!([{ "name": "loss", "step": 1, "value": "much" }]), "metrics[0].value"),
        (json!([{ "name": "loss", "step": 1, "value": null }]), "metrics[0].value"),
    ] {
        let problem = hand.tell(&task, json!({ "metrics": figures })).refusal(422);
        assert_eq!(problem.details[0].field, field, "{problem:?}");
    }
    assert_eq!(metrics(&relevo, &id, ""), json!({ "job_id": id, "series": [], "dropped": 0 }));

    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("since_step=-1", "since_step"),
        ("task_id=7", "task_id"),
        ("names=loss", "names"),
    ] {
        let problem = relevo.api().get(&format!("/api/jobs/{id}/metrics?{query}")).refusal(422);
        assert_eq!(problem.details[0].field, field, "{query}: {problem:?}");
    }
    let unknown = relevo.api().get("/api/jobs/0198c0de-0000-7000-8000-000000000000/metrics");
    assert_eq!(unknown.refusal(404).code, "job_not_found");
}

#[test]
fn the_branches_of_a_map_have_series_of_their_own() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/echo_each", &json!({ "numbers": [1, 2, 3] }));
    assert_eq!(metrics(&relevo, &id, "")["series"], json!([]));

    let echo = relevo.hand("trials", &["echo"]);
    let tasks = [(); 3].map(|()| echo.claim());
    for (step, task) in tasks.iter().enumerate() {
        assert_eq!(echo.tell(task, json!({ "metrics": [point("loss", step as u64, 0.5)] })).status, 200);
    }

    let series = metrics(&relevo, &id, "")["series"].clone();
    let told: Vec<_> = tasks.iter().map(|task| task.task_id.to_string()).collect();
    let kept: Vec<_> = series.as_array().expect("a list").iter().map(|one| text(&one["task_id"])).collect();
    assert_eq!(kept, told);
    let only = metrics(&relevo, &id, &format!("?task_id={}", told[1]));
    assert_eq!(
        (&only["series"][0]["points"][0]["step"], only["series"].as_array().map(Vec::len)),
        (&json!(1), Some(1))
    );
}
