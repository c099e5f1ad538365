//! The samples of the API documents, each as it stands there, against a real service with real jobs.

use std::{collections::BTreeSet, sync::Arc, thread};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use relevo_shared::job::JobState;
use relevo_tables::ParquetTableWriter;
use rig::{Hand, Redis, Relevo, SOON, Sample, Worker, text, until};
use serde_json::{Value, json};

/// What the documents call a job, a token and a key.
const JOB: &str = "917f045a-ec63-47a1-b192-35149508f452";
const OTHER_JOB: &str = "job-123-abc";
const TOOLKIT_JOB: &str = "e6d7f3c0-9c9f-4b8a-b7c3-f0e3c9f6b9d7";
const TOKEN: &str = "{token}";
const KEY: &str = "YOUR_API_KEY";

/// A service whose client is the user of the documents, with the dataset 48, and workers that a test plays.
struct World {
    relevo: Relevo,
    token: String,
    sampler: Hand,
    hand: Hand,
    _stores: (Redis, Relevo),
}

impl World {
    fn new() -> Self {
        let (redis, stores) = (Redis::start(), Relevo::dev());
        let s3 = stores.environment().iter().filter(|(name, _)| name.starts_with("RELEVO_S3_"));
        let s3: Vec<(&str, &str)> = s3.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let relevo = Relevo::serve_with(&redis, &s3, "user_id = \"87\"\nuser_soeid = \"bg54677\"", "");
        let put = relevo.api().put("/api/datasets/48/tables/primary?name=Sales%20Data%202024", "n\n1\n2\n3\n");
        assert_eq!(put.status, 200, "{}", put.text());
        let token = relevo.environment()["RELEVO_CLIENT_TOKEN"].clone();
        let (sampler, hand) = (relevo.hand("sampler", &["sampling"]), relevo.hand("hand", &["hand"]));
        Self { relevo, token, sampler, hand, _stores: (redis, stores) }
    }

    fn sample(&self, name: &str) -> Sample {
        Sample::of(&self.relevo, name)
    }

    /// What a curl sample gets, where it is well.
    fn curl(&self, sample: &Sample) -> Value {
        let ran = sample.run(&self.relevo);
        assert_eq!(ran.status, Some(200), "{}", ran.out);
        ran.json()
    }

