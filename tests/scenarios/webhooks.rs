//! Clients are told of their jobs: signed, again and again, and never at an address inside.

use std::{net::Ipv4Addr, time::Duration};

use relevo_shared::{
    job::JobState,
    webhook::{Deliveries, DeliveryState, DeliveryView, WebhookSecrets},
};
use rig::{Received, Receiver, Redis, Relevo, Reply, SOON, until};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

const OLD: &str = "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC1zZWNyZXQ=";
const NEW: &str = "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy1zZWNyZXQ=";

/// Receivers of the tests listen here; attempts follow one another quickly.
const QUICK: [(&str, &str); 2] =
    [("RELEVO_WEBHOOK_ALLOW", r#"["127.0.0.1"]"#), ("RELEVO_WEBHOOK_FIRST_RETRY_SECONDS", "0.05")];

/// Creates a job that ends at once and tells of it at this URL.
fn end_job(relevo: &Relevo, url: &str) -> String {
    let request = json!({ "initial_data": { "n": 7 }, "webhook_url": url });
    let answer = relevo.api().post("/api/v1/jobs/at_once", &request);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let id = rig::text(&answer.json()["job_id"]);
    relevo.api().wait(&id, JobState::Completed);
    id
}

/// Waits until the only delivery of a job is in this state.
fn delivery(relevo: &Relevo, job: &str, state: DeliveryState) -> DeliveryView {
    until(&format!("the delivery to be {}", state.as_str()), SOON, || {
        let answer = relevo.api().get(&format!("/api/v1/jobs/{job}/deliveries"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let Deliveries { mut deliveries } = serde_json::from_value(answer.json()).expect("a log as it is documented");
        assert!(deliveries.len() <= 1, "{deliveries:?}");
        deliveries.pop().filter(|delivery| delivery.state == state)
    })
}

fn statuses(delivery: &DeliveryView) -> Vec<Option<u16>> {
    delivery.attempts.iter().map(|attempt| attempt.status).collect()
}

fn verifies(secret: &str, received: &Received) -> bool {
    Webhook::new(secret).expect("a secret has its form").verify(&received.body, &received.headers).is_ok()
}

#[test]
fn a_signed_delivery_arrives_and_is_logged() {
    let redis = Redis::start();
    // A proxy of the environment would see every address that this process must not call.
    let proxies = [("HTTP_PROXY", "http://127.0.0.1:9"), ("http_proxy", "http://127.0.0.1:9")];
    let relevo = Relevo::serve(&redis, &[QUICK.as_slice(), &proxies].concat());
    let receiver = Receiver::start(|_, _| Reply::Status(204));

    let job = end_job(&relevo, &receiver.url("/hook?token=sesame"));

    let received = receiver.wait(1).remove(0);
    let told: WebhookSecrets =
        serde_json::from_value(relevo.api().get("/api/v1/webhooks/secret").json()).expect("it is documented");
    assert!(told.secrets.iter().all(|secret| verifies(secret.reveal(), &received)), "{received:?}");
    assert!(!verifies(OLD, &received), "any secret will do");
    let message = received.json();
    assert_eq!((&message["type"], &message["status"]), (&json!("job.completed"), &json!("completed")));
    assert_eq!((&message["job_id"], &message["data"]["result"]), (&json!(job), &json!({ "n": 7 })));
    let logged = delivery(&relevo, &job, DeliveryState::Delivered);
    assert_eq!(logged.id, received.header("webhook-id"));
    assert_eq!(logged.url, receiver.url("/hook"), "the query may hold a secret");
    assert_eq!((statuses(&logged), logged.next_attempt_at), (vec![Some(204)], None));
    let metrics = relevo.api().get("/_public/metrics").text();
    assert!(metrics.contains(r#"relevo_webhook_deliveries_total{outcome="delivered"} 1"#), "{metrics}");
}

#[test]
fn whoever_is_to_approve_is_told_with_the_link() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &QUICK);
    let receiver = Receiver::start(|_, _| Reply::Status(200));
    let request = json!({ "initial_data": { "signed": true }, "webhook_url": receiver.url("/") });
    let job = rig::text(&relevo.api().post("/api/v1/jobs/board", &request).json()["job_id"]);

    let wanted = receiver.wait(1).remove(0).json();
    assert_eq!((&wanted["type"], &wanted["status"]), (&json!("job.approval_wanted"), &json!("waiting_for_human")));
    let link = rig::text(&wanted["data"]["approval"]["link"]);
    let decided = relevo.api().post(&link, &json!({ "decision": "approved" }));

    assert_eq!(decided.status, 200, "{}", decided.text());
    let completed = receiver.wait(2).remove(1).json();
    assert_eq!((&completed["type"], &completed["job_id"]), (&json!("job.completed"), &json!(job)));
}

#[test]
fn a_receiver_that_fails_twice_is_tried_again() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &QUICK);
    let receiver = Receiver::start(|nth, _| Reply::Status(if nth < 2 { 500 } else { 200 }));

    let job = end_job(&relevo, &receiver.url("/"));

    let logged = delivery(&relevo, &job, DeliveryState::Delivered);
    assert_eq!(statuses(&logged), [Some(500), Some(500), Some(200)]);
    let ids: Vec<String> = receiver.received().iter().map(|one| one.header("webhook-id").to_owned()).collect();
    assert_eq!(ids, vec![logged.id; 3]);
}

#[test]
fn a_receiver_that_asks_for_time_gets_it() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &QUICK);
    let receiver = Receiver::start(|nth, _| match nth {
        0 => Reply::With(429, "retry-after", "1".to_owned()),
        _ => Reply::Status(200),
    });

    let job = end_job(&relevo, &receiver.url("/"));

    delivery(&relevo, &job, DeliveryState::Delivered);
    let received = receiver.received();
    assert!(received[1].at - received[0].at >= Duration::from_millis(990), "{received:?}");
}

