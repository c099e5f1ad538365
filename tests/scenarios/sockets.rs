//! WebSockets of workers: commands reach them on any replica, progress comes in.

use redis::Commands;
use relevo::store::{Durations, Store};
use relevo_shared::{WorkerId, command::Command, job::JobState, worker::Task};
use rig::{Redis, Relevo, SOON, Socket, Worker, text, until};
use serde_json::{Value, json};

use crate::live::held;

/// Tells a worker something, as any replica would. Answers whether it has a WebSocket open.
fn tell(relevo: &Relevo, worker: &str, command: Command) -> bool {
    let worker: WorkerId = worker.parse().expect("the name is one");
    let store =
        Store::new(&relevo.environment()["RELEVO_REDIS_URL"], 1, Durations::default()).expect("it is Redis's URL");
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    runtime.block_on(store.tell_worker(&worker, command)).expect("Redis answers")
}

fn socket(relevo: &Relevo, path: &str) -> Socket {
    Socket::open(relevo.url(), path, ("x-worker-token", relevo.worker_token())).expect("it is served")
}

/// The WebSocket that a worker is known to have.
fn noted(relevo: &Relevo, worker: &str) -> Option<String> {
    redis::cmd("GET").arg(format!("relevo:socket:{worker}")).query(&mut relevo.redis()).expect("Redis answers")
}

/// Waits until the worker is known to have a WebSocket open, and tells it something.
fn tell_soon(relevo: &Relevo, worker: &str, command: Command) {
    until("the WebSocket to be known", SOON, || noted(relevo, worker));
    assert!(tell(relevo, worker, command), "{worker} is told");
}

#[test]
fn a_command_reaches_the_worker_whose_socket_it_is() {
    let relevo = Relevo::dev();
    let (mut one, mut other) = (socket(&relevo, "/_worker/ws/one"), socket(&relevo, "/_worker/ws/other"));
    let job_id: relevo_shared::JobId = relevo.api().create("jobs/by_hand", &json!({})).parse().unwrap();
    let task_id = format!("{job_id}.1").parse().unwrap();

    tell_soon(&relevo, "one", Command::CancelTask { task_id, job_id });
    tell_soon(&relevo, "other", Command::Drain);

    let told = json!({ "command": "cancel_task", "task_id": task_id, "job_id": job_id });
    assert_eq!((one.receive(), other.receive()), (told, json!({ "command": "drain" })));
    assert!(!tell(&relevo, "nobody", Command::Drain), "nobody is told without a WebSocket");
    one.close();
    until("the closed WebSocket to be forgotten", SOON, || (!tell(&relevo, "one", Command::Drain)).then_some(()));
}

#[test]
fn a_worker_that_connects_again_replaces_its_older_socket() {
    let redis = Redis::start();
    let (here, there) = (Relevo::serve(&redis, &[]), Relevo::serve(&redis, &[]));
    let mut first = socket(&here, "/_worker/ws/w");
    tell_soon(&here, "w", Command::Drain);
    assert_eq!(first.receive(), json!({ "command": "drain" }));

    let of_first = noted(&here, "w");
    let mut second = socket(&here, "/_worker/ws/w");
    assert_eq!(first.closed(), 1008);
    // A worker has one connection at a time: it does not open the next before the last is established.
    until("the second WebSocket to be noted", SOON, || {
        noted(&here, "w").filter(|note| of_first.as_ref() != Some(note))
    });
    let mut third = socket(&there, "/_worker/ws/w");
    assert_eq!(second.closed(), 1008);

    tell_soon(&here, "w", Command::Drain);
    assert_eq!(third.receive(), json!({ "command": "drain" }));
}

#[test]
fn a_server_that_stops_says_so_on_its_sockets() {
    let redis = Redis::start();
    let mut relevo = Relevo::serve(&redis, &[]);
    let mut socket = socket(&relevo, "/_worker/ws/w");
    tell_soon(&relevo, "w", Command::Drain);
    assert_eq!(socket.receive(), json!({ "command": "drain" }));

    relevo.process().sigterm();

    assert_eq!(socket.closed(), 1001);
}

#[test]
fn progress_may_come_over_a_socket_in_both_of_its_forms() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("w", &["hand"]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();
    let seen = |progress: f64| {
        until("the progress", SOON, || Some(relevo.api().job(&id)).filter(|job| (job.progress - progress).abs() < 1e-9))
    };

    // Nobody says whose WebSocket this is, until its first message names a task.
    let mut unnamed = socket(&relevo, "/_worker/ws");
    let task_id = task.task_id;
    unnamed.send(
        &json!({ "event": "progress_update", "task_id": task_id, "job_id": id, "progress": 0.25, "message": "a" }),
    );
    seen(0.25);
    tell_soon(&relevo, "w", Command::Drain);
    assert_eq!(unnamed.receive(), json!({ "command": "drain" }));

    unnamed.send(&json!({
        "worker_id": "w", "event_type": "progress", "target_task_id": task_id, "bubbling_chain": [],
        "payload": { "progress": 0.75, "message": "b" },
    }));
    assert_eq!(seen(0.75).message.as_deref(), Some("b"));
}

