//! Tasks: claimed in order, ended by the worker that holds them, taken back from one that is gone.

use relevo::{
    domain::task::Outcome,
    store::{Claim, Completion, LeaseAnswer},
};
use relevo_shared::JobId;
use rig::SOON;
use serde_json::json;

use crate::fixture::{Bench, worker};

#[tokio::test]
async fn higher_priority_goes_first_then_age() {
    let bench = Bench::new();
    let mut jobs = Vec::new();
    for priority in [0, 5, -3, 5] {
        jobs.push(bench.submit(priority).await.id);
    }

    let claimed: Vec<JobId> = bench.claim("w", 10).await.into_iter().map(|task| task.id.job).collect();

    assert_eq!(claimed, [jobs[1], jobs[3], jobs[0], jobs[2]]);
}

#[tokio::test]
async fn only_who_holds_a_task_ends_it() {
    let bench = Bench::new();
    bench.submit(0).await;
    let task = bench.claim("holder", 1).await.remove(0);
    let end = async |name: &str, token, digest: &str| {
        let outcome = Outcome::Succeeded { output: json!({}) };
        bench.store.complete_task(task.id, &worker(name), token, &outcome, digest).await.unwrap()
    };

    assert!(matches!(end("thief", Some(task.token), "a").await, Completion::LeaseLost));
    assert!(matches!(end("thief", None, "a").await, Completion::LeaseLost));
    assert!(matches!(end("holder", Some(task.token + 1), "a").await, Completion::LeaseLost));
    assert!(matches!(end("holder", Some(task.token), "a").await, Completion::Accepted { .. }));
    assert!(matches!(end("holder", Some(task.token), "a").await, Completion::Duplicate));
    assert!(matches!(end("holder", Some(task.token), "b").await, Completion::LeaseLost));
}

#[tokio::test]
async fn a_task_handed_back_is_claimed_again_with_a_new_token() {
    let bench = Bench::new();
    bench.submit(0).await;
    let first = bench.claim("one", 1).await.remove(0);

    let thief = bench.store.release_task(first.id, &worker("two"), None).await.unwrap();
    let holder = bench.store.release_task(first.id, &worker("one"), Some(first.token)).await.unwrap();

    assert_eq!((thief, holder), (LeaseAnswer::LeaseLost, LeaseAnswer::Accepted));
    let second = bench.claim("two", 1).await.remove(0);
    assert_eq!((second.id, second.attempt), (first.id, first.attempt));
    assert!(second.token > first.token);
    assert_eq!(
        bench.store.release_task(first.id, &worker("one"), Some(first.token)).await.unwrap(),
        LeaseAnswer::LeaseLost
    );
}

#[tokio::test]
async fn a_claim_that_is_never_confirmed_goes_back_to_its_queue() {
    let bench = Bench::hasty();
    bench.submit(0).await;
    let first = bench.claim("deaf", 1).await.remove(0);

    let again = wait_for_claim(&bench).await;

    assert_eq!((again.id, again.attempt), (first.id, first.attempt));
    assert!(again.token > first.token);
}

#[tokio::test]
async fn a_claim_that_was_confirmed_is_kept() {
    let bench = Bench::hasty();
    bench.submit(0).await;
    let task = bench.claim("alive", 1).await.remove(0);

    let lost = bench.store.renew_leases(&worker("alive"), &[task.id]).await.unwrap();

    assert_eq!(lost, Vec::<String>::new());
    // Well past the moment within which a claim must be confirmed.
    let until = std::time::Instant::now() + std::time::Duration::from_millis(200);
    while std::time::Instant::now() < until {
        assert_eq!(bench.store.expire_leases(0, 10).await.unwrap(), []);
    }
    assert_eq!(bench.claim("other", 1).await.len(), 0);
    let stranger = bench.store.renew_leases(&worker("other"), &[task.id]).await.unwrap();
    assert_eq!(stranger, [task.id.to_string()]);
}

/// Lets leases run out until there is something to claim.
async fn wait_for_claim(bench: &Bench) -> relevo::store::ClaimedTask {
    let deadline = std::time::Instant::now() + SOON;
    loop {
        bench.store.expire_leases(0, 10).await.expect("Redis answers");
        if let Some(task) = bench.claim("patient", 1).await.pop() {
            return task;
        }
        assert!(std::time::Instant::now() < deadline, "the task never came back");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_confirmed_lease_that_ends_is_the_workers_no_more() {
    let bench = Bench::new();
    let job = bench.submit(0).await;
    let (worker, queues) = (worker("w"), ["s".to_owned()]);
    let brief = Claim { worker: &worker, queues: &queues, max: 1, lease_ms: 1 };
    let task = bench.store.claim_tasks(0, &brief).await.unwrap().tasks[0].id;
    assert!(bench.store.renew_leases(&worker, &[task]).await.unwrap().is_empty(), "it is confirmed");

    let ended = bench.expire().await;

    assert_eq!(ended, [job.id]);
    assert_eq!(bench.store.renew_leases(&worker, &[task]).await.unwrap(), [task.to_string()]);
    assert_eq!(bench.error_of(job.id).await, "States.HeartbeatTimeout");
}

#[tokio::test]
async fn a_task_that_overstays_its_time_ends_with_a_timeout() {
    let bench = Bench::new();
    let job = crate::fixture::job(0);
    let mut step = crate::fixture::task_step(job.id, 1, 0);
    step.task.as_mut().expect("it queues a task").timeout_ms = Some(1);
    bench.store.submit_job(&job, &step).await.unwrap();
    assert_eq!(bench.claim("w", 1).await.len(), 1);

    let ended = bench.expire().await;

    assert_eq!(ended, [job.id]);
    assert_eq!(bench.error_of(job.id).await, "States.Timeout");
}