#[test]
fn a_dead_receiver_does_not_slow_another() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &QUICK);
    let dead = Receiver::start(|_, _| Reply::Silence);
    let healthy = Receiver::start(|_, _| Reply::Status(200));
    for _ in 0..200 {
        end_job(&relevo, &dead.url("/"));
    }
    let _ = dead.wait(1);

    let job = end_job(&relevo, &healthy.url("/"));
    let ended = relevo.api().job(&job).completed_at.expect("it has ended");

    let logged = delivery(&relevo, &job, DeliveryState::Delivered);
    let wait = instant(&logged.attempts[0].at) - instant(&ended);
    assert!(wait < Duration::from_secs(1), "{wait:?}");
    assert!(dead.received().len() <= 2, "a host that has not proven itself gets {} at once", dead.received().len());
}

#[test]
fn a_new_secret_comes_beside_the_old_one_and_then_alone() {
    let redis = Redis::start();
    let receiver = Receiver::start(|_, _| Reply::Status(200));
    for (count, secrets) in [vec![OLD], vec![NEW, OLD], vec![NEW]].into_iter().enumerate() {
        let relevo = Relevo::serve_with(&redis, &QUICK, &format!("webhook_secrets = {secrets:?}"), "");

        end_job(&relevo, &receiver.url("/"));

        let received = receiver.wait(count + 1).remove(count);
        for secret in [OLD, NEW] {
            assert_eq!(verifies(secret, &received), secrets.contains(&secret), "{secrets:?}: {received:?}");
        }
        assert_eq!(relevo.api().get("/api/v1/webhooks/secret").json(), json!({ "secrets": secrets }));
    }
}

#[test]
fn an_address_inside_is_refused() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let receiver = Receiver::start(|_, _| Reply::Status(200));
    let port = receiver.url("").rsplit(':').next().expect("a URL has a port").to_owned();
    let create = |url: &Value| relevo.api().post("/api/v1/jobs/at_once", &json!({ "webhook_url": url }));

    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "169.254.169.254"] {
        let refusal = create(&json!(format!("http://{host}:{port}/"))).refusal(422);
        assert_eq!(refusal.details[0].field, "webhook_url", "{host}");
    }
    let inside = receiver.url("/");
    let schedule = json!({ "name": "nightly", "blueprint": "at_once", "cron": "0 0 * * *", "webhook_url": inside });
    let refusal = relevo.api().post("/api/v1/schedules", &schedule).refusal(422);
    assert_eq!(refusal.details[0].field, "webhook_url");
    // A name that is public when the job is made may lead inside when it is called: this one is changed behind the check.
    let job = rig::text(&create(&json!("https://a-receiver.invalid/")).json()["job_id"]);
    let rename = format!("http://localhost:{port}/");
    let changed: i64 = redis::cmd("HSET")
        .arg(format!("relevo:{{p00}}:job:{job}"))
        .arg(&["webhook_url", &rename])
        .query(&mut relevo.redis())
        .expect("Redis answers");
    assert_eq!(changed, 0, "the field is there already");

    let replay = |id: &str| relevo.api().post(&format!("/api/v1/jobs/{job}/deliveries/{id}/replay"), &json!({}));
    until("the delivery to be refused", SOON, || {
        let deliveries = relevo.api().get(&format!("/api/v1/jobs/{job}/deliveries")).json();
        let delivery = deliveries["deliveries"].get(0)?;
        // The first attempt may have begun before the change.
        (delivery["state"] == "refused").then_some(()).or_else(|| {
            assert_eq!(replay(&rig::text(&delivery["id"])).status, 202);
            None
        })
    });
    assert_eq!(receiver.received().len(), 0);
}

