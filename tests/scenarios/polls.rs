//! Long polls: many at once, cut at any instant, and what the workers they come from are told.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use relevo_shared::job::JobState;
use rig::{Redis, Relevo, SOON, until};
use serde_json::json;

/// Polls whose connection is cut.
const CUTS: usize = 10_000;
/// Callers that poll at the same time.
const LANES: usize = 64;
/// Jobs that are there to be lost.
const JOBS: usize = 100;

#[test]
fn polls_that_are_cut_at_any_instant_lose_no_task() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[("RELEVO_CONFIRM_SECONDS", "1")]);
    let hand = relevo.hand("patient", &["hand"]);
    let _registered = relevo.hand("cut", &["hand"]);
    let api = relevo.api();
    let mut ids = Vec::new();

    std::thread::scope(|scope| {
        scope.spawn(|| cut_polls(&relevo));
        for _ in 0..JOBS {
            ids.push(api.create("jobs/by_hand", &json!({})));
        }
    });
    // Each job is done by who asks for it properly.
    let left = AtomicUsize::new(ids.len());
    until("every task to come back", SOON * 3, || {
        while let Some(task) = hand.poll(0) {
            assert_eq!(hand.succeed(&task, &json!({})).status, 200);
            left.fetch_sub(1, Ordering::Relaxed);
        }
        (left.load(Ordering::Relaxed) == 0).then_some(())
    });

    for id in ids {
        api.wait(&id, JobState::Completed);
    }
}

/// Polls for tasks and drops the connection after a while, which differs from poll to poll.
fn cut_polls(relevo: &Relevo) {
    let url = format!("{}/_worker/workers/cut/tasks/next?wait=5", relevo.url());
    let token = relevo.environment()["RELEVO_WORKER_TOKEN"].clone();
    let turn = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        // Without a pool each poll has a connection of its own, which ends when the poll is dropped.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().expect("a client can be made");
        let lane = async || loop {
            let number = turn.fetch_add(1, Ordering::Relaxed);
            if number >= CUTS {
                break;
            }
            let poll = http.get(&url).header("x-worker-token", &token).send();
            // From the middle of the request to well within the wait.
            let cut_after = Duration::from_micros(((number * 7_919) % 12_000) as u64);
            let _ = tokio::time::timeout(cut_after, poll).await;
        };
        futures_util::future::join_all((0..LANES).map(|_| lane())).await;
    });
}