#[test]
fn an_event_is_taken_from_whoever_holds_the_task() {
    let relevo = Relevo::dev();
    let (hand, thief) = (relevo.hand("w", &["hand"]), relevo.hand("thief", &["hand"]));
    let _id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();
    let event = |worker: &str, kind: &str| json!({ "worker_id": worker, "event_type": kind, "target_task_id": task.task_id, "payload": { "page": 3 } });

    let own = hand.api().post("/_worker/events", &event("w", "page_read"));
    let stolen = thief.api().post("/_worker/events", &event("thief", "page_read"));

    assert_eq!((own.status.as_u16(), own.json()), (200, json!({ "status": "event_accepted" })));
    assert_eq!(stolen.json(), json!({ "status": "ignored", "reason": "stale_task" }));
}

#[test]
fn a_socket_without_a_token_is_refused() {
    let relevo = Relevo::dev();

    assert_eq!(Socket::open(relevo.url(), "/_worker/ws/w", ("x-worker-token", "wrong")).err(), Some(401));
    let plain = relevo.worker_api(relevo.worker_token()).get("/_worker/ws/w");
    assert!(plain.refusal(422).error.contains("websocket"));
}

/// Cancels a job that a worker is at, and answers the word of the cancellation once the worker has stopped.
fn cancel_at_work(relevo: &Relevo, worker: &mut Worker) -> String {
    let id = relevo.api().create("jobs/sleep", &json!({ "seconds": 600 }));
    until("the first sign of progress", SOON, || (relevo.api().job(&id).progress > 0.0).then_some(()));

    let answer = relevo.api().post(&format!("/api/v1/jobs/{id}/cancel"), &json!({}));

    until("the word that it has stopped", SOON, || worker.process().log().contains("cancelled").then_some(()));
    relevo.api().wait(&id, JobState::Cancelled);
    let next = relevo.api().create("jobs/sleep", &json!({ "seconds": 0 }));
    relevo.api().wait(&next, JobState::Completed);
    text(&answer.json()["status"])
}

#[test]
fn a_worker_is_told_over_its_socket_that_a_task_is_cancelled() {
    let relevo = Relevo::dev();
    // So many seconds between heartbeats that only the WebSocket can be what told it.
    let mut worker = Worker::start_with(&relevo, "w", &[("RELEVO_HEARTBEAT_SECONDS", "600")]);

    assert_eq!(cancel_at_work(&relevo, &mut worker), "cancellation_request_sent");
}

#[test]
fn a_worker_without_a_socket_learns_from_a_heartbeat_that_a_task_is_cancelled() {
    let relevo = Relevo::dev();
    let mut worker = Worker::start_with(&relevo, "w", &[("RELEVO_WEBSOCKET", "false")]);

    assert_eq!(cancel_at_work(&relevo, &mut worker), "cancellation_request_accepted");
}

#[test]
fn a_worker_that_is_told_to_drain_ends() {
    let relevo = Relevo::dev();
    let mut worker = Worker::start(&relevo, "w");

    tell_soon(&relevo, "w", Command::Drain);

    assert!(worker.process().ended(SOON).success(), "{}", worker.process().log());
}

fn event(task: &Task, kind: &str, payload: &Value) -> Value {
    json!({ "worker_id": "talker", "event_type": kind, "target_task_id": task.task_id, "payload": payload })
}

#[test]
fn what_a_worker_has_told_is_kept_when_the_server_stops() {
    let redis = Redis::start();
    let mut relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);

    // Over a WebSocket nobody waits for an answer, so only the server knows what it has not stored yet.
    let mut talk = socket(&relevo, "/_worker/ws/talker");
    for n in 0..50 {
        talk.send(&event(&task, "note", &json!({ "n": n })));
    }
    talk.send(&event(&task, "progress", &json!({ "progress": 0.5 })));
    talk.close();
    relevo.process().sigterm();
    assert!(relevo.process().ended(SOON).success());

    let mut connection = redis.connection();
    let progress: String = connection.hget(format!("relevo:{{p00}}:job:{id}"), "progress").expect("Redis answers");
    assert_eq!((redis.log_lines(&id), progress.as_str()), (50, "0.5"));
}

#[test]
fn what_a_worker_has_told_over_its_socket_is_kept_before_its_result() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    let mut talk = socket(&relevo, "/_worker/ws/talker");

    for n in 0..20 {
        talk.send(&event(&task, "note", &json!({ "n": n })));
    }
    // The server has read all of them when it has closed.
    talk.close();
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);

    relevo.api().wait(&id, JobState::Completed);
    assert_eq!(redis.log_lines(&id), 20);
}
