//! Fan-outs: branches are opened as many at a time as may run, and the last one's end is the fan's.

use std::time::Duration;

use relevo::{
    domain::task::Outcome,
    store::{BranchAdvance, End, FanId, FanWrite, Happened, LoadedBranch, StepWrite, Wants},
};
use relevo_shared::{BranchId, JobId, job::JobState};
use serde_json::json;

use crate::fixture::{Bench, job, step, task_step, worker};

/// A job that waits for a fan-out of so many branches.
pub(crate) async fn fanned(bench: &Bench, total: usize, limit: Option<u32>, tolerated: u32) -> FanId {
    let id = JobId::fresh();
    let fan = FanId { job: id, number: 1 };
    let starts: Vec<String> = (0..total).map(|index| format!("start {index}")).collect();
    bench.store.stock_fan(fan, &starts).await.expect("Redis answers");
    let write = FanWrite { number: 1, total, limit, tolerated, variables: "{}".to_owned() };
    let begins = StepWrite { wants: Wants::Fan(write), ..step(JobState::Pending) };
    bench.store.submit_job(id, &job(), None, &begins).await.expect("Redis answers");
    fan
}

async fn end(bench: &Bench, branch: BranchId, revision: u64, end: End) -> BranchAdvance {
    let last = StepWrite { end: Some(end), ..step(JobState::Running) };
    bench.store.advance_branch(branch, revision, None, &last).await.expect("Redis answers")
}

fn result(text: &str) -> End {
    End::Result(text.to_owned())
}

