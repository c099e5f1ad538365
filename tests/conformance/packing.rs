//! Packing: a job that has ended takes little room and looks the same; in the archive too, and when it comes back.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use relevo::{
    domain::{series::KeptPoint, task::Outcome},
    store::{Archive, Archiving, Completion, Deletion, Happened, NewJob, Packing, PageStart, Retry, StepWrite, Wants},
};
use relevo_shared::{
    JobId,
    job::{JobState, LogLevel, LogLine},
    worker::{MetricPoint, ProgressReport},
};
use serde_json::json;

use crate::fixture::{Bench, job, step, task_step, worker};

const AT_ONCE: Packing = Packing { after: Duration::ZERO, archive: false };
const TO_THE_ARCHIVE: Packing = Packing { after: Duration::ZERO, archive: true };

/// Objects in memory.
#[derive(Debug, Default)]
struct Shelf {
    objects: Mutex<BTreeMap<String, Bytes>>,
    closed: Mutex<bool>,
}

impl Shelf {
    fn names(&self) -> Vec<String> {
        self.objects.lock().expect("nobody panics with it").keys().cloned().collect()
    }

    fn close(&self) {
        *self.closed.lock().expect("nobody panics with it") = true;
    }
}

impl Archive for Shelf {
    fn write(&self, name: &str, bytes: Bytes) -> Archiving<'_, ()> {
        let closed = *self.closed.lock().expect("nobody panics with it");
        if !closed {
            self.objects.lock().expect("nobody panics with it").insert(name.to_owned(), bytes);
        }
        Box::pin(async move { if closed { Err("it is closed".to_owned()) } else { Ok(()) } })
    }

    fn read(&self, name: &str, offset: u64, length: u64) -> Archiving<'_, Bytes> {
        let object = self.objects.lock().expect("nobody panics with it").get(name).cloned();
        let (first, last) =
            (usize::try_from(offset).expect("it is small"), usize::try_from(offset + length).expect("it is small"));
        Box::pin(async move { object.map(|bytes| bytes.slice(first..last)).ok_or_else(|| "no such object".to_owned()) })
    }

    fn remove(&self, name: &str) -> Archiving<'_, ()> {
        self.objects.lock().expect("nobody panics with it").remove(name);
        Box::pin(async { Ok(()) })
    }
}

/// All that can be read of a job.
#[derive(Debug, PartialEq)]
struct Told {
    fields: HashMap<String, String>,
    visits: Vec<(String, i64)>,
    events: Vec<(String, HashMap<String, String>)>,
    logs: Vec<LogLine>,
    metrics: (Vec<KeptPoint>, u64),
    hash: String,
}

async fn told(bench: &Bench, id: JobId) -> Told {
    let record = bench.store.read_job(id).await.expect("Redis answers").expect("the job is there");
    let events = bench
        .store
        .read_events(id)
        .await
        .expect("Redis answers")
        .into_iter()
        .map(|event| (event.id, event.fields))
        .collect();
    let logs = bench.store.read_logs(id).await.expect("Redis answers");
    let metrics = bench.store.read_metrics(id).await.expect("Redis answers");
    let hash = bench.store.job_facts(id).await.expect("Redis answers").expect("the job is there").hash;
    Told { fields: record.fields, visits: record.visits, events, logs, metrics, hash }
}

/// A job with a bit of a history that has ended in this state.
async fn ended(bench: &Bench, state: JobState) -> JobId {
    let mut first = task_step(1);
    first.entered = r#"["First"]"#.to_owned();
    let id = JobId::fresh();
    bench.store.submit_job(id, &job(), None, &first).await.expect("Redis answers");
    let task = bench.claim("w", 1).await.remove(0);
    let line = |message: &str| LogLine {
        timestamp: None,
        level: LogLevel::Info,
        message: message.to_owned(),
        context: Some(json!({ "n": 1 })),
    };
    let report = ProgressReport {
        message: Some("half".to_owned()),
        progress: Some(0.5),
        logs: vec![line("one\ntwo"), line("¡tres!")],
        metrics: [0.5, -1e-300]
            .map(|value| MetricPoint { name: "loss".to_owned(), step: 1, value, timestamp: None })
            .into(),
        ..ProgressReport::of_life(worker("w"), Some(task.token))
    };
    bench.store.report_progress(id, &[(task.id, report)]).await.expect("Redis answers");
    let outcome = Outcome::Succeeded { output: json!({}) };
    bench
        .store
        .complete_task(task.id, &worker("w"), Some(task.token), &outcome, "digest")
        .await
        .expect("Redis answers");
    let end = StepWrite { entered: r#"["Second"]"#.to_owned(), ..step(state) };
    bench.store.advance_job(id, 1, Some(1), &end).await.expect("Redis answers");
    id
}

/// The keys of a job by name, without their start.
fn keys(bench: &Bench, id: JobId) -> Vec<String> {
    let mut keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("*{id}*")).query(&mut bench.connection()).expect("Redis answers");
    keys.sort();
    keys.into_iter()
        .map(|key| key["relevo:{p00}:".len()..].split(':').next().expect("it has a name").to_owned())
        .collect()
}

