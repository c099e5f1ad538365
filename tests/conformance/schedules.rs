//! Schedules: an instant is claimed once, its firing seen through once, and no edit brings one back.

use relevo::store::{FiringClaim, NextInstant, OpenFiring, SchedulePut};
use relevo_shared::{
    ScheduleId,
    schedule::{Firing, FiringOutcome, ScheduleSpec},
};

use crate::fixture::Bench;

const HOUR: i64 = 3_600_000;

fn id() -> ScheduleId {
    "s".parse().expect("the name is one")
}

fn spec(name: &str) -> ScheduleSpec {
    let spec = serde_json::json!({ "name": name, "blueprint": "b", "cron": "0 * * * *" });
    serde_json::from_value(spec).expect("a schedule has this form")
}

fn firing(instant: i64) -> Firing {
    Firing { instant: instant.to_string(), outcome: FiringOutcome::Created, job_id: None, reason: None }
}

/// Keeps a schedule whose next instant was a second ago, and gives that instant.
async fn due_schedule(bench: &Bench) -> i64 {
    let due = bench.store.clock().await.expect("Redis answers") - 1000;
    let put = bench
        .store
        .put_schedule(&id(), "c", 0, &spec("first"), NextInstant::Set(Some(due)))
        .await
        .expect("Redis answers");
    assert_eq!(put, SchedulePut::Written);
    due
}

fn claim(schedule: &ScheduleId, due: i64) -> FiringClaim<'_> {
    FiringClaim { schedule, revision: 1, due, next: Some(due + HOUR), fire: Some(due), passed_over: &[] }
}

#[tokio::test]
async fn an_instant_is_claimed_once() {
    let bench = Bench::new();
    let (due, id) = (due_schedule(&bench).await, id());
    assert_eq!(bench.store.take_schedules(10).await.unwrap().schedules, std::slice::from_ref(&id));

    let first = bench.store.claim_firing(&claim(&id, due)).await.unwrap();
    let second = bench.store.claim_firing(&claim(&id, due)).await.unwrap();

    assert_eq!((first, second), (true, false));
    let record = bench.store.schedule(&id).await.unwrap().expect("it is there");
    assert_eq!((record.next, record.open), (Some(due + HOUR), 1));
    assert_eq!(bench.store.take_schedules(10).await.unwrap().schedules, []);
}

#[tokio::test]
async fn a_firing_is_held_back_from_other_replicas() {
    let bench = Bench::new();
    let (due, id) = (due_schedule(&bench).await, id());
    assert!(bench.store.claim_firing(&claim(&id, due)).await.unwrap());
    assert_eq!(bench.store.take_schedules(10).await.unwrap().firings, [], "its claimer has it to itself for a while");
    bench.forget_holds();

    let first = bench.store.take_schedules(10).await.unwrap().firings;
    let second = bench.store.take_schedules(10).await.unwrap().firings;

    assert_eq!(first, [OpenFiring { schedule: id, instant: due }]);
    assert_eq!(second, []);
}

#[tokio::test]
async fn a_firing_is_settled_once() {
    let bench = Bench::new();
    let (due, id) = (due_schedule(&bench).await, id());
    assert!(bench.store.claim_firing(&claim(&id, due)).await.unwrap());
    let open = OpenFiring { schedule: id.clone(), instant: due };

    let first = bench.store.settle_firing(&id, Some(&open), &firing(due)).await.unwrap();
    let second = bench.store.settle_firing(&id, Some(&open), &firing(due)).await.unwrap();

    assert_eq!((first, second), (true, false));
    assert_eq!(bench.store.firings(&id).await.unwrap(), [firing(due)]);
    assert_eq!(bench.store.schedule(&id).await.unwrap().expect("it is there").open, 0);
}

#[tokio::test]
async fn a_firing_of_a_schedule_that_was_deleted_leaves_nothing() {
    let bench = Bench::new();
    let (due, id) = (due_schedule(&bench).await, id());
    assert!(bench.store.claim_firing(&claim(&id, due)).await.unwrap());
    bench.store.delete_schedule(&id, "c").await.unwrap();

    let open = OpenFiring { schedule: id.clone(), instant: due };
    let settled = bench.store.settle_firing(&id, Some(&open), &firing(due)).await.unwrap();

    assert!(!settled);
    assert_eq!(bench.store.firings(&id).await.unwrap(), []);
    bench.forget_holds();
    assert_eq!(bench.store.take_schedules(10).await.unwrap().firings, []);
}

#[tokio::test]
async fn an_edit_of_an_old_revision_is_not_written() {
    let bench = Bench::new();
    let (due, id) = (due_schedule(&bench).await, id());
    let edit = async |revision, name: &str, next| {
        bench.store.put_schedule(&id, "c", revision, &spec(name), next).await.unwrap()
    };
    assert_eq!(edit(1, "second", NextInstant::Keep).await, SchedulePut::Written);

    assert_eq!(edit(1, "third", NextInstant::Keep).await, SchedulePut::Changed);
    // One who read the schedule before the edit does not claim by its old timetable.
    assert!(!bench.store.claim_firing(&claim(&id, due)).await.unwrap());

    let record = bench.store.schedule(&id).await.unwrap().expect("it is there");
    assert_eq!((record.spec, record.next, record.revision), (spec("second"), Some(due), 2));
}

#[tokio::test]
async fn an_edit_does_not_bring_back_an_instant_that_has_fired() {
    let bench = Bench::new();
    let (due, id) = (due_schedule(&bench).await, id());
    assert!(bench.store.claim_firing(&claim(&id, due)).await.unwrap());

    let put = bench.store.put_schedule(&id, "c", 1, &spec("second"), NextInstant::Set(Some(due))).await.unwrap();

    assert_eq!(put, SchedulePut::Changed);
    assert_eq!(bench.store.schedule(&id).await.unwrap().expect("it is there").next, Some(due + HOUR));
}