    /// Creates a sampling job on the dataset 48.
    fn create_sampling(&self) -> String {
        let round = json!({ "round_number": 1, "method": "random", "parameters": { "sample_size": 1000 } });
        let body = json!({ "source_ref": "main", "table_key": "primary", "rounds": [round] });
        let answer = self.relevo.api().post("/api/sampling/datasets/48/jobs", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        text(&answer.json()["job_id"])
    }

    /// Draws three rows for the sampling job that waits.
    fn draw(&self) -> String {
        let task = self.sampler.claim();
        let rows: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let rows = RecordBatch::try_from_iter([("n", rows)]).expect("one column");
        let mut bytes = Vec::new();
        let mut writer = ParquetTableWriter::new(&mut bytes, rows.schema()).expect("the column can be written");
        writer.write(&rows).and_then(|()| writer.finish()).expect("it is written");
        let path = format!("/api/v1/jobs/{}/files/content/sample.parquet", task.job_id);
        let uri = self.relevo.api().put(&path, bytes).json()["s3_uri"].clone();
        let result = json!({ "sample_uri": uri, "total_sampled": 3 });
        assert_eq!(self.sampler.succeed(&task, &result).status, 200);
        task.job_id.to_string()
    }

    fn sampled(&self) -> String {
        let id = self.create_sampling();
        self.draw();
        self.relevo.api().wait(&id, JobState::Completed);
        id
    }

    /// A job that is running.
    fn running(&self) -> (String, relevo_shared::worker::Task) {
        let id = self.relevo.api().create("jobs/by_hand", &json!({ "filename": "VxRail_Admin_Guide.pdf" }));
        let task = self.hand.claim();
        assert_eq!(self.hand.report(&task, 0.65, "Processing chunks (95/147)").status, 200);
        (id, task)
    }

    fn failed(&self) -> String {
        let (id, task) = self.running();
        assert_eq!(self.hand.fail(&task, "PERMANENT").status, 200);
        self.relevo.api().wait(&id, JobState::Quarantined);
        id
    }
}

fn ids(list: &Value) -> Vec<String> {
    list["jobs"].as_array().expect("a list").iter().map(|job| text(&job["id"])).collect()
}

#[test]
fn curl_of_the_ui_guide() {
    let world = World::new();
    let (sampled, failed) = (world.sampled(), world.failed());
    let run = |name: &str| world.sample(name).with(TOKEN, &world.token);

    let job = world.curl(&run("001_get_a_job.curl").with(JOB, &sampled));
    assert_eq!(
        (&job["id"], &job["status"], &job["run_type"]),
        (&json!(sampled), &json!("completed"), &json!("sampling"))
    );
    assert_eq!((&job["dataset_id"], &job["dataset_name"]), (&json!(48), &json!("Sales Data 2024")));
    assert_eq!((&job["user_id"], &job["user_soeid"]), (&json!(87), &json!("bg54677")));
    assert_eq!(job["run_parameters"]["table_key"], "primary");
    assert_eq!((&job["output_summary"]["total_sampled"], &job["error_message"]), (&json!(3), &Value::Null));
    assert!(job["source_commit_id"].is_string() && job["duration_seconds"].is_number(), "{job}");
    assert_eq!(ids(&world.curl(&run("001_jobs_of_a_dataset.curl"))), [sampled.as_str()]);
    assert_eq!(ids(&world.curl(&run("001_failed_jobs_of_a_user.curl"))), [failed.as_str()]);
    let recent = world.curl(&run("001_recent_sampling_jobs.curl"));
    assert_eq!((ids(&recent), &recent["limit"], &recent["total"]), (vec![sampled.clone()], &json!(20), &json!(1)));
    let rows = world.curl(&run("001_rows_of_a_sample.curl").with(JOB, &sampled));
    assert_eq!((&rows["rows"], &rows["limit"]), (&json!([{ "n": 1 }, { "n": 2 }, { "n": 3 }]), &json!(100)));
    let stranger = world.sample("001_get_a_job.curl").with(TOKEN, "nobody").with(JOB, &sampled).run(&world.relevo);
    assert_eq!(stranger.status, Some(401), "{}", stranger.out);
}

#[test]
fn javascript_of_the_ui_guide_creates_a_job_and_polls_it() {
    let relevo = Relevo::shipped();
    let _worker = Worker::start(&relevo, "sampler");
    let rows: String = (0..1500).map(|n| format!("{n},{}\n", n % 7)).collect();
    assert_eq!(relevo.api().put("/api/datasets/48/tables/primary", format!("n,day\n{rows}")).status, 200);
    let sample = Sample::of(&relevo, "001_create_and_poll.javascript")
        .given(json!({ "datasetId": 48, "token": relevo.environment()["RELEVO_CLIENT_TOKEN"] }))
        .then("for (;;) { const data = await pollJobStatus(job_id); if (data) { console.log(JSON.stringify(data)); process.exit(); } }");

    let data = sample.run(&relevo).json();

    assert_eq!(
        (&data["total"], &data["has_more"], &data["table_key"]),
        (&json!(1000), &json!(true), &json!("primary"))
    );
    let rows = data["rows"].as_array().expect("rows are a list");
    assert_eq!(rows.len(), 100);
    assert!(
        rows.iter().all(|row| row["n"].as_i64().zip(row["day"].as_i64()).is_some_and(|(n, day)| n % 7 == day)),
        "{data}"
    );
    let id = text(&data["job_id"]);
    let csv = relevo.api().get(&format!("/api/sampling/jobs/{id}/data?format=csv&columns=n")).text();
    let drawn: BTreeSet<&str> = csv.split_terminator("\r\n").skip(1).collect();
    assert_eq!(drawn.len(), 1000, "a row was drawn twice");
}

#[test]
fn javascript_of_the_ui_guide_shows_a_history_and_handles_errors() {
    let world = World::new();
    let (sampled, failed) = (world.sampled(), world.failed());
    let handle = |token: &str, id: &str| {
        let given = json!({ "token": token, "jobId": id });
        world.sample("001_error_handling.javascript").given(given).run(&world.relevo)
    };

    let history = world.sample("001_history_of_a_dataset.javascript");
    let history = history.given(json!({ "datasetId": 48, "token": world.token })).run(&world.relevo);

    assert!(history.out.starts_with(&format!("Job {sampled}: completed - Created 20")), "{history:?}");
    assert_eq!(handle(&world.token, &failed).err.trim(), "Job failed: as the test wants it");
    assert_eq!(handle(&world.token, JOB).err.trim(), "Job not found");
    assert_eq!(handle("nobody", &failed).err.trim(), "Authentication required");
    assert_eq!(handle(&world.token, &sampled).err, "");
}

#[test]
fn curl_of_the_jobs_document() {
    let world = World::new();
    let (running, task) = world.running();
    let logs = json!({
        "worker_id": "hand", "lease_token": task.lease_token,
        "logs": [
            { "level": "info", "message": "Loaded 350 pages" },
            { "level": "warning", "message": "Rate limit approaching, adding delay", "context": { "delay_ms": 500 } },
        ],
    });
    assert_eq!(world.hand.api().post(&format!("/_worker/tasks/{}/progress", task.task_id), &logs).status, 200);
    let run = |name: &str| world.sample(name).sending(&world.token);

    let list = world.curl(&run("002_list_running.curl"));
    assert_eq!((ids(&list), &list["has_more"]), (vec![running.clone()], &json!(false)));
    assert_eq!(list["jobs"][0]["message"], "Processing chunks (95/147)");
    let job = world.curl(&run("002_get_a_job.curl").with(OTHER_JOB, &running));
    assert_eq!((&job["job_id"], &job["metadata"]["filename"]), (&json!(running), &json!("VxRail_Admin_Guide.pdf")));
    let logs = world.curl(&run("002_logs.curl").with(OTHER_JOB, &running));
    assert_eq!((&logs["total"], &logs["logs"][0]["context"]), (&json!(1), &json!({ "delay_ms": 500 })));
    let cancelled = world.curl(&run("002_cancel.curl").with(OTHER_JOB, &running));
    assert_eq!(cancelled, json!({ "job_id": running, "status": "cancelled", "message": "Job cancelled successfully" }));
    let cleaned = world.curl(&run("002_clean_up.curl"));
    assert_eq!((&cleaned["message"], &cleaned["jobs_deleted"]), (&json!("Cleanup complete"), &json!(0)));
}

#[test]
fn python_of_the_jobs_document_lists_what_runs() {
    let world = World::new();
    let (_running, _task) = world.running();

    let ran = world.sample("002_list_running.python").sending(&world.token).run(&world.relevo);

    assert_eq!(ran.out.trim(), "by_hand: 65.0% - Processing chunks (95/147)");
}

#[test]
fn a_job_is_watched_as_the_jobs_document_does() {
    let world = World::new();
    for (name, progress, end) in [
        ("002_stream.javascript", "Progress: 65.0%", "Job completed: { chunks_created: 147 }"),
        ("002_stream.python", "Progress: 65.0% - Processing chunks (95/147)", "Completed: Processing chunks (95/147)"),
    ] {
        let (id, task) = world.running();
        // A WebSocket of a browser has no headers: the token goes where it may.
        let sample = world.sample(name).with("/stream", &format!("/stream?token={}", world.token));
        let sample = if name.ends_with("python") {
            sample.with("monitor_job('job-123-abc')", &format!("monitor_job('{id}')"))
        } else {
            sample.with(OTHER_JOB, &id)
        };

        let ran = thread::scope(|scope| {
            let watching = scope.spawn(|| sample.run(&world.relevo));
            until("the sample to watch", SOON, || {
                let metrics = world.relevo.api().get("/_public/metrics").text();
                metrics
                    .lines()
                    .any(|line| line.starts_with("relevo_subscribers{transport=\"websocket\"} 1"))
                    .then_some(())
            });
            assert_eq!(world.hand.succeed(&task, &json!({ "chunks_created": 147 })).status, 200);
            watching.join().expect("the sample ends")
        });

        assert!(ran.out.contains(progress) && ran.out.contains(end), "{name}: {ran:?}");
        assert!(ran.err.is_empty(), "{name}: {ran:?}");
    }
}

#[test]
fn curl_of_the_toolkit() {
    let world = World::new();
    let sampled = world.sampled();

    let told = world.curl(&world.sample("004_job_status.curl").with(KEY, &world.token).with(TOOLKIT_JOB, &sampled));

    assert_eq!((&told["endpoint"], &told["job_id"]), (&json!("/v1/toolkit/job/status"), &json!(sampled)));
    assert_eq!((&told["response"]["job_status"], &told["response"]["response"]["code"]), (&json!("done"), &json!(200)));
    let unknown = world.sample("004_job_status.curl").with(KEY, &world.token).run(&world.relevo);
    assert_eq!(unknown.status, Some(404));
    assert_eq!(unknown.out, format!(r#"{{"error":"Job not found","job_id":"{TOOLKIT_JOB}"}}"#));
    // The document's own schema of the request, and the service's.
    let schema: Value = serde_json::from_str(world.sample("004_schema.python").text()).expect("it is JSON too");
    let document = world.relevo.api().get("/_public/openapi.json").json();
    let served = &document["components"]["schemas"]["AskStatus"];
    assert_eq!((&served["type"], &served["required"]), (&schema["type"], &schema["required"]));
    assert_eq!(served["properties"]["job_id"]["type"], schema["properties"]["job_id"]["type"]);
}
