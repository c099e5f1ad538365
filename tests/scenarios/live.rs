//! Watching a job: every message in order, once, from any replica, to the end.

use std::thread;

use redis::Commands;
use reqwest::Method;
use rig::{Event, Events, Hand, Redis, Relevo, SOON, Socket, until};
use serde_json::{Value, json};

pub(crate) fn stream(relevo: &Relevo, job: &str, query: &str) -> Socket {
    relevo.socket(&format!("/api/jobs/{job}/stream{query}")).expect("the job can be watched")
}

pub(crate) fn events(relevo: &Relevo, job: &str, query: &str, last: Option<u64>) -> Result<Events, u16> {
    let mut request = relevo.api().request(Method::GET, &format!("/api/jobs/{job}/events{query}"));
    if let Some(last) = last {
        request = request.header("Last-Event-ID", last);
    }
    Events::open(request)
}

pub(crate) fn seq(message: &Value) -> u64 {
    message["seq"].as_u64().unwrap_or_else(|| panic!("{message} has no number"))
}

pub(crate) fn word<'a>(message: &'a Value, member: &str) -> &'a str {
    message[member].as_str().unwrap_or_else(|| panic!("{message} has no {member}"))
}

/// A job with a task that a hand holds.
pub(crate) fn held(relevo: &Relevo, hand: &Hand) -> (String, relevo_shared::worker::Task) {
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let task = hand.claim();
    assert_eq!(task.job_id.to_string(), id);
    (id, task)
}

#[test]
fn whoever_watches_hears_all_in_the_words_that_are_documented() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    let mut socket = stream(&relevo, &id, "");
    let mut sse = events(&relevo, &id, "", None).expect("the job can be watched");
    let mut next = || {
        let (message, event) = (socket.receive(), sse.next().expect("an event comes"));
        let Event { id, kind, data } = event;
        assert_eq!((&data["type"], id), (&json!(kind), data["seq"].to_string()));
        let is_snapshot = message["snapshot"] == json!(true);
        assert!(is_snapshot || message == data, "both hear the same: {message} and {data}");
        message
    };

    let snapshot = next();
    assert_eq!(
        (&snapshot["type"], &snapshot["progress"], &snapshot["message"]),
        (&json!("progress"), &json!(0.0), &json!(""))
    );

    assert_eq!(hand.report(&task, 0.65, "Processing chunks (95/147)").status, 200);
    let progress = next();
    let timestamp = word(&progress, "timestamp");
    assert!(timestamp.ends_with('Z') && timestamp.len() == 24, "{timestamp}");
    let expected = json!({
        "type": "progress", "job_id": id, "progress": 0.65, "message": "Processing chunks (95/147)",
        "timestamp": timestamp, "seq": seq(&progress),
    });
    assert_eq!(progress, expected);

    let stage =
        |status: &str| json!({ "name": "embedding", "status": status, "progress": 0.5, "duration_seconds": 15.2 });
    assert_eq!(hand.tell(&task, json!({ "stages": [stage("running")] })).status, 200);
    let changed = next();
    assert_eq!(
        (word(&changed, "type"), word(&changed, "stage"), word(&changed, "status")),
        ("stage", "embedding", "running")
    );
    assert_eq!(hand.tell(&task, json!({ "stages": [stage("completed")] })).status, 200);
    let complete = next();
    assert_eq!((word(&complete, "type"), word(&complete, "stage")), ("stage_complete", "embedding"));
    assert_eq!(complete["duration_seconds"], 15.2);

    assert_eq!(hand.report(&task, 1.0, "Document ingestion complete").status, 200);
    let last = next();
    assert_eq!(hand.succeed(&task, &json!({ "chunks_created": 147 })).status, 200);
    let done = next();
    assert_eq!((word(&done, "type"), word(&done, "message")), ("completed", "Document ingestion complete"));
    assert_eq!(done["metadata"], json!({ "chunks_created": 147 }));
    assert!(seq(&snapshot) < seq(&progress) && seq(&last) < seq(&done));
    assert_eq!(socket.closed(), 1000);
    assert_eq!(sse.next(), None);
}

