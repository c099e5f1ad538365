//! What becomes of jobs after their end: packed, archived, listed, deleted, and gone when their retention is over.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use relevo::{
    blobs::{Blobs, S3Settings},
    catalogue::Catalogue,
    clients::Directory,
    engine::{Cleaned, Engine},
    error::Error,
    metrics::Metrics,
    settings::Settings,
    store::{Durations, JobFilter, JobPage, PageStart, Store},
    traces::Traces,
};
use relevo_shared::{JobId, job::JobState, secret::Secret};
use rig::{Api, Hand, Redis, Relevo, SOON, repository, until};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Where a replica of a story has its files: the S3 of another one, which has a Redis of its own.
fn s3_of(relevo: &Relevo) -> Vec<(&str, &str)> {
    let named = relevo.environment().iter().filter(|(name, _)| name.starts_with("RELEVO_S3_"));
    named.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn blobs(relevo: &Relevo) -> Blobs {
    let text = |name: &str| relevo.environment()[&format!("RELEVO_S3_{name}")].clone();
    Blobs::new(&S3Settings {
        endpoint: Some(text("ENDPOINT")),
        region: text("REGION"),
        bucket: text("BUCKET"),
        access_key: text("ACCESS_KEY"),
        secret_key: Secret::new(text("SECRET_KEY")),
        session_token: None,
    })
}

/// The names of a partition's keys that name this job, without their start.
fn keys(redis: &mut redis::Connection, id: &str) -> BTreeSet<String> {
    let keys: Vec<String> = redis::cmd("KEYS").arg(format!("*{id}*")).query(redis).expect("Redis answers");
    keys.iter().map(|key| key.split(':').nth(2).expect("a key has three parts").to_owned()).collect()
}

/// Waits until a job is packed.
fn packed(redis: &mut redis::Connection, id: &str) {
    until("the job to be packed", SOON, || keys(redis, id).contains("packed").then_some(()));
}

/// All that a client can read of a job.
fn told(api: &Api, id: &str) -> [Value; 3] {
    ["", "/history", "/explain"].map(|rest| api.get(&format!("/api/v1/jobs/{id}{rest}")).json())
}

/// A job with a line in its log that a worker has given up.
fn quarantined(relevo: &Relevo, hand: &Hand) -> (String, relevo_shared::worker::Task) {
    let id = relevo.api().create("jobs/by_hand", &json!({ "dataset_id": 48, "text": "¡Qué bien!" }));
    let task = hand.claim();
    let report =
        json!({ "progress": 0.5, "message": "half", "logs": [{ "level": "info", "message": "so far so good" }] });
    assert_eq!(hand.tell(&task, report).status, 200);
    assert_eq!(hand.fail(&task, "PERMANENT").status, 200);
    relevo.api().wait(&id, JobState::Quarantined);
    (id, task)
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime starts")
}

fn store(redis: &Redis, partitions: u16) -> Store {
    Store::new(&redis.url(), partitions, Durations::default()).expect("the URL is Redis's own")
}

#[test]
fn a_packed_job_looks_as_before_and_can_be_retried() {
    let redis = Redis::start();
    let slow = Relevo::serve(&redis, &[("RELEVO_PACK_AFTER_SECONDS", "3600")]);
    let hand = slow.hand("hand", &["hand"]);
    let (id, task) = quarantined(&slow, &hand);
    let before = told(&slow.api(), &id);
    assert!(keys(&mut redis.connection(), &id).contains("events"));

    // Two more replicas, which both pack.
    let _quick = Relevo::serve(&redis, &[("RELEVO_PACK_AFTER_SECONDS", "0")]);
    let other = Relevo::serve(&redis, &[("RELEVO_PACK_AFTER_SECONDS", "0")]);
    packed(&mut redis.connection(), &id);

    assert_eq!(keys(&mut redis.connection(), &id), ["job", "packed", "packed_logs"].map(str::to_owned).into());
    assert_eq!(told(&other.api(), &id), before);
    assert_eq!(slow.stranger().get(&format!("/api/v1/jobs/{id}")).status, 404);
    let again = hand.fail(&task, "PERMANENT");
    assert_eq!((again.status.as_u16(), &again.json()["status"]), (200, &json!("result_ignored_duplicate")));
    assert_eq!(hand.succeed(&task, &json!({})).refusal(409).code, "lease_lost");
    assert_eq!(other.api().post(&format!("/api/v1/jobs/{id}/cancel"), &json!({})).status, 400);

    assert_eq!(other.api().post(&format!("/api/v1/jobs/{id}/retry"), &json!({})).status, 200);
    assert_eq!(hand.succeed(&hand.claim(), &json!({ "done": true })).status, 200);
    slow.api().wait(&id, JobState::Completed);
    packed(&mut redis.connection(), &id);
    let [job, history, _] = told(&other.api(), &id);
    assert_eq!(job["result"], json!({ "done": true }));
    let events: Vec<&str> =
        history.as_array().expect("a list").iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(events, ["submitted", "leased", "quarantined", "retried", "advanced", "leased", "completed"]);
}

#[test]
fn history_and_logs_move_to_s3_and_are_read_from_there() {
    let files = Relevo::dev();
    let redis = Redis::start();
    let mut variables = s3_of(&files);
    variables.extend([("RELEVO_ARCHIVE", "true"), ("RELEVO_PACK_AFTER_SECONDS", "0.2")]);
    let relevo = Relevo::serve(&redis, &variables);
    let hand = relevo.hand("hand", &["hand"]);
    let jobs: Vec<_> = (0..3).map(|_| quarantined(&relevo, &hand).0).collect();
    let before: Vec<_> = jobs.iter().map(|id| told(&relevo.api(), id)).collect();

    for id in &jobs {
        packed(&mut redis.connection(), id);
        assert_eq!(keys(&mut redis.connection(), id), ["job", "packed"].map(str::to_owned).into());
    }

    for (id, before) in jobs.iter().zip(before) {
        assert_eq!(told(&relevo.api(), id), before);
    }
    let read = store(&redis, 1).with_archive(Arc::new(blobs(&files)));
    let lines = runtime().block_on(read.read_logs(jobs[0].parse().expect("it is an id"))).expect("S3 answers");
    assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["so far so good"]);
    // All three lie in few objects, which have a time to go.
    let objects: Vec<(String, f64)> = redis::cmd("ZRANGE")
        .arg("relevo:{p00}:archives")
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES")
        .query(&mut redis.connection())
        .expect("Redis answers");
    assert!((1..3).contains(&objects.len()), "{objects:?}");
    let folder = files.object(&format!("s3://{}/{}", files.environment()["RELEVO_S3_BUCKET"], objects[0].0));
    assert!(folder.is_file(), "{}", folder.display());
    assert_eq!(relevo.api().post(&format!("/api/v1/jobs/{}/retry", jobs[1]), &json!({})).status, 200);
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    relevo.api().wait(&jobs[1], JobState::Completed);
}

