//! Clients and workers in files: who is let in, what for, and how that changes while the service runs.

use std::process::Command;

use relevo_shared::job::JobState;
use rig::{Api, ListFile, Process, Redis, Relevo, SOON, client_entry, program, until, worker_entry};
use serde_json::{Value, json};

/// Asks for a job that there never was: 404 for whoever may ask.
fn knock(relevo: &Relevo, token: &str) -> u16 {
    relevo.api().with_token(token).get("/api/v1/jobs/0198c0de-0000-7000-8000-000000000000").status.as_u16()
}

#[test]
fn tokens_change_without_a_restart() {
    let redis = Redis::start();
    let file = ListFile::new(&client_entry("shop", &["old"], ""));
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);
    assert_eq!((knock(&relevo, "old"), knock(&relevo, "new")), (404, 401));

    file.write(&client_entry("shop", &["old", "new"], ""));
    until("the new token to be known", SOON, || (knock(&relevo, "new") == 404).then_some(()));
    assert_eq!(knock(&relevo, "old"), 404);

    file.write(&client_entry("shop", &["new"], ""));
    until("the old token to be forgotten", SOON, || (knock(&relevo, "old") == 401).then_some(()));
    assert_eq!(knock(&relevo, "new"), 404);
}

#[test]
fn a_faulty_file_changes_nothing_and_is_told_of_whole() {
    let redis = Redis::start();
    let file = ListFile::new(&client_entry("shop", &["old"], ""));
    let mut relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);

    let faulty = client_entry("shop", &["new"], "plan = \"none\"") + &client_entry("b@nk", &["gold"], "");
    file.write(&faulty);
    relevo.process().sighup();

    until("the faults to be told", SOON, || {
        let log = relevo.process().log();
        ["there is no plan", "name must be", "stay as they were"].iter().all(|part| log.contains(part)).then_some(())
    });
    assert_eq!([knock(&relevo, "old"), knock(&relevo, "new"), knock(&relevo, "gold")], [404, 401, 401]);
}

#[test]
fn a_service_with_a_faulty_file_does_not_start() {
    let redis = Redis::start();
    let file = ListFile::new("[plans.p]\nburst = 0\n[[clients]]\nname = \"x\"\n");
    let folder = tempfile::TempDir::new().expect("the temporary folder is writable");
    let mut command = Command::new(program("relevo"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--redis-url", &redis.url()]);
    command.env("RELEVO_CLIENTS_FILE", file.path()).current_dir(rig::repository());

    let mut process = Process::start("relevo", &mut command, folder.path());

    assert!(!process.ended(SOON).success());
    for part in ["burst is 0", "missing field `token_sha256`"] {
        assert!(process.log().contains(part), "{}", process.log());
    }
}

#[test]
fn a_token_does_only_what_its_scopes_say() {
    let redis = Redis::start();
    let entries = [("reader", "jobs:read"), ("writer", "jobs:write"), ("clerk", "files")]
        .map(|(name, scope)| client_entry(name, &[name], &format!("scopes = [{scope:?}]")));
    let file = ListFile::new(&entries.concat());
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);
    let tries = |token: &str| {
        let api = relevo.api().with_token(token);
        [
            api.get("/api/v1/jobs/0198c0de-0000-7000-8000-000000000000"),
            api.post("/api/v1/jobs/by_hand", &json!({})),
            api.get("/api/datasets"),
        ]
        .map(|answer| (answer.status == 403, answer))
    };

    for (token, allowed) in [("reader", 0), ("writer", 1), ("clerk", 2)] {
        for (index, (forbidden, answer)) in tries(token).into_iter().enumerate() {
            assert_eq!(forbidden, index != allowed, "{token} {index}: {}", answer.text());
            if forbidden {
                assert_eq!(answer.refusal(403).code, "forbidden");
            }
        }
    }
}

#[test]
fn an_admin_sees_the_jobs_of_every_client_and_others_their_own() {
    let redis = Redis::start();
    let file = ListFile::new(
        &(client_entry("root", &["root"], "scopes = [\"admin\"]") + &client_entry("bank", &["gold"], "")),
    );
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));

    let seen = relevo.api().with_token("root").job(&id);

    assert_eq!((seen.status.as_str(), seen.client.as_str()), (JobState::Pending.as_str(), "tests"));
    assert_eq!(relevo.api().with_token("gold").get(&format!("/api/v1/jobs/{id}")).refusal(404).code, "job_not_found");
}

#[test]
fn a_worker_of_a_file_comes_under_its_own_name_only() {
    let redis = Redis::start();
    let file = ListFile::new(&worker_entry("gpu-1", "mine"));
    let relevo = Relevo::serve(&redis, &[("RELEVO_WORKERS_FILE", file.path())]);
    let api = Api::worker(relevo.url(), "mine");
    let register =
        |id: &str| api.post("/_worker/workers/register", &json!({ "worker_id": id, "supported_skills": ["s"] }));

    assert_eq!(register("gpu-1").status, 200);
    assert_eq!(register("gpu-2").status, 401);

    file.write(&worker_entry("gpu-2", "mine"));
    until("the token to change hands", SOON, || (register("gpu-2").status == 200).then_some(()));
    assert_eq!(register("gpu-1").status, 401);
}

#[test]
fn a_fresh_token_and_its_entry_open_the_door() {
    let redis = Redis::start();
    let file = ListFile::new("");
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);

    let output = relevo.cli(&["token", "new", "--client", "shop", "--json"]);
    let made: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    file.write(&rig::text(&made["entry"]));

    let token = rig::text(&made["token"]);
    until("the token to be known", SOON, || (knock(&relevo, &token) == 404).then_some(()));
    assert!(!rig::text(&made["entry"]).contains(&token), "the entry holds the token itself");
    let plain = relevo.cli(&["token", "new", "--worker"]);
    let text = String::from_utf8_lossy(&plain.stdout);
    assert!(text.starts_with("rvw_") && text.contains("\n\n[[workers]]\ntoken_sha256 = "), "{text}");
    assert!(!relevo.cli(&["token", "new"]).status.success(), "a token for nobody was made");
}
