//! Relevo under load: one orchestrator, one worker process, one client that keeps a bounded number of requests in flight.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use relevo_shared::job::JobState;
use rig::{Redis, Relevo, SOON, Worker, calls, forget_calls, until};
use serde_json::json;

use crate::{Measured, Plan};

/// Requests that the client keeps in flight, and tasks that the worker runs at the same time.
const IN_FLIGHT: usize = 64;

pub(crate) fn measure(redis: &Redis, plan: Plan) -> Measured {
    let relevo = Relevo::serve(redis, &[]);
    let (jobs_per_second, commands_per_job, scripts_per_job) = throughput(redis, &relevo, plan.jobs);
    Measured { jobs_per_second, latencies_ms: latencies(&relevo, plan.samples), commands_per_job, scripts_per_job }
}

#[expect(clippy::cast_precision_loss, reason = "counts here are small")]
fn throughput(redis: &Redis, relevo: &Relevo, jobs: usize) -> (f64, f64, f64) {
    let slots = IN_FLIGHT.to_string();
    let _worker =
        Worker::start_with(relevo, "bench", &[("RELEVO_CONCURRENCY", &slots), ("RELEVO_HEARTBEAT_SECONDS", "5")]);
    // One job first: the worker is there, and the scripts are loaded.
    relevo.api().wait(&relevo.api().create("jobs/echo", &json!({})), JobState::Completed);
    let before = completed(relevo);
    let mut connection = redis.connection();
    forget_calls(&mut connection);

    let began = Instant::now();
    let ids = submit(relevo, jobs);
    until("all jobs to complete", SOON * 10, || (completed(relevo) - before >= jobs).then_some(()));
    let seconds = began.elapsed().as_secs_f64();

    let calls = calls(&mut connection);
    let each = |count: u64| count as f64 / jobs as f64;
    // A count can hide a job that ended otherwise; the jobs themselves cannot.
    for id in ids.iter().step_by(97) {
        assert_eq!(relevo.api().job(id).status, "completed");
    }
    (jobs as f64 / seconds, each(calls.values().sum()), each(calls.get("evalsha").copied().unwrap_or_default()))
}

/// Creates the jobs with a bounded number of requests in flight, and gives their ids.
fn submit(relevo: &Relevo, jobs: usize) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let http = reqwest::Client::new();
    let url = Arc::new(format!("{}/api/v1/jobs/echo", relevo.url()));
    let token = &relevo.environment()["RELEVO_CLIENT_TOKEN"];
    let turn = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let mut lanes = tokio::task::JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let (http, url, token, turn) = (http.clone(), Arc::clone(&url), token.clone(), Arc::clone(&turn));
            lanes.spawn(async move {
                let mut ids = Vec::new();
                while turn.fetch_add(1, Ordering::Relaxed) < jobs {
                    let request = http.post(url.as_str()).header("x-client-token", &token).json(&json!({}));
                    let answer = request.send().await.expect("the orchestrator answers");
                    assert_eq!(answer.status(), 202);
                    let body: serde_json::Value = answer.json().await.expect("the answer is JSON");
                    ids.push(rig::text(&body["job_id"]));
                }
                ids
            });
        }
        lanes.join_all().await.concat()
    })
}

/// Jobs that this orchestrator has brought to an end, by its own count.
fn completed(relevo: &Relevo) -> usize {
    let metrics = relevo.api().get("/_public/metrics").text();
    let line = metrics.lines().find_map(|line| line.strip_prefix("relevo_jobs_ended_total{state=\"completed\"} "));
    line.map_or(0, |count| count.parse().expect("a counter is a number"))
}

/// One job at a time, taken by a worker that has nothing else to do and is polling already.
fn latencies(relevo: &Relevo, samples: usize) -> Vec<f64> {
    let hand = relevo.hand("idle", &["hand"]);
    let api = relevo.api();
    let mut latencies = Vec::with_capacity(samples);
    for _ in 0..samples {
        let (created, received) = thread::scope(|scope| {
            let poll = scope.spawn(|| (hand.claim(), Instant::now()));
            until("the worker's poll to wait", SOON, || waits(relevo).then_some(()));
            let created = Instant::now();
            let _id = api.create("jobs/by_hand", &json!({}));
            let (task, received) = poll.join().expect("the poll brings a task");
            assert_eq!(hand.succeed(&task, &json!({})).status, 200);
            (created, received)
        });
        latencies.push((received - created).as_secs_f64() * 1000.0);
    }
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// Whether a long poll is parked at the orchestrator.
fn waits(relevo: &Relevo) -> bool {
    relevo.api().get("/_public/metrics").text().lines().any(|line| line == "relevo_waiting_polls 1")
}