#[test]
fn a_list_is_the_same_on_every_replica_and_over_all_partitions() {
    let redis = Redis::start();
    let spread = [("RELEVO_PARTITIONS", "3")];
    let (one, two) = (
        Relevo::serve_with(&redis, &spread, "user_id = \"87\"\nuser_soeid = \"bg54677\"", ""),
        Relevo::serve_with(&redis, &spread, "user_id = \"87\"\nuser_soeid = \"bg54677\"", ""),
    );
    let mut ids = Vec::new();
    for n in 0..20 {
        let api = if n % 2 == 0 { one.api() } else { two.api() };
        let input = if n % 5 == 0 { json!({ "dataset_id": 48 }) } else { json!({ "dataset_id": "48a" }) };
        ids.push(api.create("jobs/by_hand", &input));
    }
    let nobodys = one.stranger().create("jobs/by_hand", &json!({}));
    let list = |filter: &JobFilter, start, limit| -> JobPage {
        runtime().block_on(store(&redis, 3).list_jobs(filter, start, limit)).expect("Redis answers")
    };
    let text = |text: &str| Some(text.to_owned());

    let of_user = JobFilter { user_soeid: text("bg54677"), user_id: text("87"), ..JobFilter::default() };
    let whole = list(&of_user, PageStart::Offset(0), 100);
    assert_eq!(whole.total, 20);
    let told: BTreeSet<String> = whole.jobs.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(told, ids.iter().cloned().collect());
    // By the instant; among jobs of one millisecond the partition decides, so ids tell nothing.
    assert!(whole.jobs.is_sorted_by(|one, other| one.1.fields["created_at"] >= other.1.fields["created_at"]));
    assert_eq!(list(&JobFilter { dataset: text("48"), ..of_user.clone() }, PageStart::Offset(0), 100).total, 4);
    assert_eq!(list(&JobFilter { kind: text("by_hand"), ..JobFilter::default() }, PageStart::Offset(0), 1).total, 21);
    assert_eq!(
        list(&JobFilter { client: text("stranger"), ..JobFilter::default() }, PageStart::Offset(0), 9).jobs[0]
            .0
            .to_string(),
        nobodys
    );

    // Pages by cursor, while others create and cancel.
    let (mut paged, mut start) = (Vec::new(), PageStart::Offset(0));
    loop {
        let page = list(&of_user, start, 6);
        paged.extend(page.jobs.iter().map(|(id, _)| id.to_string()));
        let _later = two.api().create("jobs/by_hand", &json!({}));
        match page.next {
            Some(next) => start = PageStart::After(next),
            None => break,
        }
    }
    let order: Vec<String> = whole.jobs.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(paged, order);
}

