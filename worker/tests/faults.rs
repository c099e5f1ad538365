//! What a worker does when its orchestrator fails, asks it to stop, or goes away.

#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod commits;
mod orchestrator;
#[expect(dead_code, reason = "other stories read and write files by themselves")]
mod s3;

use std::time::{Duration, SystemTime};

use orchestrator::{INDIGESTIBLE, Told, start};
use relevo_shared::worker::Task;
use relevo_worker::{
    context::TaskContext,
    settings::SkillSettings,
    skills::{Registry, Running, Skill, SkillError},
};
use serde_json::json;

fn registry() -> Registry {
    let mut registry = relevo_worker::skills::registry(&SkillSettings::default()).unwrap();
    registry.add(Trip);
    registry.add(Chatter);
    registry
}

/// Panics.
struct Trip;

impl Skill for Trip {
    fn name(&self) -> &str {
        "trip"
    }

    fn run<'a>(&'a self, _task: &'a Task, _context: &'a TaskContext) -> Running<'a> {
        panic!("stumbled over {}", 3)
    }
}

/// Tells a lot, leaves a file behind, and fails when it is asked to.
struct Chatter;

impl Skill for Chatter {
    fn name(&self) -> &str {
        "chatter"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(async move {
            context.stage_started("talk");
            for n in 0..1000 {
                context.progress(f64::from(n) / 1000.0, format!("word {n}"));
            }
            // Long enough for a first report to go, too short for a second: the last words wait when the task ends.
            tokio::time::sleep(Duration::from_millis(100)).await;
            std::fs::write(context.work_dir().join("notes"), "x").unwrap();
            if task.params.contains_key("fail") {
                return Err(SkillError::Transient("lost my voice".to_owned()));
            }
            context.stage_completed("talk");
            context.progress(1.0, "said everything");
            Ok(json!({ "folder": context.work_dir() }))
        })
    }
}

#[tokio::test]
async fn a_result_is_sent_until_it_is_accepted_and_its_lease_is_renewed_meanwhile() {
    let (orchestrator, _worker) = start(registry, &[]).await;
    *orchestrator.results_closed.lock().unwrap() = true;
    let task = orchestrator.queue("echo", &json!({ "n": 1 }));

    let held = [task.to_string()];
    orchestrator
        .until(|o| o.beats().iter().rev().find(|beat| beat.current_tasks.as_deref() == Some(&held)).cloned())
        .await;
    // An answer that breaks off may mean that the result was taken: it must be sent again all the same.
    orchestrator.result_faults.lock().unwrap().extend([500, 0, 401, 404]);
    *orchestrator.results_closed.lock().unwrap() = false;

    let result = orchestrator.result_of(task).await;
    assert_eq!((result.status.as_str(), result.data), ("success", Some(json!({ "n": 1 }))));
    assert_eq!(result.lease_token, Some(7));
    orchestrator.until(|o| o.beats().last().filter(|beat| beat.current_tasks.as_deref() == Some(&[])).cloned()).await;
}

#[tokio::test]
async fn a_worker_that_was_forgotten_registers_again_and_goes_on() {
    let (orchestrator, _worker) = start(registry, &[]).await;
    orchestrator.poll_faults.lock().unwrap().extend([404, 503, 0]);
    let tasks = [1, 2].map(|n| orchestrator.queue("echo", &json!({ "n": n })));

    for task in tasks {
        orchestrator.result_of(task).await;
    }

    let told = orchestrator.told();
    let told: Vec<_> =
        told.iter().filter_map(|told| if let Told::Registered(told) = told { Some(told) } else { None }).collect();
    assert_eq!(told.len(), 2);
    assert_eq!((told[1], told[1].heartbeat_seconds), (told[0], Some(1)));
}

#[tokio::test]
async fn a_wrong_token_ends_the_worker_with_the_name_of_the_setting() {
    let (_, worker) = start(registry, &["--worker-token", "secre7"]).await;

    let refused = worker.ended.await.unwrap().unwrap_err().to_string();

    assert!(refused.contains("worker_token"), "{refused}");
}

#[tokio::test]
async fn a_result_that_is_refused_is_replaced_by_a_failure_and_spoils_no_other() {
    let (orchestrator, _worker) = start(registry, &["--concurrency", "2"]).await;
    *orchestrator.results_closed.lock().unwrap() = true;
    let [bad, good] = [INDIGESTIBLE, "good"].map(|word| orchestrator.queue("echo", &json!({ "word": word })));
    orchestrator.until(|o| (o.beats().last()?.current_tasks.as_ref()?.len() == 2).then_some(())).await;
    *orchestrator.results_closed.lock().unwrap() = false;

    let error = orchestrator.result_of(bad).await.error.unwrap();

    assert_eq!(error.code, "PERMANENT");
    assert!(error.message.contains("413"), "{}", error.message);
    assert_eq!(orchestrator.result_of(good).await.status, "success");
}

