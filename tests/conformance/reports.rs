//! What tasks tell of themselves while they run, and what is seen of it in order.

use redis::Commands;
use relevo::store::{Beside, BranchAdvance, ClaimedTask, LeaseAnswer, LiveWhat, StepWrite};
use relevo_shared::{JobId, TaskId, job::JobState, worker::ProgressReport};
use serde_json::{Value, json};

use crate::{
    fans::fanned,
    fixture::{Bench, step, task_step},
};

fn report(worker: &str, token: Option<u64>, mut members: Value) -> ProgressReport {
    (members["worker_id"], members["lease_token"]) = (json!(worker), json!(token));
    serde_json::from_value(members).expect("it is a report")
}

/// Tells something of a task that this worker holds.
async fn tell(bench: &Bench, task: &ClaimedTask, members: Value) {
    let told = [(task.id, report("w", Some(task.token), members))];
    let answers = bench.store.report_progress(task.id.job(), &told).await.expect("Redis answers");
    assert_eq!(answers, [LeaseAnswer::Accepted]);
}

/// What is seen of a job, in short, each with its number.
async fn seen(bench: &Bench, job: JobId, logs: bool) -> Vec<(u64, String)> {
    let beside = Beside { logs, metrics: logs };
    let page = bench.store.read_live(job, 0, beside, 20_000).await.expect("Redis answers");
    let short = |what| match what {
        LiveWhat::Progress(progress, message) => format!("{progress} {message}"),
        LiveWhat::Stage(stage) => format!("{} {:?} {:?}", stage.name, stage.status, stage.duration_seconds),
        LiveWhat::Setback(error) => error.message,
        LiveWhat::Log(line) => line.message,
        LiveWhat::Metric(point) => format!("{} {} {}", point.name, point.step, point.value),
    };
    page.events.into_iter().map(|event| (event.seq, short(event.what))).collect()
}

fn texts(seen: &[(u64, String)]) -> Vec<&str> {
    seen.iter().map(|(_, text)| text.as_str()).collect()
}

fn branch(job: JobId, index: u32, task: u32) -> TaskId {
    format!("{job}.1.{index}.{task}").parse().expect("it is a task of a branch")
}

/// A job in a fan-out of two branches, each with a task that a worker of its own holds.
async fn two_branches(bench: &Bench) -> JobId {
    let fan = fanned(bench, 2, None, 0).await;
    for (index, _) in bench.store.open_branches(fan).await.expect("Redis answers") {
        let written = bench.store.advance_branch(fan.branch(index), 0, None, &task_step(1)).await;
        assert_eq!(written.expect("Redis answers"), BranchAdvance::Written);
        assert_eq!(bench.claim(&format!("w{index}"), 1).await.len(), 1);
    }
    fan.job
}

#[tokio::test]
async fn lines_stages_and_progress_have_one_order() {
    let bench = Bench::new();
    let job = bench.submit(0).await;
    let task = bench.claim("w", 1).await.remove(0);

    let stages = json!([{ "name": "read", "status": "running", "progress": 0.5 }]);
    let line = |message: &str| json!({ "level": "info", "message": message });
    tell(&bench, &task, json!({ "logs": [line("one"), line("two")], "stages": stages, "progress": 0.25 })).await;
    tell(&bench, &task, json!({ "message": "on the way", "logs": [line("three")] })).await;

    let all = seen(&bench, job, true).await;
    assert_eq!(texts(&all), ["one", "two", "read Running None", "0.25 ", "three", "0.25 on the way"]);
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "{all:?}");
    assert_eq!(texts(&seen(&bench, job, false).await), ["read Running None", "0.25 ", "0.25 on the way"]);
    let head = bench.store.live_head(job).await.expect("Redis answers").expect("the job is there");
    assert_eq!((head.progress, head.message.as_deref()), (0.25, Some("on the way")));
    assert_eq!(head.seq, all.last().expect("there are some").0);
}

