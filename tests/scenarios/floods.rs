//! Those who tell too much and those who listen too slowly: they harm nobody, and lose nothing.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use relevo_shared::{job::JobState, worker::Task};
use reqwest::{Method, StatusCode};
use rig::{Events, Hand, Redis, Relevo, SOON, Worker, until};
use serde_json::{Value, json};

/// Reports of the flood, and the connections that they come over.
const FLOOD: usize = 10_000;
const CONNECTIONS: usize = 250;

/// Sends many reports of one task, so many at a time. Answers how many came back with each status.
async fn flood(relevo: &Relevo, task: &Task, reports: usize, at_once: usize) -> Vec<(StatusCode, Option<String>)> {
    let http = reqwest::Client::new();
    let url = format!("{}/_worker/tasks/{}/progress", relevo.url(), task.task_id);
    let token = relevo.worker_token();
    let send = |n: usize| {
        let line = json!({ "level": "info", "message": n.to_string() });
        let body = json!({ "worker_id": "flood", "progress": 0.5, "message": n.to_string(), "logs": [line] });
        let request = http.post(&url).header("x-worker-token", token).json(&body);
        async {
            let answer = request.send().await.expect("the orchestrator answers");
            let again = answer.headers().get("retry-after").map(|value| value.to_str().expect("a number").to_owned());
            (answer.status(), again)
        }
    };
    stream::iter((0..reports).map(send)).buffer_unordered(at_once).collect().await
}

fn sample(relevo: &Relevo, name: &str) -> f64 {
    relevo.samples().get(name).copied().unwrap_or_default()
}

fn scripts(relevo: &Relevo) -> f64 {
    sample(relevo, r#"relevo_redis_call_seconds_count{call="report_progress"}"#)
}

fn held(relevo: &Relevo, hand: &Hand) -> (String, Task) {
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    (id, hand.claim())
}

#[test]
fn a_worker_that_floods_is_slowed_and_harms_nobody() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("flood", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    let _worker = Worker::start(&relevo, "other");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let (began, done_meanwhile) = (Instant::now(), AtomicUsize::new(0));

    let answers = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| runtime.block_on(flood(&relevo, &task, FLOOD, CONNECTIONS)));
        while !flooding.is_finished() {
            let other = relevo.api().create("jobs/echo", &json!({}));
            relevo.api().wait(&other, JobState::Completed);
            done_meanwhile.fetch_add(1, Ordering::Relaxed);
        }
        flooding.join().expect("the flood ends")
    });

    assert!(answers.iter().all(|(status, _)| *status == 200), "every report was taken");
    assert_eq!(redis.log_lines(&id), FLOOD, "every line was kept");
    // Four writes in a second, the one at the beginning, and the one at the end.
    let most = began.elapsed().as_secs_f64() * 4.0 + 2.0;
    assert!(scripts(&relevo) <= most, "{} scripts, but at most {most} may be", scripts(&relevo));
    assert!(sample(&relevo, "relevo_reports_merged_total") > (FLOOD / 2) as f64);
    assert!(done_meanwhile.into_inner() >= 3, "others went on meanwhile");
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    relevo.api().wait(&id, JobState::Completed);
}

#[test]
fn reports_beyond_those_that_may_wait_are_to_come_again() {
    let mut redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("flood", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    // While Redis does not answer, nothing that comes can leave.
    redis.freeze();

    let answers = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| runtime.block_on(flood(&relevo, &task, 300, 300)));
        until("reports to be sent away", SOON, || {
            let requests =
                relevo.samples().into_iter().filter(|(name, _)| name.starts_with("relevo_http_request_seconds_count"));
            let refused = requests.filter(|(name, _)| name.contains("progress") && name.contains("429"));
            (refused.map(|(_, count)| count).sum::<f64>() > 0.0).then_some(())
        });
        redis.thaw();
        flooding.join().expect("the flood ends")
    });

    let refused: Vec<_> = answers.iter().filter(|(status, _)| *status == 429).collect();
    let taken = answers.iter().filter(|(status, _)| *status == 200).count();
    assert!(!refused.is_empty() && refused.len() <= 44, "{} were refused", refused.len());
    assert!(refused.iter().all(|(_, again)| again.as_deref() == Some("1")), "{refused:?}");
    assert_eq!(taken + refused.len(), 300);
    assert_eq!(redis.log_lines(&id), taken, "what was taken is kept, and nothing else");
}