#[tokio::test]
async fn a_packed_job_is_read_as_before() {
    for state in [JobState::Completed, JobState::Failed, JobState::Cancelled, JobState::Quarantined] {
        let bench = Bench::new();
        let id = ended(&bench, state).await;
        let before = told(&bench, id).await;
        assert_eq!((before.visits.len(), before.logs.len(), before.metrics.0.len()), (2, 2, 2));

        assert_eq!(bench.store.pack_jobs(0, "replica", AT_ONCE).await.expect("Redis answers"), 1);

        assert_eq!(keys(&bench, id), ["job", "packed", "packed_logs", "packed_metrics"]);
        assert_eq!(told(&bench, id).await, before);
        let page = bench.store.list_jobs(&Default::default(), PageStart::Offset(0), 10).await.expect("Redis answers");
        assert_eq!(page.jobs[0].1.fields, before.fields);
        assert_eq!(bench.store.job_client(id).await.expect("Redis answers").as_deref(), Some("tests"));
        for key in ["job", "packed", "packed_logs", "packed_metrics"] {
            let key = format!("relevo:{{p00}}:{key}:{id}");
            let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut bench.connection()).unwrap();
            assert!(left > 6 * 24 * 3600 * 1000, "{key} goes in {left} ms");
        }
        assert_eq!(bench.store.pack_jobs(0, "replica", AT_ONCE).await.expect("Redis answers"), 0);
    }
}