#[tokio::test]
async fn figures_are_kept_by_task_and_seen_in_order_with_the_rest() {
    let bench = Bench::new();
    let job = two_branches(&bench).await;
    let (first, second) = (branch(job, 0, 1), branch(job, 1, 1));
    let point = |step: u32, value: f64| json!({ "name": "loss", "step": step, "value": value });
    let figures = |points: &[Value]| json!({ "metrics": points });

    let told = [
        (first, report("w0", None, json!({ "progress": 0.5, "metrics": [point(1, 0.5), point(2, 0.25)] }))),
        (second, report("w1", None, figures(&[point(1, 0.125)]))),
        (second, report("thief", None, figures(&[point(9, 9.0)]))),
    ];
    bench.store.report_progress(job, &told).await.expect("Redis answers");

    let (points, dropped) = bench.store.read_metrics(job).await.expect("Redis answers");
    let kept: Vec<_> = points.iter().map(|point| (point.task, point.step, point.value)).collect();
    assert_eq!((kept, dropped), (vec![(first, 1, 0.5), (first, 2, 0.25), (second, 1, 0.125)], 0));
    let all = seen(&bench, job, true).await;
    assert_eq!(texts(&all), ["loss 1 0.5", "loss 2 0.25", "loss 1 0.125", "0.5 "]);
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "{all:?}");
    assert_eq!(texts(&seen(&bench, job, false).await), ["0.5 "]);
    let key = format!("relevo:{{p00}}:metrics:{job}");
    let left: i64 = bench.connection().pttl(key).expect("Redis answers");
    assert!(left > 6 * 24 * 3600 * 1000, "they go after the retention time, not in {left} ms");
}

#[tokio::test]
async fn a_job_keeps_so_many_figures_of_so_many_names_and_counts_the_others() {
    let bench = Bench::new();
    let id = bench.submit(0).await;
    let task = bench.claim("w", 1).await.remove(0);
    let points = |names: std::ops::Range<u32>, step: u32| -> Vec<Value> {
        names.map(|n| json!({ "name": format!("layer.{n}"), "step": step, "value": 0.5 })).collect()
    };

    tell(&bench, &task, json!({ "metrics": points(0..60, 0) })).await;
    tell(&bench, &task, json!({ "metrics": points(50..130, 1) })).await;
    let (few, dropped) = bench.store.read_metrics(id).await.expect("Redis answers");
    assert_eq!((few.len(), dropped), (60 + 50, 30), "the names from the hundredth on are not kept");

    for step in 2..130 {
        tell(&bench, &task, json!({ "metrics": points(0..100, step) })).await;
    }
    let (many, dropped) = bench.store.read_metrics(id).await.expect("Redis answers");
    assert!((10_000..10_200).contains(&many.len()), "{} points are kept", many.len());
    assert_eq!(many.len() as u64 + dropped, 60 + 80 + 128 * 100);
    assert_eq!(many.last().map(|point| (point.name.as_str(), point.step)), Some(("layer.99", 129)));
}

#[tokio::test]
async fn a_job_without_figures_costs_nothing_for_them() {
    let bench = Bench::new();
    let id = bench.submit(0).await;
    let task = bench.claim("w", 1).await.remove(0);
    tell(&bench, &task, json!({ "progress": 0.5 })).await;
    let mut connection = bench.connection();
    rig::forget_calls(&mut connection);

    tell(&bench, &task, json!({ "progress": 0.6, "logs": [{ "level": "info", "message": "x" }] })).await;

    let mut calls = rig::calls(&mut connection);
    calls.remove("config|resetstat");
    // The job and its task are read, the lease is renewed, two records, a line and an event are written, and those who watch are called.
    let all = [
        ("evalsha", 1),
        ("hmget", 2),
        ("hset", 2),
        ("pexpire", 1),
        ("publish", 1),
        ("time", 1),
        ("xadd", 2),
        ("zadd", 1),
    ];
    assert_eq!(calls, all.map(|(call, times)| (call.to_owned(), times)).into());
    let there: bool = connection.exists(format!("relevo:{{p00}}:metrics:{id}")).expect("Redis answers");
    assert!(!there);
}