/// Has a job write much more than any socket holds.
fn write_much(hand: &Hand, task: &Task) {
    let lines = vec![json!({ "level": "info", "message": "ñ".repeat(900) }); 900];
    for _ in 0..10 {
        assert_eq!(hand.tell(task, json!({ "logs": lines })).status, 200);
    }
    assert_eq!(hand.report(task, 0.5, "all written").status, 200);
}

#[test]
fn a_watcher_that_does_not_read_is_cut_off_and_comes_back_for_the_rest() {
    let redis = Redis::start();
    let mut relevo = Relevo::serve(&redis, &[("RELEVO_SUBSCRIBER_PATIENCE_SECONDS", "1")]);
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    write_much(&hand, &task);
    let before = relevo.process().resident_mib();

    let path = format!("/api/jobs/{id}/stream?since=0&logs=debug");
    let mut slow: Vec<_> = (0..20).map(|_| relevo.socket(&path).expect("the job can be watched")).collect();
    let dropped = r#"relevo_subscribers_dropped_total{transport="websocket"}"#;
    until("all of them to be cut off", SOON, || (sample(&relevo, dropped) >= 20.0).then_some(()));

    let after = relevo.process().resident_mib();
    assert!(after < before + 60, "{before} MiB became {after}: what 20 watchers did not read was kept for them");
    assert_eq!(sample(&relevo, r#"relevo_subscribers{transport="websocket"}"#), 0.0);
    drop(slow.drain(1..));
    let (heard, code, reason) = slow.remove(0).rest();
    let last = heard.last().expect("something fits into a socket")["seq"].clone();
    assert_eq!((code, reason.as_str()), (1013, format!("too slow: reconnect with ?since={last}").as_str()));
    let mut again = relevo.socket(&format!("/api/jobs/{id}/stream?since={last}&logs=debug")).expect("it can come back");
    let mut rest = vec![again.receive()];
    while rest.last().is_some_and(|message: &Value| message["type"] == "log") {
        rest.push(again.receive());
    }
    assert_eq!(rest.pop().expect("there is one")["message"], "all written");
    let numbers: Vec<_> = heard.iter().chain(&rest).map(|message| message["seq"].as_u64().expect("a number")).collect();
    assert_eq!(numbers.len(), 9_000, "every line, once");
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_reader_of_events_that_does_not_read_is_cut_off_too() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[("RELEVO_SUBSCRIBER_PATIENCE_SECONDS", "1")]);
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    write_much(&hand, &task);

    let path = format!("/api/jobs/{id}/events?since=0&logs=debug");
    let slow = Events::open(relevo.api().request(Method::GET, &path)).expect("the job can be watched");
    let dropped = r#"relevo_subscribers_dropped_total{transport="sse"}"#;
    until("it to be cut off", SOON, || (sample(&relevo, dropped) >= 1.0).then_some(()));

    let heard: Vec<_> = slow.collect();
    assert!((1..9_001).contains(&heard.len()), "{}", heard.len());
    let last = heard.last().expect("something fits into a socket").id.clone();
    let request = relevo.api().request(Method::GET, &path).header("Last-Event-ID", last);
    let rest = Events::open(request).expect("it can come back").take_while(|event| event.kind == "log").count();
    assert_eq!(heard.len() + rest, 9_000);
}

#[test]
fn what_nobody_watches_costs_nobody_a_connection() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let subscribers = || {
        let list: String = redis::cmd("CLIENT")
            .arg("LIST")
            .arg("TYPE")
            .arg("pubsub")
            .query(&mut redis.connection())
            .expect("Redis answers");
        list.lines().count()
    };
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    until("the replica to listen for tasks and commands", SOON, || (subscribers() == 2).then_some(()));

    let sockets: Vec<_> =
        (0..50).map(|_| relevo.socket(&format!("/api/jobs/{id}/stream")).expect("it is served")).collect();

    until("one connection for all of them", Duration::from_secs(5), || (subscribers() == 3).then_some(()));
    drop(sockets);
}