#[test]
fn whoever_comes_late_hears_first_how_the_job_stands() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    let stages = json!([{ "name": "read", "status": "completed", "progress": 1.0, "duration_seconds": 2.0 }]);
    assert_eq!(hand.tell(&task, json!({ "progress": 0.25, "message": "a", "stages": stages })).status, 200);
    assert_eq!(hand.report(&task, 0.5, "b").status, 200);

    let mut socket = stream(&relevo, &id, "");
    let snapshot = socket.receive();
    assert_eq!(hand.report(&task, 0.75, "c").status, 200);
    let next = socket.receive();

    assert_eq!((&snapshot["progress"], word(&snapshot, "message")), (&json!(0.5), "b"));
    assert_eq!((&snapshot["snapshot"], &snapshot["stages"]), (&json!(true), &stages));
    assert_eq!(word(&next, "message"), "c");
    // All of it again, from the beginning, and the rest from what the snapshot spoke of.
    let mut again = stream(&relevo, &id, "?since=0");
    let all: Vec<Value> = (0..4).map(|_| again.receive()).collect();
    let told: Vec<&str> = all.iter().map(|message| word(message, "type")).collect();
    assert_eq!(told, ["stage_complete", "progress", "progress", "progress"]);
    assert_eq!(seq(&all[2]), seq(&snapshot));
    assert_eq!(stream(&relevo, &id, &format!("?since={}", seq(&snapshot))).receive(), next);
}

#[test]
fn whoever_reconnects_elsewhere_misses_nothing_and_hears_nothing_twice() {
    const REPORTS: usize = 24;
    let redis = Redis::start();
    let replicas = [Relevo::serve(&redis, &[]), Relevo::serve(&redis, &[])];
    let hand = replicas[0].hand("talker", &["hand"]);
    let (id, task) = held(&replicas[0], &hand);

    let mut heard = Vec::new();
    thread::scope(|scope| {
        let telling = scope.spawn(|| {
            for n in 0..REPORTS {
                let status = if n % 2 == 0 { "running" } else { "completed" };
                let stage = json!({ "name": format!("s{}", n % 7), "status": status });
                let line = json!({ "level": "info", "message": n.to_string() });
                let body =
                    json!({ "progress": n as f64 / REPORTS as f64, "message": n.to_string(), "stages": [stage], "logs": [line] });
                assert_eq!(hand.tell(&task, body).status, 200);
            }
            assert_eq!(hand.succeed(&task, &json!({})).status, 200);
        });
        let mut since = 0;
        'watching: for turn in 0.. {
            let relevo = &replicas[turn % 2];
            let mut socket = stream(relevo, &id, &format!("?since={since}&logs=debug"));
            for _ in 0..=turn % 5 {
                heard.push(socket.receive());
                let last = heard.last().expect("it was just heard");
                since = seq(last);
                if last["type"] == "completed" {
                    break 'watching;
                }
            }
        }
        telling.join().expect("every report is taken");
    });

    let end = heard.pop().expect("there is an end");
    let numbers: Vec<u64> = heard.iter().map(seq).collect();
    assert_eq!(numbers, kept(&redis, &id), "what was heard is what is kept");
    assert!(seq(&end) > *numbers.last().expect("much was heard"));
    let lines = heard.iter().filter(|message| message["type"] == "log").map(|line| word(line, "message").to_owned());
    assert_eq!(lines.collect::<Vec<_>>(), (0..REPORTS).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// The numbers of all that is kept of a job, in order.
fn kept(redis: &Redis, id: &str) -> Vec<u64> {
    type Entries = Vec<(String, Vec<String>)>;
    let mut connection = redis.connection();
    let mut numbers = Vec::new();
    for stream in ["live", "logs"] {
        let mut range = redis::cmd("XRANGE");
        range.arg(format!("relevo:{{p00}}:{stream}:{id}")).arg("-").arg("+");
        let entries: Entries = range.query(&mut connection).expect("Redis answers");
        numbers.extend(entries.into_iter().map(|(place, _)| {
            let (ms, count) = place.split_once('-').expect("a place has two parts");
            ms.parse::<u64>().expect("a number") * 1000 + count.parse::<u64>().expect("a number")
        }));
    }
    numbers.sort_unstable();
    numbers
}

#[test]
fn an_event_stream_goes_on_after_the_last_event_that_was_heard() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    for n in 0..3 {
        assert_eq!(hand.report(&task, f64::from(n) / 4.0, &n.to_string()).status, 200);
    }

    let first = events(&relevo, &id, "?since=0", None).expect("it is served").next().expect("an event comes");
    // A browser goes on where it was, whatever its address says.
    let mut rest = events(&relevo, &id, "?since=0", Some(seq(&first.data))).expect("it is served");
    let second = rest.next().expect("an event comes");
    assert_eq!(hand.succeed(&task, &json!([1, 2])).status, 200);
    let end = rest.last().expect("the rest comes");

    assert_eq!((word(&first.data, "message"), word(&second.data, "message")), ("0", "1"));
    assert_eq!((end.kind.as_str(), &end.data["metadata"]), ("completed", &json!({ "result": [1, 2] })));
    let last = seq(&end.data);
    assert_eq!(events(&relevo, &id, "", Some(last - 1)).expect("it is served").collect::<Vec<_>>(), [end]);
    assert_eq!(events(&relevo, &id, "", Some(last)).err(), Some(204), "there is nothing left to come back for");
}

