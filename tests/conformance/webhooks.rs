//! Webhooks: what each script answers when a delivery is in other hands, and how long what is logged stays.

use std::time::Duration;

use relevo::store::{Deferral, NewJob, RecordedAttempt, TakenDelivery};
use relevo_shared::{JobId, job::JobState, webhook::DeliveryState};

use crate::fixture::{Bench, job, step};

const LONG: Duration = Duration::from_secs(60);
const NOT_AT_ALL: Duration = Duration::ZERO;

/// A job that has ended and is to be told of.
async fn ended(bench: &Bench) -> JobId {
    let (id, job) = (JobId::fresh(), NewJob { webhook_url: Some("https://example.com/".to_owned()), ..job() });
    bench.store.submit_job(id, &job, None, &step(JobState::Completed)).await.expect("Redis answers");
    id
}

async fn take(bench: &Bench, hold: Duration) -> Vec<TakenDelivery> {
    bench.store.take_deliveries(0, 10, hold).await.expect("Redis answers")
}

fn failed(tries: u32) -> RecordedAttempt<'static> {
    RecordedAttempt { state: DeliveryState::Pending, delay_ms: Some(0), tries, attempts: &[] }
}

#[tokio::test]
async fn what_one_replica_holds_no_other_gets() {
    let bench = Bench::new();
    let job = ended(&bench).await;

    let taken = take(&bench, LONG).await;

    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].key.job, taken[0].key.event.as_str(), taken[0].tries), (job, "job.completed", 0));
    assert!(take(&bench, LONG).await.is_empty());
}

#[tokio::test]
async fn an_attempt_of_one_who_held_it_too_long_does_not_count() {
    let bench = Bench::new();
    ended(&bench).await;
    let slow = take(&bench, Duration::from_millis(1)).await.remove(0);
    let quick = loop {
        if let Some(taken) = take(&bench, LONG).await.pop() {
            break taken;
        }
    };

    assert!(!bench.store.record_attempt(&slow.key, &slow.token, &failed(1)).await.unwrap());
    let late = Deferral { key: slow.key, token: slow.token, delay_ms: 0 };
    bench.store.defer_deliveries(0, &[late]).await.unwrap();
    assert!(take(&bench, LONG).await.is_empty(), "the late one has changed what it does not hold");

    assert_eq!(quick.created_at, slow.created_at);
    assert!(bench.store.record_attempt(&quick.key, &quick.token, &failed(1)).await.unwrap());
    assert_eq!(take(&bench, LONG).await[0].tries, 1);
}

#[tokio::test]
async fn what_is_deferred_comes_again_and_no_attempt_is_counted() {
    let bench = Bench::new();
    ended(&bench).await;
    let taken = take(&bench, LONG).await.remove(0);

    let deferral = Deferral { key: taken.key, token: taken.token, delay_ms: 0 };
    bench.store.defer_deliveries(0, &[deferral]).await.unwrap();

    assert_eq!(take(&bench, LONG).await[0].tries, 0);
}

#[tokio::test]
async fn the_log_of_a_job_goes_when_the_job_goes() {
    let bench = Bench::new();
    let job = ended(&bench).await;
    let mut connection = bench.connection();
    let mut expiry = |kind: &str| -> i64 {
        let key = format!("relevo:{{p00}}:{kind}:{}", job);
        redis::cmd("PTTL").arg(key).query(&mut connection).unwrap()
    };

    let taken = take(&bench, NOT_AT_ALL).await.remove(0);
    let apart = expiry("job") - expiry("webhooks");
    assert!(apart.abs() < 1000 && expiry("webhooks") > 0, "{apart} ms between the two");
    assert_eq!(bench.store.deliveries(job).await.unwrap()[0].state, DeliveryState::Pending);

    let () = redis::cmd("DEL").arg(format!("relevo:{{p00}}:job:{}", job)).query(&mut connection).unwrap();
    assert!(take(&bench, NOT_AT_ALL).await.is_empty(), "{taken:?}");
    let waiting: u64 = redis::cmd("ZCARD").arg("relevo:{p00}:deliveries").query(&mut connection).unwrap();
    assert_eq!(waiting, 0);
}

#[tokio::test]
async fn a_replay_begins_to_count_anew() {
    let bench = Bench::new();
    let job = ended(&bench).await;
    let taken = take(&bench, LONG).await.remove(0);
    let dead = RecordedAttempt { state: DeliveryState::Dead, delay_ms: None, tries: 12, attempts: &[] };
    assert!(bench.store.record_attempt(&taken.key, &taken.token, &dead).await.unwrap());
    assert!(take(&bench, LONG).await.is_empty());

    assert!(bench.store.replay_delivery(job, &taken.key.id()).await.unwrap());

    let again = take(&bench, LONG).await.remove(0);
    assert_eq!((again.tries, again.created_at), (0, taken.created_at));
    assert!(again.since >= taken.since);
    assert!(!bench.store.replay_delivery(job, "msg_of_nobody").await.unwrap());
}
