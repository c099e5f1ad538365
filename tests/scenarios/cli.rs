//! The command line as people and scripts use it.

use std::{fs, process::Output};

use rig::{Relevo, Worker, repository, text};
use serde_json::Value;

#[test]
fn a_job_is_submitted_watched_and_shown() {
    let relevo = Relevo::dev();
    let _worker = Worker::start(&relevo, "only");

    let submitted = json_of(&relevo.cli(&["submit", "echo", "--param", "word=hola", "--param", "n=3", "--json"]));
    let id = text(&submitted["job_id"]);
    let watched = relevo.cli(&["watch", &id, "--json"]);
    let shown = json_of(&relevo.cli(&["show", &id, "--json"]));

    assert!(watched.status.success(), "{watched:?}");
    assert_eq!(shown["job"]["result"]["word"], "hola", "{shown}");
    assert_eq!(shown["job"]["result"]["n"], 3, "a number stays a number: {shown}");
}

#[test]
fn validate_lists_every_fault_at_once() {
    let relevo = Relevo::dev();

    let output = relevo.cli(&["validate", "tests/scenarios/broken.yaml"]);

    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    for part in ["name", "version", "Nowhere", "Resource", "Missing", "Choices", "Snooze"] {
        assert!(told.contains(part), "nothing is said of {part}:\n{told}");
    }
    assert!(told.contains("broken.yaml:2"), "the first fault is on line 2:\n{told}");
}

#[test]
fn every_blueprint_of_this_repository_is_valid() {
    let relevo = Relevo::dev();

    for folder in ["blueprints", "tests/scenarios/blueprints"] {
        let mut files = 0;
        for entry in fs::read_dir(repository().join(folder)).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            let output = relevo.cli(&["validate", path.to_str().expect("paths here are text")]);
            assert!(output.status.success(), "{}: {output:?}", path.display());
            files += 1;
        }
        assert!(files > 0, "{folder} is empty");
    }
}

#[test]
fn a_job_is_explained_decided_and_cancelled() {
    let relevo = Relevo::dev();
    let submit = |name: &str| text(&json_of(&relevo.cli(&["submit", name, "--json"]))["job_id"]);
    let said = |arguments: &[&str]| {
        let output = relevo.cli(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let (board, by_hand) = (submit("board"), submit("by_hand"));

    assert_eq!(said(&["explain", &board]), "waiting_for_human\n  Ask: a person has to decide");
    assert_eq!(said(&["explain", &by_hand]), "pending\n  Hand: no worker that is alive has the skill `hand`");
    assert_eq!(said(&["approve", &board, "--comment", "fine"]), "approval_received");
    assert!(relevo.cli(&["watch", &board]).status.success());
    assert_eq!(said(&["cancel", &by_hand]), "cancellation_request_accepted");
    let refused = relevo.cli(&["retry", &by_hand]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("Cannot retry cancelled job"), "{refused:?}");
}

#[test]
fn jobs_are_listed_read_and_forgotten() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("writer", &["hand"]);
    let said = |arguments: &[&str]| {
        let output = relevo.cli(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let ids = [(); 3].map(|()| text(&json_of(&relevo.cli(&["submit", "by_hand", "--json"]))["job_id"]));
    let task = hand.claim();
    let report = serde_json::json!({
        "worker_id": "writer", "lease_token": task.lease_token,
        "logs": [{ "level": "info", "message": "begun" }, { "level": "error", "message": "\u{1b}[31mred" }],
    });
    assert_eq!(hand.api().post(&format!("/_worker/tasks/{}/progress", task.task_id), &report).status, 200);
    assert_eq!(hand.fail(&task, "PERMANENT").status, 200);

    let page = said(&["jobs", "--limit", "2"]);
    let cursor = page.rsplit("--cursor ").next().expect("there is another page");
    assert!(page.contains(&ids[2]) && page.contains(&ids[1]) && !page.contains(&ids[0]), "{page}");
    let rest = said(&["jobs", "--cursor", cursor]);
    assert!(rest.contains(&ids[0]) && rest.contains("failed") && rest.contains("as the test wants it"), "{rest}");
    assert_eq!(said(&["jobs", "--status", "completed"]), "");
    assert_eq!(json_of(&relevo.cli(&["jobs", "--kind", "by_hand", "--json"]))["total"], 3);
    let lines = said(&["logs", &ids[0]]);
    assert!(lines.contains("info     begun") && lines.contains("error    \u{fffd}[31mred"), "{lines}");
    assert_eq!(said(&["logs", &ids[0], "--level", "error"]).lines().count(), 1);
    let refused = relevo.cli(&["delete", &ids[1]]);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("Cannot delete pending job. Cancel it first."),
        "{refused:?}"
    );
    assert_eq!(said(&["delete", &ids[0]]), "Job deleted");
    assert_eq!(said(&["cleanup", "--older-than-days", "0", "--status", "failed"]), "0 jobs deleted, 0 MB freed");
}

#[test]
fn a_blueprint_is_drawn() {
    let relevo = Relevo::dev();

    let dot = relevo.cli(&["graph", "blueprints/beto_sentiment.yaml"]);
    let svg = relevo.cli(&["graph", "--svg", "blueprints/beto_sentiment.yaml"]);

    assert!(String::from_utf8_lossy(&dot.stdout).starts_with("digraph"), "{dot:?}");
    assert!(String::from_utf8_lossy(&svg.stdout).contains("</svg>"), "{svg:?}");
}

#[test]
fn a_server_that_is_away_is_named() {
    let relevo = Relevo::dev();
    let output = std::process::Command::new(rig::program("relevo"))
        .args(["submit", "echo"])
        .env("RELEVO_URL", "http://127.0.0.1:9")
        .env("RELEVO_CLIENT_TOKEN", &relevo.environment()["RELEVO_CLIENT_TOKEN"])
        .output()
        .expect("the command-line client starts");

    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("http://127.0.0.1:9"), "{output:?}");
}

/// What a command printed, as JSON.
fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} in {output:?}"))
}
