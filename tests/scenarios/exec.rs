//! Programs as skills: the examples of the guide, and what becomes of a program when its worker is killed.

use std::{fs, path::Path};

use relevo_shared::job::{JobState, StageStatus};
use reqwest::Method;
use rig::{Api, Relevo, SOON, Worker, repository, text, until};
use serde_json::{Value, json};

const GUIDE: &str = "docs/guides/exec";

fn worker(relevo: &Relevo, config: &Path) -> Worker {
    Worker::start_with(relevo, "programs", &[("RELEVO_CONFIG", config.to_str().expect("a path in UTF-8"))])
}

fn guide(relevo: &Relevo) -> Worker {
    worker(relevo, &repository().join(GUIDE).join("worker.toml"))
}

fn upload(api: &Api, id: &str, name: &str, bytes: impl Into<reqwest::blocking::Body>) -> String {
    let up = api.put(&format!("/api/v1/jobs/{id}/files/content/{name}"), bytes);
    assert_eq!(up.status, 200, "{}", up.text());
    text(&up.json()["s3_uri"])
}

fn file(api: &Api, id: &str, name: &str) -> Vec<u8> {
    let down = api.get(&format!("/api/v1/jobs/{id}/files/download/{name}"));
    api.bare(Method::GET, down.header("location").unwrap_or_else(|| panic!("{name}: {}", down.text())), "").body
}

#[test]
fn the_python_example_counts_the_words_of_a_file_that_comes_after_its_job() {
    let relevo = Relevo::dev_with(GUIDE);
    let (api, _worker) = (relevo.api(), guide(&relevo));
    let id = api.create("jobs/count_words", &json!({ "text": "poema.txt", "top": 2 }));
    api.wait(&id, JobState::Waiting);

    upload(&api, &id, "poema.txt", "Verde que te quiero verde.\nVerde viento. Verdes ramas.\n");

    let job = api.wait(&id, JobState::Completed);
    let result = job.result.expect("a completed job has a result");
    assert_eq!((&result["words"], &result["top"]), (&json!(9), &json!(["verde", "que"])), "{result}");
    assert!(text(&result["files"]["counts.csv"]).ends_with(&format!("/jobs/{id}/counts.csv")), "{result}");
    let table = String::from_utf8(file(&api, &id, "counts.csv")).expect("CSV in UTF-8");
    assert!(table.starts_with("word,count\r\nverde,3\r\n"), "{table}");
    assert_eq!((job.stages[0].name.as_str(), job.stages[0].status), ("count", StageStatus::Completed));
}

#[test]
fn what_a_program_says_of_its_input_reaches_the_client() {
    let relevo = Relevo::dev_with(GUIDE);
    let (api, _worker) = (relevo.api(), guide(&relevo));
    let id = api.create("jobs/count_words", &json!({ "text": "poema.txt" }));

    upload(&api, &id, "poema.txt", vec![0xff_u8, 0xfe, 0x00]);

    let error = api.wait(&id, JobState::Failed).error.expect("a failed job says why");
    assert_eq!((error.code.as_str(), error.details[0].field.as_str()), ("Worker.InvalidInput", "text"), "{error:?}");
}

#[test]
fn an_outcome_of_a_program_is_branched_on() {
    let relevo = Relevo::dev_with(GUIDE);
    let (api, _worker) = (relevo.api(), guide(&relevo));
    let id = api.create("jobs/count_words", &json!({ "text": "poema.txt" }));

    upload(&api, &id, "poema.txt", "… !\n");

    let result = api.wait(&id, JobState::Completed).result.expect("a completed job has a result");
    assert_eq!(result, json!({ "status": "to be reviewed", "review": { "reason": "there are no words" } }));
}

