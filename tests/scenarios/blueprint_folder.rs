//! Blueprints as they are shown, and their folder when it changes while Relevo runs.

use std::{fs, path::Path};

use relevo_shared::job::JobState;
use rig::{Api, Redis, Relevo, SOON, until};
use serde_json::{Value, json};
use tempfile::TempDir;

fn blueprint(name: &str, version: &str) -> String {
    format!(
        "# A blueprint of a test.\nname: {name}\nversion: '{version}'\nendpoint: /jobs/{name}\ndescription: Told by a test.\n\
         definition:\n  StartAt: Hand\n  States:\n    Hand: {{ Type: Task, Resource: 'skill:hand', End: true }}\n"
    )
}

fn folder() -> TempDir {
    let folder = TempDir::with_prefix("relevo-blueprints-").expect("the temporary folder is writable");
    write(folder.path(), "first.yaml", &blueprint("first", "1"));
    folder
}

/// Writes a file so that no reader finds half of it.
fn write(folder: &Path, file: &str, text: &str) {
    let draft = folder.join("draft.tmp");
    fs::write(&draft, text).and_then(|()| fs::rename(draft, folder.join(file))).expect("the folder is writable");
}

fn serve(redis: &Redis, folder: &TempDir) -> Relevo {
    Relevo::serve(redis, &[("RELEVO_BLUEPRINTS", &folder.path().display().to_string())])
}

fn list(api: &Api) -> Value {
    let answer = api.get("/api/v1/blueprints");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn names(list: &Value) -> Vec<&str> {
    let blueprints = list["blueprints"].as_array().expect("there is a list");
    blueprints.iter().map(|blueprint| blueprint["name"].as_str().expect("a name is text")).collect()
}

#[test]
fn a_changed_folder_is_taken_up_and_running_jobs_keep_what_they_began_with() {
    let (redis, folder) = (Redis::start(), folder());
    let relevo = serve(&redis, &folder);
    let api = relevo.api();
    let old = api.create("jobs/first", &json!({}));
    let pinned = api.job(&old).blueprint_hash;

    write(folder.path(), "first.yaml", &blueprint("first", "2").replace("skill:hand", "skill:other"));
    write(folder.path(), "second.yaml", &blueprint("second", "1"));

    let now = until("the new set to be served", SOON, || {
        let list = list(&api);
        (names(&list) == ["first", "second"]).then_some(list)
    });
    let first = &now["blueprints"][0];
    assert_eq!(
        (&first["version"], &first["skills"], &now["reload"]["ok"]),
        (&json!("2"), &json!(["other"]), &json!(true))
    );
    assert_ne!(first["hash"], pinned.as_str());
    let hand = relevo.hand("worker", &["hand"]);
    let task = hand.claim();
    assert_eq!(task.job_id.to_string(), old, "the old job still asks for the old skill");
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    assert_eq!(api.wait(&old, JobState::Completed).blueprint_hash, pinned);
}

#[test]
fn a_folder_with_a_fault_leaves_the_old_set_as_it_is() {
    let (redis, folder) = (Redis::start(), folder());
    let mut relevo = serve(&redis, &folder);
    let api = relevo.api();

    write(folder.path(), "broken.yaml", &blueprint("broken", "1").replace("Type: Task", "Type: Tusk"));
    write(folder.path(), "first.yaml", &blueprint("first", "2"));
    write(folder.path(), "twin.yaml", &blueprint("first", "3"));

    let refused = until("the fault to be told", SOON, || {
        let list = list(&api);
        (list["reload"]["faults"].as_array().map(Vec::len) == Some(2)).then_some(list)
    });
    assert_eq!(refused["reload"]["ok"], false);
    assert_eq!(refused["reload"]["faults"][0]["file"], "broken.yaml");
    assert_eq!(refused["reload"]["faults"][0]["line"], 9);
    assert_eq!(refused["reload"]["faults"][1]["file"], "twin.yaml");
    assert_eq!((names(&refused), &refused["blueprints"][0]["version"]), (vec!["first"], &json!("1")));
    assert!(!api.create("jobs/first", &json!({})).is_empty(), "the old set is served");
    let log = relevo.process().log();
    assert!(["broken.yaml", "twin.yaml"].iter().all(|file| log.contains(file)), "{log}");

    fs::remove_file(folder.path().join("twin.yaml")).expect("the file is there");
    write(folder.path(), "broken.yaml", &blueprint("mended", "1"));

    until("the mended set to be served", SOON, || (names(&list(&api)) == ["first", "mended"]).then_some(()));
}

#[test]
fn a_hangup_has_the_folder_read_at_once() {
    let (redis, folder) = (Redis::start(), folder());
    let mut relevo = serve(&redis, &folder);
    let before = list(&relevo.api())["reload"]["at"].clone();

    relevo.process().sighup();

    until("the folder to be read again", SOON, || (list(&relevo.api())["reload"]["at"] != before).then_some(()));
}

#[test]
fn a_blueprint_is_shown_with_its_definition() {
    let (redis, folder) = (Redis::start(), folder());
    let relevo = serve(&redis, &folder);

    let shown = relevo.api().get("/api/v1/blueprints/first").json();

    assert_eq!(shown["endpoint"], "/jobs/first");
    assert_eq!(shown["query_language"], "JSONPath");
    assert_eq!(shown["definition"]["States"]["Hand"]["Resource"], "skill:hand");
    let problem = relevo.api().get("/api/v1/blueprints/no_such").refusal(404);
    assert!(problem.error.contains("first"), "{problem:?}");
}

#[test]
fn a_blueprint_is_drawn_with_the_way_that_a_job_took() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let (api, hand) = (relevo.api(), relevo.hand("worker", &["first"]));
    let job = api.create("jobs/two_steps", &json!({}));
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    let graph = "/api/v1/blueprints/two_steps/graph";
    until("the second state to be entered", SOON, || {
        (api.job(&job).current_state.as_deref() == Some("Second")).then_some(())
    });

    let plain = api.get(graph);
    let marked = api.get(&format!("{graph}?job={job}"));
    let picture = api.get(&format!("{graph}?format=svg&job={job}"));
    let accepted = Api::send(api.request(reqwest::Method::GET, graph).header("accept", "image/svg+xml"));

    assert_eq!(plain.header("content-type"), Some("text/vnd.graphviz"));
    assert!(plain.text().starts_with("digraph") && plain.text().contains("Second"), "{}", plain.text());
    assert_ne!(marked.text(), plain.text(), "the states that were taken are marked");
    for svg in [&picture, &accepted] {
        assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
        assert!(svg.text().contains("<svg"), "{}", svg.text());
    }
    assert_ne!(picture.text(), accepted.text());
    assert_eq!(api.get(&format!("/api/v1/blueprints/by_hand/graph?job={job}")).refusal(404).code, "job_not_found");
    assert_eq!(relevo.stranger().get(&format!("{graph}?job={job}")).refusal(404).code, "job_not_found");
    assert_eq!(api.get("/api/v1/blueprints/no_such/graph").status, 404);
    assert_eq!(api.get(&format!("{graph}?format=png")).refusal(422).details[0].field, "format");
}