#[test]
fn a_redirect_is_followed_outside_and_refused_inside() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &QUICK);
    let inside = Receiver::start_at(Ipv4Addr::new(127, 0, 0, 2), |_, _| Reply::Status(200));
    let outside = Receiver::start(|_, _| Reply::Status(200));
    let to = [("/inside", inside.url("/")), ("/outside", outside.url("/moved"))];
    let crossing = Receiver::start(move |_, request| match to.iter().find(|(path, _)| *path == request.path) {
        Some((_, target)) => Reply::With(307, "location", target.clone()),
        None => Reply::Status(404),
    });

    let refused = end_job(&relevo, &crossing.url("/inside"));
    let followed = end_job(&relevo, &crossing.url("/outside"));

    delivery(&relevo, &followed, DeliveryState::Delivered);
    let arrived = outside.received().remove(0);
    assert_eq!(arrived.path, "/moved");
    assert_eq!(arrived.json()["job_id"], json!(followed));
    let refused = delivery(&relevo, &refused, DeliveryState::Refused);
    assert_eq!(refused.attempts[0].error.as_deref(), Some("the address is not a public one"));
    assert_eq!(inside.received().len(), 0);
}

#[test]
fn a_delivery_is_replayed_under_its_id() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &QUICK);
    let receiver = Receiver::start(|nth, _| Reply::Status(if nth == 0 { 410 } else { 200 }));
    let job = end_job(&relevo, &receiver.url("/"));
    let gone = delivery(&relevo, &job, DeliveryState::Gone);
    let replay = |id: &str| relevo.api().post(&format!("/api/v1/jobs/{job}/deliveries/{id}/replay"), &json!({}));

    let answer = replay(&gone.id);

    assert_eq!((answer.status.as_u16(), answer.json()["delivery_id"].clone()), (202, json!(gone.id)));
    let delivered = delivery(&relevo, &job, DeliveryState::Delivered);
    assert_eq!((&delivered.id, statuses(&delivered)), (&gone.id, vec![Some(410), Some(200)]));
    assert_eq!(receiver.received()[1].header("webhook-id"), gone.id);
    assert_eq!(replay("msg_of_nobody").refusal(404).code, "not_found");
    let stranger = relevo.api().get("/api/v1/jobs/0198c0de-0000-7000-8000-000000000000/deliveries");
    assert_eq!(stranger.refusal(404).code, "job_not_found");
}

#[test]
fn a_delivery_outlives_the_replica_that_held_it() {
    let redis = Redis::start();
    let hasty = [QUICK.as_slice(), &[("RELEVO_WEBHOOK_TIMEOUT_SECONDS", "1")]].concat();
    let mut first = Relevo::serve(&redis, &hasty);
    let receiver = Receiver::start(|nth, _| if nth == 0 { Reply::Silence } else { Reply::Status(200) });
    let job = end_job(&first, &receiver.url("/"));
    let _ = receiver.wait(1);

    first.process().sigkill();
    let second = Relevo::serve(&redis, &hasty);

    let logged = delivery(&second, &job, DeliveryState::Delivered);
    assert_eq!(statuses(&logged), [Some(200)], "nobody could write the first attempt down");
    assert_eq!(receiver.received()[1].header("webhook-id"), logged.id);
}

#[test]
fn a_delivery_is_given_up_after_a_day() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &QUICK);
    let receiver = Receiver::start(|_, _| Reply::Status(503));
    let job = end_job(&relevo, &receiver.url("/"));
    // After five failures the host is left alone.
    let _ = receiver.wait(5);

    let mut connection = relevo.redis();
    let log = format!("relevo:{{p00}}:webhooks:{job}");
    redis::cmd("HSET").arg(log).arg("job.completed|1:since").arg(0).exec(&mut connection).expect("Redis answers");
    let member = format!("{job}|job.completed|1");
    redis::cmd("ZADD").arg("relevo:{p00}:deliveries").arg(0).arg(member).exec(&mut connection).expect("Redis answers");

    let dead = delivery(&relevo, &job, DeliveryState::Dead);
    assert_eq!(dead.next_attempt_at, None);
    assert!(dead.attempts.last().is_some_and(|last| last.error.is_some()), "{dead:?}");
}

#[test]
fn two_replicas_deliver_each_webhook_once() {
    const JOBS: usize = 40;
    let redis = Redis::start();
    let replicas = [Relevo::serve(&redis, &QUICK), Relevo::serve(&redis, &QUICK)];
    let receiver = Receiver::start(|_, _| Reply::Status(200));

    let jobs: Vec<String> = (0..JOBS).map(|n| end_job(&replicas[n % 2], &receiver.url("/"))).collect();

    for job in &jobs {
        delivery(&replicas[0], job, DeliveryState::Delivered);
    }
    assert_eq!(receiver.received().len(), JOBS);
}

/// An instant of the API as the time since 1970.
fn instant(text: &str) -> Duration {
    Duration::from_millis(relevo::time::from_rfc3339(text).expect("an instant").unsigned_abs())
}