/// An engine like that of a replica.
fn engine(store: Store, blobs: Blobs) -> Engine {
    let catalogue = Catalogue::load(&repository().join("tests/scenarios/blueprints")).expect("they are sound");
    let directory = Directory::load(&Settings::default()).expect("there is nobody in it");
    let (metrics, traces) = (Arc::new(Metrics::new()), Arc::new(Traces::from_environment().expect("there are none")));
    let parts = (Arc::new(catalogue), Arc::new(directory));
    Engine::new(store, parts.0, parts.1, metrics, traces, Duration::ZERO).with_files(Some(blobs))
}

#[test]
fn a_deleted_job_takes_its_files_along() {
    let files = Relevo::dev();
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &s3_of(&files));
    let hand = relevo.hand("hand", &["hand"]);
    let (runtime, engine) = (runtime(), engine(store(&redis, 1), blobs(&files)));
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let job: JobId = id.parse().expect("it is an id");
    let up = relevo.api().put(&format!("/api/v1/jobs/{id}/files/content/a.bin"), vec![7; 100_000]);
    let file = files.object(up.json()["s3_uri"].as_str().expect("it says where"));
    assert!(file.is_file());

    let delete = || runtime.block_on(engine.delete_job(job));
    assert!(matches!(delete(), Err(Error::NotNow(..))), "it has not ended");
    assert_eq!(hand.fail(&hand.claim(), "PERMANENT").status, 200);
    relevo.api().wait(&id, JobState::Quarantined);
    let freed = delete().expect("both answer");
    assert!((100_200..200_000).contains(&freed), "{freed} bytes");
    assert!(matches!(delete(), Err(Error::JobNotFound(_))));

    assert!(!file.exists());
    assert_eq!(keys(&mut redis.connection(), &id), BTreeSet::new());
    assert_eq!(relevo.api().get(&format!("/api/v1/jobs/{id}")).status, 404);
    assert_eq!(relevo.api().post(&format!("/api/v1/jobs/{id}/retry"), &json!({})).status, 404);
}