#[tokio::test]
async fn figures_go_when_their_job_is_deleted_and_their_bytes_are_counted() {
    for packs in [false, true] {
        let bench = Bench::new();
        let id = ended(&bench, JobState::Completed).await;
        if packs {
            bench.store.pack_jobs(0, "replica", AT_ONCE).await.expect("Redis answers");
        }
        let key = if packs { "packed_metrics" } else { "metrics" };
        let taken: Option<u64> = redis::cmd("MEMORY")
            .arg("USAGE")
            .arg(format!("relevo:{{p00}}:{key}:{id}"))
            .query(&mut bench.connection())
            .expect("Redis answers");

        let Deletion::Deleted(bytes) = bench.store.delete_job(id).await.expect("Redis answers") else {
            panic!("it has ended")
        };

        assert!(taken.is_some_and(|taken| taken > 0 && taken < bytes), "{taken:?} of {bytes}");
        assert_eq!(keys(&bench, id), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_job_is_left_alone_for_a_while_after_its_end() {
    let bench = Bench::new();
    let id = ended(&bench, JobState::Completed).await;

    let packed = bench.store.pack_jobs(0, "replica", Packing { after: Duration::from_secs(60), archive: false }).await;

    assert_eq!(packed.unwrap(), 0);
    assert!(keys(&bench, id).contains(&"events".to_owned()));
}

#[tokio::test]
async fn a_packed_job_is_retried() {
    let bench = Bench::new();
    let id = ended(&bench, JobState::Quarantined).await;
    let before = told(&bench, id).await;
    bench.store.pack_jobs(0, "replica", AT_ONCE).await.expect("Redis answers");

    assert_eq!(bench.store.retry_job(id, "tests").await.expect("Redis answers"), Retry::Packed);
    assert!(bench.store.unpack_job(id).await.expect("Redis answers"));
    assert!(!bench.store.unpack_job(id).await.expect("Redis answers"), "once is enough");
    assert_eq!(told(&bench, id).await, before);
    assert_eq!(bench.store.retry_job(id, "tests").await.expect("Redis answers"), Retry::Retried);

    // It goes on, so nobody packs it.
    assert_eq!(bench.store.pack_jobs(0, "replica", AT_ONCE).await.expect("Redis answers"), 1);
    assert_eq!(keys(&bench, id), ["events", "job", "logs", "metrics"]);
    let after = told(&bench, id).await;
    assert_eq!(after.events[..before.events.len()], before.events);
    assert_eq!(after.events.last().unwrap().1["event"], "retried");
    let loaded = bench.store.load_branch(id.into()).await.expect("Redis answers").expect("there is a step to take");
    assert_eq!((loaded.standing.start.as_deref(), loaded.standing.execution.as_deref()), (Some("again"), Some("{}")));
    assert!(bench.advance(id, loaded.standing.revision, &step(JobState::Completed)).await);
    assert_eq!(bench.store.pack_jobs(0, "replica", AT_ONCE).await.expect("Redis answers"), 1);
    assert_eq!(told(&bench, id).await.events.last().unwrap().1["event"], "completed");
}

#[tokio::test]
async fn a_packed_job_that_cannot_be_retried_says_so() {
    let bench = Bench::new();
    let id = ended(&bench, JobState::Completed).await;
    bench.store.pack_jobs(0, "replica", AT_ONCE).await.expect("Redis answers");

    assert_eq!(bench.store.retry_job(id, "tests").await.expect("Redis answers"), Retry::NotFailed(JobState::Completed));
    assert!(!bench.advance(id, 2, &task_step(2)).await);
}

#[tokio::test]
async fn a_result_that_comes_again_after_packing_is_known() {
    let bench = Bench::new();
    let id = ended(&bench, JobState::Completed).await;
    bench.store.pack_jobs(0, "replica", AT_ONCE).await.expect("Redis answers");
    let task = format!("{id}.1").parse().unwrap();
    let outcome = Outcome::Succeeded { output: json!({}) };

    let end = async |digest: &str| {
        bench.store.complete_task(task, &worker("w"), Some(1), &outcome, digest).await.expect("Redis answers")
    };

    assert!(matches!(end("digest").await, Completion::Duplicate));
    assert!(matches!(end("other").await, Completion::LeaseLost));
}

#[tokio::test]
async fn a_parent_that_looks_late_hears_how_its_packed_child_ended() {
    let bench = Bench::new();
    let (parent, child) = (JobId::fresh(), JobId::fresh());
    let wants = Wants::Child { id: child, blueprint: "one".to_owned(), params: "{}".to_owned() };
    let waits = StepWrite { wants, ..step(JobState::Running) };
    bench.store.submit_job(parent, &job(), None, &waits).await.expect("Redis answers");
    let of_parent = NewJob { parent: Some(parent.into()), ..job() };
    bench.store.submit_job(child, &of_parent, None, &task_step(1)).await.expect("Redis answers");
    assert!(bench.advance(child, 1, &step(JobState::Completed)).await);

    assert_eq!(bench.store.pack_jobs(0, "replica", AT_ONCE).await.expect("Redis answers"), 1);

    let loaded = bench.store.load_branch(parent.into()).await.expect("Redis answers").expect("its child has ended");
    let Happened::Child { state, result, error } = loaded.happened else { panic!("{:?}", loaded.happened) };
    assert_eq!((state, result.as_deref(), error), (JobState::Completed, Some("{}"), None));
}

#[tokio::test]
async fn a_duty_is_one_replicas_at_a_time() {
    let bench = Bench::new();
    let take = async |replica: &str, ms| {
        bench.store.take_turn(0, "duty", replica, Duration::from_millis(ms)).await.expect("Redis answers")
    };

    assert!(take("one", 60_000).await);
    assert!(!take("two", 60_000).await);
    assert!(take("one", 60_000).await);
    assert!(bench.store.take_turn(0, "other duty", "two", Duration::from_secs(60)).await.expect("Redis answers"));
    assert_eq!(bench.store.pack_jobs(0, "one", AT_ONCE).await.expect("Redis answers"), 0);
}

#[tokio::test]
async fn history_and_logs_of_a_batch_are_read_from_one_object() {
    let shelf = Arc::new(Shelf::default());
    let bench = Bench::new().archiving(shelf.clone());
    let mut jobs = Vec::new();
    for state in [JobState::Completed, JobState::Quarantined, JobState::Failed] {
        let id = ended(&bench, state).await;
        jobs.push((id, told(&bench, id).await));
    }

    assert_eq!(bench.store.pack_jobs(0, "replica", TO_THE_ARCHIVE).await.expect("Redis answers"), 3);

    assert_eq!(shelf.names().len(), 1);
    for (id, before) in &jobs {
        assert_eq!(keys(&bench, *id), ["job", "packed"]);
        assert_eq!(&told(&bench, *id).await, before);
    }
    // One of them comes back, and goes into another object when it has ended again.
    let (id, before) = &jobs[1];
    assert!(bench.store.unpack_job(*id).await.expect("Redis answers"));
    assert_eq!(&told(&bench, *id).await, before);
    assert_eq!(bench.store.pack_jobs(0, "replica", TO_THE_ARCHIVE).await.expect("Redis answers"), 1);
    assert_eq!(shelf.names().len(), 2);
    assert_eq!(&told(&bench, *id).await, before);
}

#[tokio::test]
async fn jobs_are_packed_whole_while_the_archive_is_away() {
    let shelf = Arc::new(Shelf::default());
    shelf.close();
    let bench = Bench::new().archiving(shelf.clone());
    let id = ended(&bench, JobState::Completed).await;
    let before = told(&bench, id).await;

    assert_eq!(bench.store.pack_jobs(0, "replica", TO_THE_ARCHIVE).await.expect("Redis answers"), 1);

    assert_eq!(keys(&bench, id), ["job", "packed", "packed_logs", "packed_metrics"]);
    assert_eq!(told(&bench, id).await, before);
}

#[tokio::test]
async fn an_object_of_the_archive_goes_when_the_last_of_its_jobs_does() {
    let shelf = Arc::new(Shelf::default());
    let bench = Bench::keeping(Duration::from_millis(300)).archiving(shelf.clone());
    ended(&bench, JobState::Completed).await;
    bench.store.pack_jobs(0, "replica", TO_THE_ARCHIVE).await.expect("Redis answers");
    assert_eq!((shelf.names().len(), bench.store.remove_archives(0, 10).await.expect("Redis answers")), (1, 0));

    bench
        .wait_for("the object to go", async || bench.store.remove_archives(0, 10).await.expect("Redis answers") == 1)
        .await;

    assert_eq!(shelf.names(), Vec::<String>::new());
    assert_eq!(bench.store.remove_archives(0, 10).await.expect("Redis answers"), 0);
}
