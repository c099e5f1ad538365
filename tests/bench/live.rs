//! Measures what it costs to tell of running tasks and to watch jobs: reports that are taken, how soon they are seen, and the
//! memory of those who watch.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all};
use relevo_shared::worker::Task;
use rig::{Durability, Hand, Redis, Relevo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// How long each flood lasts.
const FLOOD: Duration = Duration::from_secs(10);
/// Connections over which one worker floods.
const CONNECTIONS: usize = 200;
/// Tasks that are told of at the same time, each as fast as it is answered.
const TASKS: usize = 200;
/// Reports whose way is timed.
const SAMPLES: usize = 200;
/// Time between two of them, so that none waits for the one before.
const APART: Duration = Duration::from_millis(300);
const WATCHERS: usize = 1_000;
/// How long watchers are looked at while nothing happens.
const LOOK: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn main() {
    // `cargo test --all-targets` runs benchmarks too, to see that they start; this one takes two minutes.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(async {
        println!("| flood | reports/s taken | scripts/s | share of a core |\n|---|---|---|---|");
        flood("one task, 200 connections", 1, CONNECTIONS).await;
        flood("200 tasks, one connection each", TASKS, TASKS).await;
        println!("\n| watchers of the job | report to watcher p50 ms | p99 ms |\n|---|---|---|");
        latency(1).await;
        latency(200).await;
        println!("\n| watchers | orchestrator MiB | connections to Redis | share of a core, idle |\n|---|---|---|---|");
        memory("none", 0, 0).await;
        memory("1,000 of one job", WATCHERS, 1).await;
        memory("1,000 of a job each", WATCHERS, WATCHERS).await;
    });
}

fn started() -> (Redis, Relevo, Hand) {
    let redis = Redis::with(Durability::None);
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("talker", &["hand"]);
    (redis, relevo, hand)
}

fn held(relevo: &Relevo, hand: &Hand) -> Task {
    let _id = relevo.api().create("jobs/by_hand", &json!({}));
    hand.claim()
}

#[expect(clippy::cast_precision_loss, reason = "counts here are small")]
async fn flood(name: &str, tasks: usize, connections: usize) {
    let (_redis, mut relevo, tasks) = tokio::task::spawn_blocking(move || {
        let (redis, relevo, hand) = started();
        let tasks: Vec<Task> = (0..tasks).map(|_| held(&relevo, &hand)).collect();
        (redis, relevo, tasks)
    })
    .await
    .expect("it starts");
    let (before, scripts_before, began) = (relevo.process().cpu_seconds(), scripts(&relevo).await, Instant::now());

    let http = reqwest::Client::new();
    let lanes = (0..connections).map(|lane| {
        let (http, task) = (http.clone(), &tasks[lane % tasks.len()]);
        let url = format!("{}/_worker/tasks/{}/progress", relevo.url(), task.task_id);
        let body =
            json!({ "worker_id": "talker", "lease_token": task.lease_token, "progress": 0.5, "message": "on the way" });
        let token = relevo.worker_token().to_owned();
        async move {
            let mut taken = 0_usize;
            while began.elapsed() < FLOOD {
                let answer = http.post(&url).header("x-worker-token", &token).json(&body).send().await;
                taken += usize::from(answer.is_ok_and(|answer| answer.status() == 200));
            }
            taken
        }
    });
    let taken: usize = join_all(lanes).await.into_iter().sum();

    let seconds = began.elapsed().as_secs_f64();
    println!(
        "| {name} | {:.0} | {:.1} | {:.0} % |",
        taken as f64 / seconds,
        (scripts(&relevo).await - scripts_before) / seconds,
        (relevo.process().cpu_seconds() - before) / seconds * 100.0
    );
}