#[test]
fn the_shell_example_packs_the_files_that_it_is_given() {
    let relevo = Relevo::dev_with(GUIDE);
    let (api, _worker) = (relevo.api(), guide(&relevo));
    let other = api.create("jobs/count_words", &json!({ "text": "never" }));
    let files: Vec<String> = ["a.txt", "b%20c.txt"].map(|name| upload(&api, &other, name, format!("of {name}"))).into();

    let id = api.create("jobs/pack_files", &json!({ "files": files }));

    let result = api.wait(&id, JobState::Completed).result.expect("a completed job has a result");
    assert_eq!(result["packed"], 2, "{result}");
    let names: Vec<&String> = result["files"].as_object().expect("names and addresses").keys().collect();
    assert_eq!(names, ["a.txt.gz", "b c.txt.gz"]);
    assert!(file(&api, &id, "a.txt.gz").starts_with(&[0x1f, 0x8b]), "it is a gzip file");
}

/// A worker of one program, `run.sh`, which job `jobs/run` runs.
fn with_program(folder: &Path, script: &str, more: &str) -> std::path::PathBuf {
    let config = folder.join("worker.toml");
    fs::write(folder.join("run.sh"), script).expect("the folder is writable");
    fs::write(&config, format!("[skills.hand]\ncommand = ['sh', 'run.sh']\n{more}")).expect("the folder is writable");
    config
}

/// Whether the process is there and does anything.
fn is_alive(id: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/stat"));
    status.is_ok_and(|status| !status.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

#[test]
fn a_program_and_its_own_children_end_with_a_worker_that_is_killed() {
    let (relevo, home) = (Relevo::dev(), tempfile::tempdir().expect("the temporary folder is writable"));
    let script = "sleep 600 & echo $$ $! >ids; wait";
    let mut worker = worker(&relevo, &with_program(home.path(), script, ""));
    let _ = relevo.api().create("jobs/by_hand", &json!({}));
    let ids = until("the program to run", SOON, || {
        let ids = fs::read_to_string(home.path().join("ids")).ok()?;
        let ids: Vec<String> = ids.split_whitespace().map(str::to_owned).collect();
        (ids.len() == 2).then_some(ids)
    });
    assert!(ids.iter().all(|id| is_alive(id)));

    worker.process().sigkill();

    until("both to end", SOON, || ids.iter().all(|id| !is_alive(id)).then_some(()));
}

#[test]
fn a_program_does_not_see_the_tokens_and_keys_of_its_worker() {
    let (relevo, home) = (Relevo::dev(), tempfile::tempdir().expect("the temporary folder is writable"));
    let script = "env >\"$RELEVO_OUTPUT/env.txt\"";
    let more = "keep_env = ['RELEVO_S3_ENDPOINT']\nenv = { MODEL = 'small' }\n";
    let _worker = worker(&relevo, &with_program(home.path(), script, more));
    let id = relevo.api().create("jobs/by_hand", &json!({}));

    relevo.api().wait(&id, JobState::Completed);

    let seen = String::from_utf8(file(&relevo.api(), &id, "env.txt")).expect("text");
    let mut ours: Vec<&str> =
        seen.lines().filter_map(|line| line.split('=').next()).filter(|name| name.starts_with("RELEVO_")).collect();
    ours.sort_unstable();
    assert_eq!(
        ours,
        ["RELEVO_ATTEMPT", "RELEVO_INPUT", "RELEVO_JOB_ID", "RELEVO_OUTPUT", "RELEVO_S3_ENDPOINT", "RELEVO_TASK_ID"]
    );
    assert!(seen.contains("MODEL=small"), "{seen}");
    for (name, secret) in relevo.environment() {
        assert!(name == "RELEVO_S3_ENDPOINT" || secret.len() < 12 || !seen.contains(secret.as_str()), "{name} is seen");
    }
}

#[test]
fn a_program_that_is_cancelled_is_asked_to_stop_first() {
    let (relevo, home) = (Relevo::dev(), tempfile::tempdir().expect("the temporary folder is writable"));
    let script = "trap 'echo asked >asked; exit 0' TERM; echo started >started; while :; do sleep 0.1; done";
    let _worker = worker(&relevo, &with_program(home.path(), script, ""));
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    until("the program to run", SOON, || home.path().join("started").exists().then_some(()));

    let cancel = relevo.api().post(&format!("/api/v1/jobs/{id}/cancel"), &Value::Null);

    assert_eq!(cancel.status, 200, "{}", cancel.text());
    relevo.api().wait(&id, JobState::Cancelled);
    assert!(home.path().join("asked").exists());
}