#[tokio::test]
async fn nothing_is_claimed_while_too_many_results_wait_and_none_is_lost() {
    let (orchestrator, _worker) = start(registry, &["--concurrency", "16"]).await;
    *orchestrator.results_closed.lock().unwrap() = true;
    let tasks: Vec<_> = (0..1000).map(|n| orchestrator.queue("echo", &json!({ "n": n }))).collect();
    // Two heartbeats with the same number of tasks: the worker has stopped claiming.
    let full = orchestrator
        .until(|o| {
            let held: Vec<_> = o.beats().iter().filter_map(|beat| Some(beat.current_tasks.as_ref()?.len())).collect();
            held.windows(2).last().filter(|last| last[0] == last[1] && last[0] > 0).map(|last| last[0])
        })
        .await;
    assert_eq!(orchestrator.waiting(), tasks.len() - full);
    assert!(full < 600, "{full}");

    *orchestrator.results_closed.lock().unwrap() = false;

    let done = orchestrator.until(|o| Some(o.results()).filter(|results| results.len() == tasks.len())).await;
    assert_eq!(done.iter().map(|result| result.task_id).collect::<std::collections::HashSet<_>>().len(), tasks.len());
}

#[tokio::test]
async fn a_panic_is_a_permanent_failure_and_the_worker_lives() {
    let (orchestrator, _worker) = start(registry, &[]).await;
    let (trip, echo) = (orchestrator.queue("trip", &json!({})), orchestrator.queue("echo", &json!({})));

    let error = orchestrator.result_of(trip).await.error.unwrap();

    assert_eq!((error.code.as_str(), error.message.as_str()), ("PERMANENT", "the skill panicked: stumbled over 3"));
    assert_eq!(orchestrator.result_of(echo).await.status, "success");
}

#[tokio::test]
async fn a_skill_that_is_not_there_and_bad_parameters_are_told_apart() {
    let (orchestrator, _worker) = start(registry, &[]).await;
    let (fly, sleep) =
        (orchestrator.queue("fly", &json!({})), orchestrator.queue("sleep", &json!({ "seconds": "many" })));

    let fly = orchestrator.result_of(fly).await.error.unwrap();
    let sleep = orchestrator.result_of(sleep).await.error.unwrap();

    assert_eq!((fly.code.as_str(), fly.message.as_str()), ("PERMANENT", "this worker has no skill `fly`"));
    assert_eq!(sleep.code, "INVALID_INPUT");
    assert_eq!(sleep.fields()[0].field, "seconds");
}

#[tokio::test]
async fn a_silent_task_costs_no_report() {
    let (orchestrator, _worker) = start(registry, &[]).await;
    let task = orchestrator.queue("echo", &json!({}));

    orchestrator.result_of(task).await;

    assert!(!orchestrator.told().iter().any(|told| matches!(told, Told::Progress(..))));
}

#[tokio::test]
async fn a_talkative_task_sends_few_reports_and_the_last_one_before_its_result() {
    let (orchestrator, _worker) = start(registry, &[]).await;
    let task = orchestrator.queue("chatter", &json!({}));

    let result = orchestrator.result_of(task).await;

    let told = orchestrator.told();
    let reports: Vec<_> = told
        .iter()
        .filter_map(|told| if let Told::Progress(of, report) = told { Some((of, report)) } else { None })
        .collect();
    assert!(reports.len() <= 3, "{}", reports.len());
    let (of, last) = *reports.last().unwrap();
    assert_eq!((*of, last.progress, last.message.as_deref()), (task, Some(1.0), Some("said everything")));
    assert!(matches!(told.last(), Some(Told::Result(_))), "{:?}", told.last());
    let folder = result.data.unwrap()["folder"].as_str().unwrap().to_owned();
    assert!(!std::path::Path::new(&folder).exists(), "{folder}");
}

