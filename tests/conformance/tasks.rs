//! Tasks: claimed in order, ended by the worker that holds them, taken back from one that is gone.

use std::time::Duration;

use relevo::{
    domain::task::Outcome,
    store::{Cancellation, Claim, ClaimedTask, Completion, LeaseAnswer, NewJob, Pausable, Pauses, Renewed, Wants},
};
use relevo_shared::JobId;
use rig::SOON;
use serde_json::json;

use crate::fixture::{Bench, job, worker};

#[tokio::test]
async fn higher_priority_goes_first_then_age() {
    let bench = Bench::new();
    let mut jobs = Vec::new();
    for priority in [0, 5, -3, 5] {
        jobs.push(bench.submit(priority).await);
    }

    let claimed: Vec<JobId> = bench.claim("w", 10).await.into_iter().map(|task| task.id.job()).collect();

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
async fn claims_that_were_never_confirmed_are_counted_for_one_task_only() {
    let bench = Bench::hasty();
    let job = bench.submit(0).await;
    bench.claim("deaf", 1).await;
    wait_for_claim(&bench).await;
    assert_ne!(bench.field(job, "unconfirmed").await.as_deref(), Some("0"));

    assert!(bench.advance(job, 1, &crate::fixture::task_step(2)).await);

    assert_eq!(bench.field(job, "unconfirmed").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_claim_that_was_confirmed_is_kept() {
    let bench = Bench::hasty();
    bench.submit(0).await;
    let task = bench.claim("alive", 1).await.remove(0);

    let renewed = bench.store.renew_leases(&worker("alive"), &[task.id]).await.unwrap();

    assert_eq!(renewed, Renewed::default());
    // Well past the moment within which a claim must be confirmed.
    let until = std::time::Instant::now() + std::time::Duration::from_millis(200);
    while std::time::Instant::now() < until {
        assert_eq!(bench.store.expire_leases(0, 10).await.unwrap(), []);
    }
    assert_eq!(bench.claim("other", 1).await.len(), 0);
    let stranger = bench.store.renew_leases(&worker("other"), &[task.id]).await.unwrap();
    assert_eq!(stranger.lost, [task.id.to_string()]);
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
    let (worker, queues) = (worker("w"), ["s"]);
    let brief = Claim { worker: &worker, queues: &queues, max: 1, lease_ms: 1, some_paused: false };
    let task = bench.store.claim_tasks(0, &brief).await.unwrap().tasks[0].id;
    assert_eq!(bench.store.renew_leases(&worker, &[task]).await.unwrap(), Renewed::default(), "it is confirmed");

    let ended = bench.expire().await;

    assert_eq!(ended, [job.into()]);
    assert_eq!(bench.store.renew_leases(&worker, &[task]).await.unwrap().lost, [task.to_string()]);
    assert_eq!(bench.error_of(job).await, "States.HeartbeatTimeout");
}

#[tokio::test]
async fn a_task_that_overstays_its_time_ends_with_a_timeout() {
    let bench = Bench::new();
    let job = JobId::fresh();
    let mut step = crate::fixture::task_step(1);
    let Wants::Task(task) = &mut step.wants else { panic!("it queues a task") };
    task.timeout_ms = Some(1);
    bench.store.submit_job(job, &crate::fixture::job(), None, &step).await.unwrap();
    assert_eq!(bench.claim("w", 1).await.len(), 1);

    let ended = bench.expire().await;

    assert_eq!(ended, [job.into()]);
    assert_eq!(bench.error_of(job).await, "States.Timeout");
}

#[tokio::test]
async fn a_client_with_many_tasks_does_not_keep_another_waiting() {
    let bench = Bench::new();
    let of = |client: &str| NewJob { client: client.to_owned(), ..job() };
    for _ in 0..30 {
        bench.submit_like(&of("many")).await;
    }
    bench.claim("w", 5).await;
    let mut few = Vec::new();
    for _ in 0..3 {
        few.push(bench.submit_like(&of("few")).await);
    }

    let next: Vec<JobId> = bench.claim("w", 7).await.into_iter().map(|task| task.id.job()).collect();

    assert!(few.iter().all(|job| next.contains(job)), "three of the next seven are those of the other client");
}

#[tokio::test]
async fn a_task_waits_for_a_slot_and_is_queued_when_one_is_free() {
    let bench = Bench::new();
    let limited = with_slots("key=1");
    let first = bench.submit_like(&limited).await;
    let second = bench.submit_like(&limited).await;
    let free = bench.submit(0).await;

    let claimed = bench.claim("w", 10).await;
    let jobs: Vec<JobId> = claimed.iter().map(|task| task.id.job()).collect();
    assert_eq!(jobs, [first, free]);
    assert!(bench.claim("w", 10).await.is_empty());
    complete(&bench, &claimed[0]).await;

    assert_eq!(claimed_jobs(&bench).await, [second]);
}

#[tokio::test]
async fn a_slot_is_passed_on_when_the_task_that_was_queued_for_it_is_cancelled() {
    let bench = Bench::new();
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(bench.submit_like(&with_slots("key=1")).await);
    }
    let first = bench.claim("w", 10).await.remove(0);
    complete(&bench, &first).await;

    let cancelled = bench.store.cancel_job(jobs[1], "tests", Duration::ZERO, "{}").await.unwrap();

    assert!(matches!(cancelled, Cancellation::Cancelled(_)), "{cancelled:?}");
    assert_eq!(claimed_jobs(&bench).await, [jobs[2]]);
}

#[tokio::test]
async fn a_slot_is_passed_on_when_the_task_that_was_queued_for_it_lacks_another() {
    let bench = Bench::new();
    let mut jobs = Vec::new();
    for slots in ["all=2 key=1", "all=2", "all=2 key=1", "all=2"] {
        jobs.push(bench.submit_like(&with_slots(slots)).await);
    }
    let claimed = bench.claim("w", 10).await;
    assert_eq!(claimed.iter().map(|task| task.id.job()).collect::<Vec<_>>(), jobs[..2]);
    complete(&bench, &claimed[1]).await;

    // The third cannot run beside the first, so the last one takes the place of the second.
    assert_eq!(claimed_jobs(&bench).await, [jobs[3]]);
}

#[tokio::test]
async fn the_time_to_be_claimed_goes_on_while_a_task_is_parked() {
    let bench = Bench::new();
    bench.submit_like(&with_slots("key=1")).await;
    let first = bench.claim("w", 10).await.remove(0);
    let waits = bench.submit_like(&NewJob { dispatch_ms: Some(60_000), ..with_slots("key=1") }).await;
    let mut connection = bench.connection();
    let mut deadline = || {
        let mut command = redis::cmd("ZSCORE");
        command.arg("relevo:{p00}:leases").arg(format!("{waits}.1"));
        command.query::<Option<f64>>(&mut connection).expect("Redis answers")
    };
    let before = deadline();
    assert_eq!(claimed_jobs(&bench).await, []);

    complete(&bench, &first).await;

    assert!(before.is_some());
    assert_eq!(deadline(), before);
}

fn with_slots(slots: &str) -> NewJob {
    NewJob { slots: slots.to_owned(), ..job() }
}

async fn complete(bench: &Bench, task: &ClaimedTask) {
    let outcome = Outcome::Succeeded { output: json!({}) };
    let completion =
        bench.store.complete_task(task.id, &worker("w"), None, &outcome, "a").await.expect("Redis answers");
    assert!(matches!(completion, Completion::Accepted { .. }), "{completion:?}");
}

async fn claimed_jobs(bench: &Bench) -> Vec<JobId> {
    bench.claim("w", 10).await.iter().map(|task| task.id.job()).collect()
}

#[tokio::test]
async fn a_slot_that_was_for_a_cancelled_task_goes_to_the_next() {
    let bench = Bench::new();
    let limited = NewJob { slots: "key=1".to_owned(), ..job() };
    bench.submit_like(&limited).await;
    let (second, third) = (bench.submit_like(&limited).await, bench.submit_like(&limited).await);
    let claimed = bench.claim("w", 10).await;
    let outcome = Outcome::Succeeded { output: json!({}) };
    bench.store.complete_task(claimed[0].id, &worker("w"), None, &outcome, "a").await.unwrap();

    bench.store.cancel_job(second, "client", Duration::from_secs(9), "{}").await.unwrap();

    let after: Vec<JobId> = bench.claim("w", 10).await.iter().map(|task| task.id.job()).collect();
    assert_eq!(after, [third]);
}

#[tokio::test]
async fn a_slot_that_a_task_of_a_paused_blueprint_cannot_use_goes_to_the_next() {
    let bench = Bench::new();
    let limited = NewJob { slots: "key=1".to_owned(), ..job() };
    bench.submit_like(&limited).await;
    bench.submit_like(&NewJob { blueprint: "paused".to_owned(), ..limited.clone() }).await;
    let third = bench.submit_like(&limited).await;
    bench.store.pause(&Pausable::Blueprint("paused".to_owned()), "pause").await.unwrap();
    let (worker, queues) = (worker("w"), ["s"]);
    let first = bench.claim("w", 10).await.remove(0);
    let outcome = Outcome::Succeeded { output: json!({}) };
    bench.store.complete_task(first.id, &worker, None, &outcome, "a").await.unwrap();

    let claim = Claim { worker: &worker, queues: &queues, max: 5, lease_ms: 60_000, some_paused: true };
    let claimed = bench.store.claim_tasks(0, &claim).await.unwrap().tasks;

    assert_eq!(claimed.iter().map(|task| task.id.job()).collect::<Vec<_>>(), [third]);
}

#[tokio::test]
async fn a_queue_without_workers_keeps_no_slot_from_another_queue() {
    let bench = Bench::new();
    let limited = NewJob { slots: "key=1".to_owned(), ..job() };
    bench.submit_like(&limited).await;
    let mut elsewhere = crate::fixture::task_step(1);
    let Wants::Task(task) = &mut elsewhere.wants else { panic!("it queues a task") };
    task.queue = "other".to_owned();
    bench.store.submit_job(JobId::fresh(), &limited, None, &elsewhere).await.unwrap();
    let third = bench.submit_like(&limited).await;
    let worker = worker("w");
    let claim = Claim { worker: &worker, queues: &["s", "other"], max: 5, lease_ms: 60_000, some_paused: false };
    let first = bench.store.claim_tasks(0, &claim).await.unwrap().tasks.remove(0);
    let outcome = Outcome::Succeeded { output: json!({}) };
    bench.store.complete_task(first.id, &worker, None, &outcome, "a").await.unwrap();

    let after: Vec<JobId> = bench.claim("w", 10).await.iter().map(|task| task.id.job()).collect();

    assert_eq!(after, [third], "the other queue has no worker any more");
}

#[tokio::test]
async fn a_task_that_nobody_comes_for_ends_in_time() {
    let bench = Bench::new();
    let job = bench.submit_like(&NewJob { dispatch_ms: Some(1), ..job() }).await;

    let ended = bench.expire().await;

    assert_eq!(ended, [job.into()]);
    assert_eq!(bench.error_of(job).await, "Dispatch.Timeout");
    assert!(bench.claim("w", 1).await.is_empty());
}

#[tokio::test]
async fn a_paused_blueprint_gets_no_worker_until_it_is_resumed() {
    let bench = Bench::new();
    let paused = bench.submit_like(&NewJob { blueprint: "paused".to_owned(), ..job() }).await;
    let other = bench.submit(0).await;
    let blueprint = Pausable::Blueprint("paused".to_owned());
    bench.store.pause(&blueprint, "pause").await.unwrap();
    let (worker, queues) = (worker("w"), ["s"]);
    let claim = Claim { worker: &worker, queues: &queues, max: 5, lease_ms: 60_000, some_paused: true };

    let claimed = bench.store.claim_tasks(0, &claim).await.unwrap().tasks;
    assert_eq!(claimed.iter().map(|task| task.id.job()).collect::<Vec<_>>(), [other]);
    assert!(bench.store.resume(&blueprint).await.unwrap());

    let claimed = bench.claim("w", 5).await;
    assert_eq!(claimed.iter().map(|task| task.id.job()).collect::<Vec<_>>(), [paused]);
    assert_eq!(bench.store.pauses().await.unwrap(), Pauses::default());
}