#[tokio::test]
async fn the_end_of_a_stage_is_told_once_and_with_its_seconds() {
    let bench = Bench::new();
    let job = bench.submit(0).await;
    let task = bench.claim("w", 1).await.remove(0);
    let stage = |status: &str| json!({ "stages": [{ "name": "read", "status": status }] });

    for status in ["completed", "completed", "running", "completed"] {
        tell(&bench, &task, stage(status)).await;
    }

    let all = seen(&bench, job, false).await;
    assert_eq!(texts(&all)[..2], ["read Completed Some(0.0)", "read Running None"]);
    assert!(texts(&all)[2].starts_with("read Completed Some("), "{all:?}");
    assert_eq!(all.len(), 3);
}

#[tokio::test]
async fn each_task_has_an_answer_of_its_own() {
    let bench = Bench::new();
    let job = two_branches(&bench).await;
    let (first, second, gone) = (branch(job, 0, 1), branch(job, 1, 1), branch(job, 7, 1));

    let told = [
        (first, report("w0", None, json!({ "progress": 0.1 }))),
        (second, report("thief", None, json!({ "progress": 0.2, "logs": [{ "level": "info", "message": "mine" }] }))),
        (gone, report("w1", None, json!({ "progress": 0.3 }))),
        (first, report("w0", Some(99), json!({ "progress": 0.4 }))),
        (second, report("w1", Some(1), json!({ "message": "both" }))),
    ];
    let answers = bench.store.report_progress(job, &told).await.expect("Redis answers");

    use LeaseAnswer::{Accepted, LeaseLost, Missing};
    assert_eq!(answers, [Accepted, LeaseLost, Missing, LeaseLost, Accepted]);
    assert_eq!(texts(&seen(&bench, job, true).await), ["0.1 both"], "one word for all that hold their tasks");
}

#[tokio::test]
async fn many_tasks_of_a_job_are_heard_in_a_few_scripts() {
    let bench = Bench::new();
    let job = two_branches(&bench).await;
    let tasks = (0..100).map(|n| if n == 70 { branch(job, 0, 1) } else { branch(job, 7, n + 1) });
    let told: Vec<_> = tasks.map(|task| (task, report("w0", None, json!({ "progress": 0.5 })))).collect();

    let mut connection = bench.connection();
    rig::forget_calls(&mut connection);
    let answers = bench.store.report_progress(job, &told).await.expect("Redis answers");

    assert_eq!(answers.len(), 100);
    assert_eq!(answers.iter().position(|answer| *answer == LeaseAnswer::Accepted), Some(70));
    let calls = rig::calls(&mut connection);
    // Four, and one more where the script had to be loaded.
    assert!((4..=5).contains(&calls["evalsha"]), "{calls:?}");
}

#[tokio::test]
async fn a_job_that_has_ended_hears_nothing_more() {
    let bench = Bench::new();
    let id = two_branches(&bench).await;
    let told = [(branch(id, 0, 1), report("w0", None, json!({ "progress": 0.9 })))];
    assert_eq!(bench.store.report_progress(id, &told).await.expect("Redis answers"), [LeaseAnswer::Accepted]);

    assert!(bench.advance(id, 1, &step(JobState::Failed)).await);
    let late = [(branch(id, 0, 1), report("w0", None, json!({ "progress": 0.1 })))];

    assert_eq!(bench.store.report_progress(id, &late).await.expect("Redis answers"), [LeaseAnswer::Cancelled]);
    assert_eq!(texts(&seen(&bench, id, true).await), ["0.9 "]);
    assert!(bench.store.read_live(id, 0, Beside::default(), 10).await.expect("Redis answers").over);
}

#[tokio::test]
async fn what_was_seen_goes_with_the_job_and_comes_back_with_it() {
    let bench = Bench::new();
    let id = bench.submit(0).await;
    let task = bench.claim("w", 1).await.remove(0);
    tell(&bench, &task, json!({ "progress": 0.5 })).await;
    let mut connection = bench.connection();
    let key = format!("relevo:{{p00}}:live:{id}");
    let mut left = || connection.pttl::<_, i64>(&key).expect("Redis answers");
    assert_eq!(left(), -1, "it stays while the job runs");

    assert!(bench.advance(id, 1, &step(JobState::Quarantined)).await);
    let after_its_end = left();
    bench.store.retry_job(id, "tests").await.expect("Redis answers");

    assert!(after_its_end > 1000, "{after_its_end}");
    assert_eq!(left(), -1);
}