#[tokio::test]
async fn a_report_that_is_sent_away_or_answered_late_arrives_before_the_result() {
    let (orchestrator, _worker) = start(registry, &[]).await;
    orchestrator.report_faults.lock().unwrap().extend([429, 429]);
    *orchestrator.report_delay.lock().unwrap() = Duration::from_millis(300);
    let task = orchestrator.queue("chatter", &json!({}));

    orchestrator.result_of(task).await;

    let told = orchestrator.told();
    let mut last = told.iter().rev();
    let last = last.find_map(|told| if let Told::Progress(_, report) = told { Some(report) } else { None });
    assert_eq!(last.unwrap().message.as_deref(), Some("said everything"));
    assert!(matches!(told.last(), Some(Told::Result(_))), "{:?}", told.last());
    assert!(orchestrator.report_faults.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_task_says_which_stage_failed() {
    let (orchestrator, _worker) = start(registry, &[]).await;
    let task = orchestrator.queue("chatter", &json!({ "fail": true }));

    let result = orchestrator.result_of(task).await;

    assert_eq!(result.error.unwrap().code, "TRANSIENT");
    let told = orchestrator.told();
    let stages = told
        .iter()
        .rev()
        .find_map(|told| if let Told::Progress(_, report) = told { Some(&report.stages) } else { None });
    assert_eq!(serde_json::to_value(stages.unwrap()[0].status).unwrap(), "failed");
}

#[tokio::test]
async fn a_heartbeat_confirms_a_task_that_lasts_and_its_reply_stops_it_without_a_result() {
    // With a heartbeat a minute, only the confirmation can name the task in time.
    let (orchestrator, _worker) = start(registry, &["--heartbeat-seconds", "60"]).await;
    orchestrator.until(|o| o.beats().first().cloned()).await;
    let task = orchestrator.queue("sleep", &json!({ "seconds": 3600 }));
    orchestrator.cancelled.lock().unwrap().push(task);

    let next = orchestrator.queue("echo", &json!({}));

    // The only slot is free once the first task has ended.
    orchestrator.result_of(next).await;
    let results: Vec<_> = orchestrator.results().into_iter().map(|result| result.task_id).collect();
    assert_eq!(results, [next], "a result that would be refused was sent");
    let beat =
        orchestrator.beats().into_iter().find(|beat| beat.current_tasks.as_ref() == Some(&vec![task.to_string()]));
    assert_eq!(beat.unwrap().status.as_deref(), Some("full"));
}

#[tokio::test]
async fn a_task_that_asks_for_frequent_signs_of_life_gets_them() {
    // Without the task's own wish, there would be a heartbeat a minute beside the one that confirms it.
    let (orchestrator, worker) = start(registry, &["--heartbeat-seconds", "60", "--drain-seconds", "0"]).await;
    let task = orchestrator.queue_with("sleep", &json!({ "seconds": 3600 }), &json!({ "heartbeat_seconds": 1 }));

    orchestrator
        .until(|o| {
            let named = [task.to_string()];
            (3 < o.beats().iter().filter(|beat| beat.current_tasks.as_deref() == Some(&named)).count()).then_some(())
        })
        .await;

    worker.shutdown.cancel();
    assert_eq!(orchestrator.result_of(task).await.status, "released");
}

#[tokio::test]
async fn a_task_ends_with_its_deadline() {
    let (orchestrator, _worker) = start(registry, &[]).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let deadline = i64::try_from(now.as_secs()).unwrap() + 1;
    let task = orchestrator.queue_with("sleep", &json!({ "seconds": 3600 }), &json!({ "deadline": deadline }));

    let result = orchestrator.result_of(task).await;

    assert_eq!((result.status.as_str(), result.error.unwrap().code.as_str()), ("failure", "TIMEOUT"));
}

#[tokio::test]
async fn shutdown_lets_short_work_finish() {
    let (orchestrator, worker) = start(registry, &[]).await;
    let task = orchestrator.queue("sleep", &json!({ "seconds": 1 }));
    orchestrator.until(|o| o.told().iter().any(|told| matches!(told, Told::Progress(..))).then_some(())).await;

    worker.shutdown.cancel();

    assert_eq!(orchestrator.result_of(task).await.status, "success");
    worker.ended.await.unwrap().unwrap();
    let words: Vec<_> = orchestrator.beats().into_iter().filter_map(|beat| beat.status).collect();
    assert_eq!(words[words.len() - 2..], ["draining", "offline"]);
}

#[tokio::test]
async fn shutdown_hands_long_work_back_even_when_the_orchestrator_stumbles() {
    let (orchestrator, worker) = start(registry, &["--drain-seconds", "0"]).await;
    let task = orchestrator.queue("sleep", &json!({ "seconds": 3600 }));
    orchestrator.until(|o| o.told().iter().any(|told| matches!(told, Told::Progress(..))).then_some(())).await;
    orchestrator.result_faults.lock().unwrap().extend([503, 0]);

    worker.shutdown.cancel();
    worker.ended.await.unwrap().unwrap();

    assert_eq!(orchestrator.result_of(task).await.status, "released");
}

#[tokio::test]
async fn a_task_that_arrives_while_the_worker_drains_is_handed_back() {
    let (orchestrator, worker) = start(registry, &["--concurrency", "2"]).await;
    orchestrator.until(|o| o.beats().first().cloned()).await;
    worker.shutdown.cancel();
    orchestrator.until(|o| o.beats().last().filter(|beat| beat.status.as_deref() == Some("draining")).cloned()).await;

    let task = orchestrator.queue("echo", &json!({}));

    assert_eq!(orchestrator.result_of(task).await.status, "released");
    tokio::time::timeout(Duration::from_secs(10), worker.ended).await.unwrap().unwrap().unwrap();
}