#[test]
fn whoever_watches_a_job_that_has_ended_hears_its_end() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/at_once", &json!({ "a": 1 }));

    for query in ["", "?since=0", "?since=9999999999999999", "?logs=error"] {
        let (messages, code, _) = stream(&relevo, &id, query).rest();

        assert_eq!((messages.len(), code), (1, 1000), "{query}: {messages:?}");
        assert_eq!((word(&messages[0], "type"), &messages[0]["metadata"]), ("completed", &json!({ "a": 1 })));
        let (again, code, _) = stream(&relevo, &id, &format!("?since={}", seq(&messages[0]))).rest();
        assert_eq!((again.len(), code), (0, 1000), "it is known already");
    }
}

#[test]
fn a_query_that_is_not_understood_is_refused() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/at_once", &json!({ "a": 1 }));

    for (query, field) in [("since=-1", "since"), ("since=", "since"), ("log=info", "log")] {
        let problem = relevo.api().get(&format!("/api/jobs/{id}/events?{query}")).refusal(422);
        assert_eq!(problem.details[0].field, field, "{problem:?}");
        assert!(!problem.error.contains("digit"), "{problem:?}");
    }
}

#[test]
fn a_number_from_the_future_is_that_of_the_latest_message() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    assert_eq!(hand.report(&task, 0.1, "before").status, 200);

    let mut socket = stream(&relevo, &id, "?since=18446744073709551615");
    assert_eq!(hand.report(&task, 0.2, "after").status, 200);

    assert_eq!(word(&socket.receive(), "message"), "after");
}

#[test]
fn a_cancelled_job_ends_with_a_fatal_error() {
    let relevo = Relevo::dev();
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let mut socket = stream(&relevo, &id, "");
    let _snapshot = socket.receive();

    assert_eq!(relevo.api().post(&format!("/api/v1/jobs/{id}/cancel"), &json!({})).status, 200);

    let (messages, code, _) = socket.rest();
    assert_eq!((messages.len(), code), (1, 1000), "{messages:?}");
    assert_eq!((word(&messages[0], "type"), word(&messages[0], "status")), ("error", "cancelled"));
    assert_eq!(messages[0]["fatal"], true);
}

#[test]
fn a_failure_that_is_tried_again_is_no_end() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("unlucky", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    let mut socket = stream(&relevo, &id, "");
    let _snapshot = socket.receive();

    assert_eq!(hand.fail(&task, "TRANSIENT").status, 200);
    let setback = socket.receive();
    assert_eq!(hand.fail(&hand.claim(), "PERMANENT").status, 200);
    let (messages, code, _) = socket.rest();

    assert_eq!((word(&setback, "type"), word(&setback, "error")), ("error", "as the test wants it"));
    assert_eq!(
        (&setback["fatal"], word(&setback, "code"), word(&setback, "state")),
        (&json!(false), "Worker.Transient", "Hand")
    );
    assert_eq!((messages.len(), code), (1, 1000), "{messages:?}");
    assert_eq!((&messages[0]["fatal"], word(&messages[0], "status")), (&json!(true), "failed"));
    // A retry is another story: whoever watches again hears how it goes on, and the numbers go on too.
    assert_eq!(relevo.api().post(&format!("/api/v1/jobs/{id}/retry"), &json!({})).status, 200);
    let mut again = stream(&relevo, &id, &format!("?since={}", seq(&messages[0])));
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    let (messages, ..) = again.rest();
    assert_eq!(word(&messages[0], "type"), "completed");
}

