//! Redis, S3 or the orchestrator go away, and what that means to those who call.

use relevo::{
    domain::task::Outcome,
    store::{Completion, Durations, Store},
};
use relevo_shared::{job::JobState, worker::Task};
use rig::{Durability, Redis, Relevo, SOON, Worker, until};
use serde_json::json;

#[test]
fn without_redis_it_says_so_and_recovers_by_itself() {
    let mut redis = Redis::with(Durability::Always);
    let relevo = Relevo::serve(&redis, &[]);
    let _worker = Worker::start(&relevo, "patient");
    let api = relevo.api();
    let before = api.create("jobs/echo", &json!({ "n": 1 }));
    api.wait(&before, JobState::Completed);

    redis.sigkill();

    for answer in [api.post("/api/v1/jobs/echo", &json!({})), api.get(&format!("/api/v1/jobs/{before}"))] {
        assert!(answer.header("retry-after").is_some_and(|value| value.parse::<u32>().is_ok()), "{:?}", answer.headers);
        let problem = answer.refusal(503);
        assert_eq!(problem.code, "store_unavailable");
        assert!(!problem.error.contains("127.0.0.1"), "an answer tells of what is inside: {problem:?}");
    }
    redis.restart();
    let id = until("a job to be accepted again", SOON, || {
        let answer = api.post("/api/v1/jobs/echo", &json!({ "initial_data": { "n": 2 } }));
        (answer.status == 202).then(|| rig::text(&answer.json()["job_id"]))
    });
    assert_eq!(api.wait(&id, JobState::Completed).result, Some(json!({ "n": 2 })));
    assert_eq!(api.job(&before).status, "completed", "a finished job was forgotten");
}

#[test]
fn without_s3_files_are_refused_and_jobs_go_on() {
    let redis = Redis::start();
    // Nothing listens on the discard port.
    let away = [
        ("RELEVO_S3_ENDPOINT", "http://127.0.0.1:9"),
        ("RELEVO_S3_BUCKET", "relevo"),
        ("RELEVO_S3_ACCESS_KEY", "key"),
        ("RELEVO_S3_SECRET_KEY", "secret"),
    ];
    let relevo = Relevo::serve(&redis, &away);
    let _worker = Worker::start(&relevo, "patient");
    let api = relevo.api();
    let id = api.create("jobs/echo", &json!({}));

    let up = api.put(&format!("/api/v1/jobs/{id}/files/content/x.txt"), "x");
    let table = api.put("/api/datasets/d/tables/primary", "a\n1\n");

    for answer in [up, table] {
        assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
        assert_eq!(answer.refusal(503).code, "storage_unavailable");
    }
    api.wait(&id, JobState::Completed);
}

#[test]
fn a_service_that_is_off_is_not_implemented() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));

    let up = relevo.api().put(&format!("/api/v1/jobs/{id}/files/content/x.txt"), "x");
    let link = relevo.api().get(&format!("/api/v1/jobs/{id}/files/upload?filename=x.txt"));

    assert_eq!(up.refusal(501).code, "s3_disabled");
    assert_eq!(link.refusal(501).code, "s3_disabled");
}

#[test]
fn a_replica_that_dies_between_two_steps_delays_the_job_only() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("worker", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();

    take_result_and_die(&redis, &task);

    assert_eq!(relevo.api().wait(&id, JobState::Completed).result, Some(json!({ "safe": true })));
}

/// Does with a result what a replica does until it dies: the result is in Redis, the job's next step is not taken.
fn take_result_and_die(redis: &Redis, task: &Task) {
    let store = Store::new(&redis.url(), 1, Durations::default()).expect("the URL is Redis's own");
    let (worker, outcome) = ("worker".parse().expect("a name"), Outcome::Succeeded { output: json!({ "safe": true }) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let completion = store.complete_task(task.task_id, &worker, task.lease_token, &outcome, "digest");
    assert!(matches!(runtime.block_on(completion), Ok(Completion::Accepted { .. })));
}

#[test]
fn a_replica_that_is_killed_takes_no_job_with_it() {
    const JOBS: usize = 30;
    let redis = Redis::start();
    let (mut doomed, survivor) = (Relevo::serve(&redis, &[]), Relevo::serve(&redis, &[]));
    let hand = doomed.hand("worker", &["first", "second"]);
    let ids: Vec<String> = (0..JOBS).map(|_| doomed.api().create("jobs/two_steps", &json!({}))).collect();
    for _ in 0..JOBS / 2 {
        assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    }

    doomed.process().sigkill();

    let hand = survivor.hand("worker", &["first", "second"]);
    until("all jobs to complete on the other replica", SOON, || {
        if let Some(task) = hand.poll(1) {
            assert_eq!(hand.succeed(&task, &json!({})).status, 200);
            return None;
        }
        ids.iter().all(|id| survivor.api().job(id).status == "completed").then_some(())
    });
}

#[test]
fn dev_keeps_its_data_between_two_starts() {
    let folder = tempfile::TempDir::with_prefix("relevo-kept-").expect("the temporary folder is writable");
    let (id, file) = {
        let relevo = Relevo::dev_in(folder.path());
        let _worker = Worker::start(&relevo, "first-day");
        let id = relevo.api().create("jobs/echo", &json!({ "day": 1 }));
        relevo.api().wait(&id, JobState::Completed);
        let file = format!("/api/v1/jobs/{id}/files/content/nota.txt");
        assert_eq!(relevo.api().put(&file, "ayer").status, 200);
        (id, file.replace("content", "download"))
    };

    let relevo = Relevo::dev_in(folder.path());

    assert_eq!(relevo.api().job(&id).result, Some(json!({ "day": 1 })));
    let link = relevo.api().get(&file);
    let link = link.header("location").expect("the file of yesterday is there");
    assert_eq!(relevo.api().bare(reqwest::Method::GET, link, "").text(), "ayer");
}

#[test]
fn dev_takes_its_redis_with_it() {
    let relevo = Relevo::dev();
    let url = relevo.environment()["RELEVO_REDIS_URL"].clone();
    assert!(redis::Client::open(url.as_str()).and_then(|client| client.get_connection()).is_ok());

    drop(relevo);

    until("its Redis to have ended", SOON, || {
        redis::Client::open(url.as_str()).and_then(|client| client.get_connection()).is_err().then_some(())
    });
}