#[test]
fn a_clean_up_counts_from_the_end_of_a_job_and_takes_only_what_it_is_asked_to() {
    let files = Relevo::dev();
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &s3_of(&files));
    let hand = relevo.hand("hand", &["hand"]);
    let (runtime, engine) = (runtime(), engine(store(&redis, 1), blobs(&files)));
    let old = quarantined(&relevo, &hand).0;
    let young = quarantined(&relevo, &hand).0;
    let running = relevo.api().create("jobs/by_hand", &json!({}));
    let theirs = relevo.stranger().create("jobs/at_once", &json!({}));
    relevo.stranger().wait(&theirs, JobState::Completed);
    // It ended eight days ago; the other was created long ago too, but ended just now.
    let days = |days: i64| time::OffsetDateTime::now_utc().unix_timestamp() * 1000 - days * 86_400_000;
    let set = |id: &str, field: &str, at: i64| {
        redis::cmd("HSET")
            .arg(format!("relevo:{{p00}}:job:{id}"))
            .arg(field)
            .arg(at)
            .exec(&mut redis.connection())
            .expect("Redis answers");
    };
    set(&old, "ended_at", days(8));
    let week = Duration::from_secs(7 * 86_400);
    let clean = |client, states: &[JobState], older_than| {
        runtime.block_on(engine.clean_up(client, states, older_than)).expect("both answer")
    };
    // The index knows when a job was created; these were all created just now, so the clock is what is moved.
    let back_to_creation = |id: &str| {
        let mut bytes: Vec<u8> =
            redis::cmd("GET").arg("relevo:{p00}:ix:0:ids").query(&mut redis.connection()).expect("Redis answers");
        let slot: usize = redis::cmd("HGET")
            .arg(format!("relevo:{{p00}}:job:{id}"))
            .arg("slot")
            .query(&mut redis.connection())
            .expect("Redis answers");
        bytes[slot * 24 + 16..slot * 24 + 24].copy_from_slice(&days(9).to_be_bytes());
        redis::cmd("SET").arg("relevo:{p00}:ix:0:ids").arg(bytes).exec(&mut redis.connection()).expect("Redis answers");
    };
    back_to_creation(&old);
    back_to_creation(&young);
    redis::cmd("ZADD")
        .arg("relevo:{p00}:ix:chunks")
        .arg(days(9))
        .arg(0)
        .exec(&mut redis.connection())
        .expect("Redis answers");

    assert_eq!(clean(Some("tests"), &[JobState::Completed], week), Cleaned::default());
    assert_eq!(clean(Some("tests"), &[], week), Cleaned::default());
    let cleaned = clean(Some("tests"), &[JobState::Quarantined, JobState::Running], week);
    assert_eq!(cleaned.jobs_deleted, 1);
    assert!(cleaned.bytes_freed > 500, "{cleaned:?}");

    assert_eq!(relevo.api().get(&format!("/api/v1/jobs/{old}")).status, 404);
    assert_eq!(relevo.api().get(&format!("/api/v1/jobs/{young}")).status, 200);
    assert_eq!(clean(Some("tests"), &[JobState::Quarantined], Duration::ZERO).jobs_deleted, 1);
    assert_eq!(clean(None, &[JobState::Completed], Duration::ZERO).jobs_deleted, 1);
    assert_eq!(relevo.stranger().get(&format!("/api/v1/jobs/{theirs}")).status, 404);
    assert_eq!(relevo.api().job(&running).status, "pending");
}

#[test]
fn a_blueprint_says_what_its_jobs_are_called_and_a_child_has_its_parents_user() {
    let redis = Redis::start();
    let relevo = Relevo::serve_with(&redis, &[], "user_id = \"87\"\nuser_soeid = \"bg54677\"", "");
    let hand = relevo.hand("hand", &["hand"]);
    let parent = relevo.api().create("jobs/family", &json!({}));
    let child = hand.claim().job_id.to_string();
    assert_ne!(child, parent);

    let field = |id: &str, name: &str| -> Option<String> {
        redis::cmd("HGET")
            .arg(format!("relevo:{{p00}}:job:{id}"))
            .arg(name)
            .query(&mut redis.connection())
            .expect("Redis answers")
    };

    for id in [&parent, &child] {
        assert_eq!(field(id, "user_id").as_deref(), Some("87"));
        assert_eq!(field(id, "user_soeid").as_deref(), Some("bg54677"));
    }
    assert_eq!(field(&parent, "kind").as_deref(), Some("household"));
    assert_eq!(field(&child, "kind").as_deref(), field(&child, "blueprint").as_deref());
}