#[test]
fn lines_of_the_log_come_to_whoever_asks_for_them() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    let (mut grave, mut none) = (stream(&relevo, &id, "?logs=warning"), stream(&relevo, &id, ""));
    let _snapshots = (grave.receive(), none.receive());

    let line = |level: &str| json!({ "level": level, "message": level, "context": { "page": 3 } });
    assert_eq!(
        hand.tell(&task, json!({ "logs": [line("info"), line("warning"), line("debug"), line("error")] })).status,
        200
    );
    assert_eq!(hand.report(&task, 0.5, "half").status, 200);

    let told: Vec<Value> = (0..3).map(|_| grave.receive()).collect();
    let words: Vec<&str> = told.iter().map(|message| word(message, "message")).collect();
    assert_eq!(words, ["warning", "error", "half"]);
    assert_eq!(
        (word(&told[0], "type"), word(&told[0], "level"), &told[0]["context"]),
        ("log", "warning", &json!({ "page": 3 }))
    );
    assert_eq!(word(&none.receive(), "message"), "half");
}

#[test]
fn whoever_comes_back_too_late_is_told_that_something_is_missing() {
    let relevo = Relevo::dev();
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    // More changes in a few reports than are kept.
    for turn in 0..14 {
        let stages: Vec<Value> = (0..100)
            .map(|n| json!({ "name": format!("s{n}"), "status": "running", "progress": f64::from(turn) / 20.0 }))
            .collect();
        assert_eq!(hand.tell(&task, json!({ "stages": stages, "message": turn.to_string() })).status, 200);
    }

    let mut socket = stream(&relevo, &id, "?since=17");
    let snapshot = socket.receive();
    let next = socket.receive();

    assert_eq!((&snapshot["missed"], &snapshot["seq"], word(&snapshot, "message")), (&json!(true), &json!(17), "13"));
    assert_eq!(word(&next, "type"), "stage");
    let mut rest = stream(&relevo, &id, &format!("?since={}", seq(&next)));
    assert_ne!(rest.receive()["missed"], json!(true), "nothing is missing after what was kept");
}

#[test]
fn a_job_that_is_packed_says_what_is_left_of_it_and_can_be_watched_again() {
    const LINES: usize = 1_200;
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[("RELEVO_PACK_AFTER_SECONDS", "0")]);
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    assert_eq!(hand.report(&task, 0.5, "half").status, 200);
    let first = seq(&stream(&relevo, &id, "?since=0").receive());
    for part in 0..2 {
        let line = |n: usize| json!({ "level": "info", "message": (part * LINES / 2 + n).to_string() });
        let lines: Vec<Value> = (0..LINES / 2).map(line).collect();
        assert_eq!(hand.tell(&task, json!({ "logs": lines, "progress": 0.6 })).status, 200);
    }
    assert_eq!(hand.fail(&task, "PERMANENT").status, 200);
    let packed = format!("relevo:{{p00}}:packed:{id}");
    let is_packed = || redis.connection().exists::<_, bool>(&packed).expect("Redis answers");
    until("the job to be packed", SOON, || is_packed().then_some(()));

    let (late, code, _) = stream(&relevo, &id, &format!("?since={first}&logs=debug")).rest();
    let (fresh, ..) = stream(&relevo, &id, "").rest();
    let end = fresh.first().expect("it has ended");
    assert_eq!((late.len(), fresh.len(), code), (2, 1, 1000), "{late:?}");
    assert_eq!((&late[0]["missed"], &late[0]["seq"], &late[0]["progress"]), (&json!(true), &json!(first), &json!(0.6)));
    assert_eq!((&late[1], word(end, "status")), (end, "failed"));
    assert_eq!(events(&relevo, &id, "", Some(seq(end))).err(), Some(204));

    // A retry brings its lines back, and what comes then has higher numbers than all before.
    assert_eq!(relevo.api().post(&format!("/api/v1/jobs/{id}/retry"), &json!({})).status, 200);
    let again = hand.claim();
    let mut goes_on = stream(&relevo, &id, &format!("?since={}&logs=debug", seq(end)));
    let mut all = stream(&relevo, &id, "?since=0&logs=debug");
    assert_eq!(hand.tell(&again, json!({ "logs": [{ "level": "info", "message": "again" }] })).status, 200);
    assert_eq!(word(&goes_on.receive(), "message"), "again");
    let words: Vec<String> = (0..=LINES).map(|_| word(&all.receive(), "message").to_owned()).collect();
    let expected = (0..LINES).map(|n| n.to_string()).chain(["again".to_owned()]);
    assert_eq!(words, expected.collect::<Vec<_>>());
}