/// Reports that a task is on its way; says whether that was taken.
async fn tell(http: &reqwest::Client, relevo: &Relevo, task: &Task, message: &str) -> bool {
    let url = format!("{}/_worker/tasks/{}/progress", relevo.url(), task.task_id);
    let body = json!({ "worker_id": "talker", "lease_token": task.lease_token, "progress": 0.5, "message": message });
    let answer = http.post(url).header("x-worker-token", relevo.worker_token()).json(&body).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

async fn latency(watchers: usize) {
    let (_redis, relevo, task) = tokio::task::spawn_blocking(|| {
        let (redis, relevo, hand) = started();
        let task = held(&relevo, &hand);
        (redis, relevo, task)
    })
    .await
    .expect("it starts");
    let mut sockets = watch(&relevo, &vec![task.job_id.to_string(); watchers]).await;
    let mut first = sockets.remove(0);
    let others = tokio::spawn(join_all(sockets.into_iter().map(|socket| socket.for_each(|_| async {}))));

    let http = reqwest::Client::new();
    let mut took = Vec::new();
    for n in 0..SAMPLES {
        tokio::time::sleep(APART).await;
        let word = n.to_string();
        let sent = Instant::now();
        let told = tell(&http, &relevo, &task, &word);
        let seen = async {
            while heard(&mut first).await["message"] != word.as_str() {}
            took.push(sent.elapsed().as_secs_f64() * 1000.0);
        };
        assert!(tokio::join!(told, seen).0, "the report is taken");
    }
    others.abort();
    took.sort_by(f64::total_cmp);
    println!("| {watchers} | {:.1} | {:.1} |", took[SAMPLES / 2], took[SAMPLES * 99 / 100]);
}

async fn memory(name: &str, watchers: usize, jobs: usize) {
    let (redis, mut relevo, ids) = tokio::task::spawn_blocking(move || {
        let (redis, relevo, _) = started();
        let ids: Vec<String> = (0..jobs).map(|_| relevo.api().create("jobs/by_hand", &json!({}))).collect();
        (redis, relevo, ids)
    })
    .await
    .expect("it starts");
    let watched: Vec<String> = ids.iter().cycle().take(watchers).cloned().collect();
    let sockets = watch(&relevo, &watched).await;
    let reading = tokio::spawn(join_all(sockets.into_iter().map(|socket| socket.for_each(|_| async {}))));

    let before = relevo.process().cpu_seconds();
    tokio::time::sleep(LOOK).await;
    let share = (relevo.process().cpu_seconds() - before) / LOOK.as_secs_f64();

    let memory = relevo.process().resident_mib();
    println!("| {name} | {memory} | {} | {:.1} % |", redis.connections(), share * 100.0);
    reading.abort();
}

/// Opens a WebSocket to each of these jobs, some at a time, and hears how they stand.
async fn watch(relevo: &Relevo, jobs: &[String]) -> Vec<Socket> {
    let (url, token) = (relevo.url().replacen("http", "ws", 1), &relevo.environment()["RELEVO_CLIENT_TOKEN"]);
    let open = jobs.iter().map(|job| {
        let mut request = format!("{url}/api/jobs/{job}/stream").into_client_request().expect("the URL is one");
        request.headers_mut().insert("x-client-token", token.parse().expect("a token is a header"));
        async {
            let (mut socket, _) = connect_async(request).await.expect("it is served");
            let snapshot = heard(&mut socket).await;
            assert_eq!(snapshot["type"], "progress");
            socket
        }
    });
    futures_util::stream::iter(open.collect::<Vec<_>>()).buffer_unordered(50).collect().await
}

/// The next message.
async fn heard(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(text.as_str()).expect("a message is JSON"),
            Some(Ok(_)) => {}
            other => panic!("no message came: {other:?}"),
        }
    }
}

/// How often the script was called that hears of tasks.
async fn scripts(relevo: &Relevo) -> f64 {
    let url = format!("{}/_public/metrics", relevo.url());
    let text = reqwest::get(url).await.expect("it answers").text().await.expect("an answer ends");
    let name = r#"relevo_redis_call_seconds_count{call="report_progress"} "#;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |count| count.parse().expect("a count is a number"))
}