#[tokio::test]
async fn a_job_that_never_tells_keeps_no_stream() {
    let bench = Bench::new();
    let id = bench.submit(0).await;

    assert!(bench.advance(id, 1, &step(JobState::Completed)).await);

    let there: bool = bench.connection().exists(format!("relevo:{{p00}}:live:{id}")).expect("Redis answers");
    assert!(!there);
    assert_eq!(bench.field(id, "seq").await, None);
}

#[tokio::test]
async fn a_failure_that_is_tried_again_is_seen() {
    let bench = Bench::new();
    let id = bench.submit(0).await;
    let setback = json!({ "code": "Worker.Transient", "message": "the network was away" }).to_string();

    assert!(bench.advance(id, 1, &StepWrite { setback: Some(setback), ..step(JobState::Waiting) }).await);

    assert_eq!(texts(&seen(&bench, id, false).await), ["the network was away"]);
    let head = bench.store.live_head(id).await.expect("Redis answers").expect("the job is there");
    assert!(head.seq > 1_700_000_000_000_000, "{}", head.seq);
}

#[tokio::test]
async fn a_failure_of_one_of_many_branches_is_seen_too() {
    let bench = Bench::new();
    let id = two_branches(&bench).await;
    let branch = branch(id, 1, 1).branch;
    let setback = json!({ "code": "Worker.Transient", "message": "the network was away" }).to_string();
    let waits = StepWrite { setback: Some(setback), ..step(JobState::Waiting) };

    bench.store.advance_branch(branch, 1, Some(1), &waits).await.expect("Redis answers");

    assert_eq!(texts(&seen(&bench, id, false).await), ["the network was away"]);
}

#[tokio::test]
async fn a_gap_is_noticed_only_where_something_may_be_gone() {
    let bench = Bench::new();
    let id = bench.submit(0).await;
    let task = bench.claim("w", 1).await.remove(0);
    tell(&bench, &task, json!({ "progress": 0.0 })).await;
    let first = seen(&bench, id, false).await[0].0;
    assert!(!bench.store.live_has_gap(id, 0, Beside { logs: true, metrics: true }).await.expect("Redis answers"));

    for n in 0..1_300 {
        tell(&bench, &task, json!({ "progress": f64::from(n) / 2000.0 })).await;
    }

    let kept = seen(&bench, id, false).await;
    assert!((1_000..1_200).contains(&kept.len()), "{} events are kept", kept.len());
    assert!(bench.store.live_has_gap(id, first, Beside::default()).await.expect("Redis answers"));
    assert!(!bench.store.live_has_gap(id, kept[0].0, Beside::default()).await.expect("Redis answers"));
    let page = bench.store.read_live(id, first, Beside::default(), 7).await.expect("Redis answers");
    assert_eq!((page.events[0].seq, page.events.len(), page.more), (kept[0].0, 7, true));
}

#[tokio::test]
async fn whoever_listens_hears_of_its_jobs_only() {
    let bench = Bench::new();
    let (mine, other) = (bench.submit(0).await, bench.submit(0).await);
    let tasks = bench.claim("w", 2).await;
    let mut channel = bench.store.live_channel().await.expect("Redis answers");
    channel.add(&[mine]).await.expect("Redis answers");
    channel.ping().await.expect("Redis answers");

    for task in &tasks {
        tell(&bench, task, json!({ "progress": 0.5 })).await;
    }
    assert!(bench.advance(mine, 1, &step(JobState::Completed)).await);
    let heard = [channel.next().await, channel.next().await];
    channel.remove(&[mine]).await.expect("Redis answers");
    channel.add(&[other]).await.expect("Redis answers");
    let mut connection = bench.connection();
    for job in [mine, other] {
        connection.publish::<_, _, ()>(format!("relevo:live:{job}"), "").expect("Redis answers");
    }

    assert_eq!(heard, [Some(mine); 2], "once when it told something, and once when it ended");
    assert_eq!(channel.next().await, Some(other));
}
