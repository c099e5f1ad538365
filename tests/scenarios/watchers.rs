//! Those who watch jobs: who may, how many, and what becomes of them when something stops or breaks.

use redis::Commands;
use reqwest::Method;
use rig::{Api, Events, Redis, Relevo, SOON, Socket, until};
use serde_json::json;

use crate::live::{events, held, seq, stream, word};

#[test]
fn watchers_are_called_again_after_their_connection_to_redis_was_cut() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let hand = relevo.hand("talker", &["hand"]);
    let (id, task) = held(&relevo, &hand);
    let mut socket = stream(&relevo, &id, "");
    let _snapshot = socket.receive();
    let channel = format!("relevo:live:{id}");
    let mut connection = redis.connection();
    let mut listeners = || {
        let mut ask = redis::cmd("PUBSUB");
        let (_, listeners): (String, usize) =
            ask.arg("NUMSUB").arg(&channel).query(&mut connection).expect("Redis answers");
        listeners
    };
    until("the replica to listen", SOON, || (listeners() == 1).then_some(()));

    let mut killer = redis.connection();
    redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").exec(&mut killer).expect("Redis answers");
    assert_eq!(hand.report(&task, 0.5, "while nobody listened").status, 200);

    assert_eq!(word(&socket.receive(), "message"), "while nobody listened");
    until("the replica to listen again", SOON, || (listeners() == 1).then_some(()));
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    assert_eq!(word(&socket.receive(), "type"), "completed");
    drop(socket);
    until("the replica to listen no more", SOON, || (listeners() == 0).then_some(()));
}

#[test]
fn a_server_that_stops_tells_watchers_where_to_go_on() {
    let redis = Redis::start();
    let (mut stops, stays) = (Relevo::serve(&redis, &[]), Relevo::serve(&redis, &[]));
    let hand = stays.hand("talker", &["hand"]);
    let (id, task) = held(&stays, &hand);
    assert_eq!(hand.report(&task, 0.5, "half").status, 200);
    let mut socket = stream(&stops, &id, "");
    let snapshot = socket.receive();

    stops.process().sigterm();

    let (messages, code, reason) = socket.rest();
    assert_eq!((messages.len(), code), (0, 1001));
    assert!(reason.ends_with(&format!("?since={}", seq(&snapshot))), "{reason}");
    assert!(stops.process().ended(SOON).success());
    let mut socket = stream(&stays, &id, &format!("?{}", reason.rsplit('?').next().expect("it has a query")));
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    assert_eq!(word(&socket.receive(), "type"), "completed");
}

#[test]
fn only_its_owner_can_watch_a_job() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let id = relevo.stranger().create("jobs/by_hand", &json!({}));
    let token = &relevo.environment()["RELEVO_CLIENT_TOKEN"];

    assert_eq!(relevo.socket(&format!("/api/jobs/{id}/stream")).err(), Some(404));
    assert_eq!(events(&relevo, &id, "", None).err(), Some(404));
    let mine = relevo.api().create("jobs/by_hand", &json!({}));
    let path = format!("/api/jobs/{mine}/stream");
    assert_eq!(Socket::open(relevo.url(), &path, ("x-client-token", "wr0ng-t0ken")).err(), Some(401));
    for (header, value) in
        [("x-client-token", token.clone()), ("authorization", format!("Bearer {token}")), ("x-api-key", token.clone())]
    {
        let mut socket = Socket::open(relevo.url(), &path, (header, &value)).expect("it is served");
        assert_eq!(word(&socket.receive(), "type"), "progress", "{header}");
    }
    let mut browser =
        Socket::open(relevo.url(), &format!("{path}?token={token}"), ("origin", "http://here")).expect("it is served");
    assert_eq!(word(&browser.receive(), "type"), "progress");
    let wrong = Socket::open(relevo.url(), &format!("{path}?token=wr0ng-t0ken"), ("origin", "http://here"));
    assert_eq!(wrong.err(), Some(401));
    // Nowhere else: a link with a token in it is passed on too easily.
    let bare = |path: &str| reqwest::blocking::Client::new().get(format!("{}{path}?token={token}", relevo.url()));
    for path in [format!("/api/jobs/{mine}/events"), format!("/api/v1/jobs/{mine}"), path] {
        assert_eq!(Api::send(bare(&path)).status, 401, "{path}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let mut redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));

    for (query, field) in [
        ("since=abc", "since"),
        ("since=-1", "since"),
        ("since=1.5", "since"),
        ("since=", "since"),
        ("logs=loud", "logs"),
        ("since=99999999999999999999999", "since"),
    ] {
        let answer = relevo.api().get(&format!("/api/jobs/{id}/events?{query}"));
        assert_eq!(answer.refusal(422).details[0].field, field, "{query}");
        assert_eq!(relevo.socket(&format!("/api/jobs/{id}/stream?{query}")).err(), Some(422), "{query}");
    }
    let request = relevo.api().request(Method::GET, &format!("/api/jobs/{id}/events")).header("Last-Event-ID", "x");
    assert_eq!(Api::send(request).refusal(422).details[0].field, "Last-Event-ID");
    assert!(relevo.api().get(&format!("/api/jobs/{id}/stream")).refusal(422).error.contains("websocket"));
    redis.sigkill();
    for hostile in ["cleanup", "..%2f..", "%00", "*", "0198c0de", "%F0%9F%8E%89", &"9".repeat(300)] {
        assert_eq!(relevo.api().get(&format!("/api/jobs/{hostile}/events")).status, 404, "{hostile}");
        assert_eq!(relevo.socket(&format!("/api/jobs/{hostile}/stream")).err(), Some(404), "{hostile}");
    }
    assert_eq!(relevo.api().get(&format!("/api/jobs/{id}/events")).refusal(503).code, "store_unavailable");
}

#[test]
fn a_client_watches_no_more_jobs_than_it_may() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[("RELEVO_MAX_SUBSCRIPTIONS_PER_CLIENT", "2")]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let others = relevo.stranger().create("jobs/by_hand", &json!({}));
    let first = stream(&relevo, &id, "");
    let _second = events(&relevo, &id, "", None).expect("it is served");

    let answer = relevo.api().get(&format!("/api/jobs/{id}/events"));
    assert_eq!((answer.refusal(429).code.as_str(), answer.header("retry-after")), ("quota_exceeded", Some("10")));
    assert_eq!(relevo.socket(&format!("/api/jobs/{id}/stream")).err(), Some(429));
    let request = relevo.stranger().request(Method::GET, &format!("/api/jobs/{others}/events"));
    assert!(Events::open(request).is_ok(), "another client has watchers of its own");

    first.close();
    until("room for another", SOON, || relevo.socket(&format!("/api/jobs/{id}/stream")).ok());
}

#[test]
fn a_job_that_is_deleted_is_watched_no_more() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));
    let mut socket = stream(&relevo, &id, "");
    let _snapshot = socket.receive();

    let _: usize = redis.connection().del(format!("relevo:{{p00}}:job:{id}")).expect("Redis answers");

    let (messages, code, _) = socket.rest();
    assert_eq!((code, word(&messages[0], "status"), &messages[0]["fatal"]), (1000, "deleted", &json!(true)));
}