fn error() -> End {
    End::Error(r#"{"code": "E", "message": "m"}"#.to_owned())
}

async fn what_happened(bench: &Bench, fan: FanId) -> Option<Happened> {
    let loaded: Option<LoadedBranch> = bench.store.load_branch(fan.job.into()).await.expect("Redis answers");
    loaded.map(|loaded| loaded.happened)
}

/// Whether some replica will look at the job of this fan-out.
fn looked_after(bench: &Bench, fan: FanId) -> bool {
    let mut due = redis::cmd("ZSCORE");
    due.arg("relevo:{p00}:due").arg(fan.job.to_string());
    due.query::<Option<f64>>(&mut bench.connection()).expect("Redis answers").is_some()
}

#[tokio::test]
async fn a_fan_ends_with_its_last_branch() {
    let bench = Bench::new();
    let fan = fanned(&bench, 3, None, 0).await;
    let opened = bench.store.open_branches(fan).await.unwrap();
    let starts: Vec<&str> = opened.iter().map(|(_, start)| start.as_str()).collect();
    assert_eq!(starts, ["start 0", "start 1", "start 2"]);
    assert!(what_happened(&bench, fan).await.is_none(), "nothing yet");

    // They end in another order than they began.
    assert_eq!(end(&bench, fan.branch(2), 0, result("2")).await, BranchAdvance::Written);
    assert_eq!(end(&bench, fan.branch(0), 0, result("0")).await, BranchAdvance::Written);
    assert_eq!(end(&bench, fan.branch(1), 0, result("1")).await, BranchAdvance::Joined);

    assert!(matches!(what_happened(&bench, fan).await, Some(Happened::FanSucceeded)));
    assert_eq!(bench.store.fan_outputs(fan).await.unwrap(), ["0", "1", "2"]);
    assert_eq!(end(&bench, fan.branch(1), 1, result("late")).await, BranchAdvance::Stale);
}

#[tokio::test]
async fn the_starts_of_a_fan_may_be_stored_again() {
    let bench = Bench::new();
    let starts: Vec<String> = (0..3).map(|index| format!("start {index}")).collect();
    // As by a replica that died before it wrote the step.
    let never_begun = FanId { job: JobId::fresh(), number: 1 };
    bench.store.stock_fan(never_begun, &starts).await.unwrap();
    bench.store.stock_fan(never_begun, &starts).await.unwrap();
    let begun = fanned(&bench, 3, None, 0).await;
    bench.store.stock_fan(begun, &starts).await.unwrap();

    let begins = FanWrite { number: 1, total: 3, limit: None, tolerated: 0, variables: "{}".to_owned() };
    let begins = StepWrite { wants: Wants::Fan(begins), ..step(JobState::Pending) };
    bench.store.submit_job(never_begun.job, &job(), None, &begins).await.unwrap();

    for fan in [never_begun, begun] {
        let opened = bench.store.open_branches(fan).await.unwrap();
        assert_eq!(opened.into_iter().map(|(_, start)| start).collect::<Vec<_>>(), starts);
        assert!(bench.store.open_branches(fan).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_fan_goes_with_the_step_that_takes_its_outputs() {
    let bench = Bench::new();
    let fan = fanned(&bench, 1, None, 0).await;
    bench.store.open_branches(fan).await.unwrap();
    assert_eq!(end(&bench, fan.branch(0), 0, result("0")).await, BranchAdvance::Joined);
    assert!(bench.store.read_fan(fan).await.unwrap().is_some());

    assert!(bench.advance(fan.job, 1, &step(JobState::Running)).await);

    assert_eq!(bench.store.read_fan(fan).await.unwrap(), None);
    assert!(bench.store.fan_outputs(fan).await.unwrap().is_empty());
}

#[tokio::test]
async fn no_more_branches_run_at_once_than_the_limit() {
    let bench = Bench::new();
    let fan = fanned(&bench, 5, Some(2), 0).await;

    let first = bench.store.open_branches(fan).await.unwrap();
    assert_eq!(first.len(), 2);
    assert_eq!(bench.store.open_branches(fan).await.unwrap(), []);
    assert_eq!(end(&bench, fan.branch(0), 0, result("0")).await, BranchAdvance::HasRoom);
    let next = bench.store.open_branches(fan).await.unwrap();

    assert_eq!(next, [(2, "start 2".to_owned())]);
    assert!(bench.store.open_branches(fan).await.unwrap().is_empty());
}

#[tokio::test]
async fn failures_are_tolerated_up_to_the_number_given() {
    let bench = Bench::new();
    let fan = fanned(&bench, 4, None, 1).await;
    bench.store.open_branches(fan).await.unwrap();

    assert_eq!(end(&bench, fan.branch(0), 0, error()).await, BranchAdvance::Written);
    assert_eq!(end(&bench, fan.branch(1), 0, result("1")).await, BranchAdvance::Written);
    assert_eq!(end(&bench, fan.branch(2), 0, error()).await, BranchAdvance::Joined);

    assert!(matches!(what_happened(&bench, fan).await, Some(Happened::FanFailed(_))));
}

#[tokio::test]
async fn what_a_failed_fan_left_behind_is_stopped() {
    let bench = Bench::new();
    let fan = fanned(&bench, 120, None, 0).await;
    while !bench.store.open_branches(fan).await.unwrap().is_empty() {}
    for index in 1..120 {
        let queued = bench.store.advance_branch(fan.branch(index), 0, None, &task_step(1)).await.unwrap();
        assert_eq!(queued, BranchAdvance::Written);
    }
    let held = bench.claim("holder", 1).await.remove(0);
    assert_eq!(end(&bench, fan.branch(0), 0, error()).await, BranchAdvance::Joined);

    assert_eq!(bench.store.take_sweeps(0, 10).await.unwrap(), [fan]);
    let mut told = Vec::new();
    loop {
        let swept = bench.store.sweep_fan(fan).await.unwrap();
        told.extend(swept.told);
        if swept.done {
            break;
        }
    }

    assert_eq!(told.iter().map(|told| told.task).collect::<Vec<_>>(), [held.id]);
    assert!(bench.claim("w", 200).await.is_empty(), "nothing of it is queued any more");
    let renewed = bench.store.renew_leases(&worker("holder"), &[held.id]).await.unwrap();
    assert_eq!(renewed.cancelled, [held.id.to_string()]);
    let outcome = Outcome::Succeeded { output: json!({}) };
    let late = bench.store.complete_task(held.id, &worker("holder"), None, &outcome, "a").await.unwrap();
    assert!(matches!(late, relevo::store::Completion::LeaseLost), "{late:?}");
}

#[tokio::test]
async fn a_fan_within_a_fan_is_stopped_when_the_grace_of_its_job_is_over() {
    let bench = Bench::new();
    let outer = fanned(&bench, 1, None, 0).await;
    bench.store.open_branches(outer).await.unwrap();
    let inner = FanId { job: outer.job, number: 2 };
    bench.store.stock_fan(inner, &["start".to_owned()]).await.unwrap();
    let write = FanWrite { number: 2, total: 1, limit: None, tolerated: 0, variables: "{}".to_owned() };
    let begins = StepWrite { wants: Wants::Fan(write), ..step(JobState::Running) };
    bench.store.advance_branch(outer.branch(0), 0, None, &begins).await.unwrap();
    bench.store.open_branches(inner).await.unwrap();
    bench.store.advance_branch(inner.branch(0), 0, None, &task_step(1)).await.unwrap();
    let held = bench.claim("holder", 1).await.remove(0);
    let sweep = async || {
        for _ in 0..2 {
            for fan in bench.store.take_sweeps(0, 10).await.unwrap() {
                assert!(bench.store.sweep_fan(fan).await.unwrap().done);
            }
        }
    };

    bench.store.cancel_job(outer.job, "client", Duration::ZERO, "{}").await.unwrap();
    sweep().await;
    let asked = bench.store.renew_leases(&worker("holder"), &[held.id]).await.unwrap();
    assert_eq!((asked.lost, asked.cancelled), (Vec::new(), vec![held.id.to_string()]), "it has its grace");
    bench.store.end_job(outer.job, "{}", "{}").await.unwrap().expect("its grace is over");
    sweep().await;

    let outcome = Outcome::Succeeded { output: json!({}) };
    let late = bench.store.complete_task(held.id, &worker("holder"), None, &outcome, "a").await.unwrap();
    assert!(matches!(late, relevo::store::Completion::LeaseLost), "{late:?}");
}

#[tokio::test]
async fn room_in_a_fan_is_seen_when_whoever_made_it_has_died() {
    let bench = Bench::new();
    let fan = fanned(&bench, 2, Some(1), 0).await;
    assert!(looked_after(&bench, fan), "nobody has opened a branch");
    bench.store.open_branches(fan).await.unwrap();
    assert!(what_happened(&bench, fan).await.is_none(), "one at a time");
    assert!(!looked_after(&bench, fan));

    assert_eq!(end(&bench, fan.branch(0), 0, result("0")).await, BranchAdvance::HasRoom);

    assert!(looked_after(&bench, fan), "nobody has opened the next one");
    assert!(matches!(what_happened(&bench, fan).await, Some(Happened::FanHasRoom)));
}

#[tokio::test]
async fn an_approval_is_decided_once() {
    let bench = Bench::new();
    let id = bench.submit(0).await;
    let wants = Wants::Approval { number: 2, record: "{}".to_owned() };
    assert!(bench.advance(id, 1, &StepWrite { wants, ..step(JobState::Waiting) }).await);
    let outcome = Outcome::Succeeded { output: json!({}) };
    let decide = async || bench.store.decide_approval(id.into(), "approved", "board", "fine", &outcome).await.unwrap();

    assert!(decide().await);
    assert!(!decide().await);

    assert!(matches!(what_happened(&bench, FanId { job: id, number: 0 }).await, Some(Happened::Task(_))));
    let record = bench.store.read_job(id).await.unwrap().unwrap();
    assert_eq!(record.approvals.len(), 0);
    assert_eq!(record.fields["approvals"], "0");
}
