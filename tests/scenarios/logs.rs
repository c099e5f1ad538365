//! What the log tells, and what it must never tell.

use relevo_shared::job::JobState;
use reqwest::Method;
use rig::{Api, Receiver, Redis, Relevo, Reply, SOON, Socket, until};
use serde_json::{Value, json};

const WEBHOOKS: &str = "whsec_c2VjcmV0LW9mLXdlYmhvb2tzLW9mLWEtdGVzdA==";

/// Every line of a log as JSON.
fn lines(log: &str) -> Vec<Value> {
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in: {line}"));
    log.lines().map(read).collect()
}

#[test]
fn no_secret_is_ever_logged_however_much_is() {
    let stores = Relevo::dev();
    let redis = Redis::start();
    let mut variables: Vec<(&str, &str)> = stores
        .environment()
        .iter()
        .filter(|(name, _)| name.starts_with("RELEVO_S3_"))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let detailed =
        [("RELEVO_LOG", "trace"), ("RELEVO_LOG_FORMAT", "json"), ("RELEVO_WEBHOOK_ALLOW", r#"["127.0.0.1"]"#)];
    variables.extend(detailed);
    let mut relevo = Relevo::serve_with(&redis, &variables, &format!("webhook_secrets = [{WEBHOOKS:?}]"), "");
    let receiver = Receiver::start(|_, _| Reply::Status(204));
    let (url, api) = (relevo.url().to_owned(), relevo.api());
    let token = relevo.environment()["RELEVO_CLIENT_TOKEN"].clone();

    // Every way to show a token, right and wrong, and everything that signs with a key.
    let id = api.create("jobs/by_hand", &json!({}));
    let shown = [
        ("x-api-key", token.clone()),
        ("authorization", format!("Bearer {token}")),
        ("x-client-token", "wr0ng-t0ken".to_owned()),
    ];
    for (header, value) in shown {
        let request = reqwest::blocking::Client::new().get(format!("{url}/api/v1/jobs/{id}"));
        assert_ne!(Api::send(request.header(header, value)).status, 404, "{header}");
    }
    assert_eq!(api.get(&format!("/api/v1/jobs/{id}?token=t0ken-in-a-query")).status, 200);
    assert_eq!(api.get("/nowhere?token=t0ken-in-a-query").status, 404);
    let watched =
        |token: &str| Socket::open(&url, &format!("/api/jobs/{id}/stream?token={token}"), ("origin", "http://a.page"));
    assert_eq!(watched("wr0ng-t0ken").err(), Some(401));
    assert_eq!(watched(&token).expect("the token is right").receive()["type"], "progress");
    assert_eq!(api.put(&format!("/api/v1/jobs/{id}/files/content/a.txt"), "hola").status, 200);
    assert_eq!(api.get(&format!("/api/v1/jobs/{id}/files/download/a.txt")).status, 302);
    let link = api.get(&format!("/api/v1/jobs/{id}/files/upload?filename=b.txt")).json();
    let link = link["url"].as_str().expect("there is a link").to_owned();
    assert_eq!(api.bare(Method::PUT, &link, "hola").status, 200);
    let decided = json!({ "decision": "approved", "token": "t0ken-in-a-body" });
    assert_eq!(api.post(&format!("/_public/webhooks/approval/{id}"), &decided).status, 409);
    let hand = relevo.hand("careful", &["hand"]);
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    api.wait(&id, JobState::Completed);

    let told = json!({ "webhook_url": receiver.url("/hook?key=t0ken-of-a-receiver") });
    assert_eq!(api.post("/api/v1/jobs/at_once", &told).status, 202);
    let signature = receiver.wait(1).remove(0).header("webhook-signature").to_owned();

    let environment = relevo.environment().clone();
    let log = relevo.process().log();
    assert!(log.contains("\"TRACE\""), "the log is not as detailed as it can be:\n{log}");
    let secrets = [
        token.as_str(),
        &environment["RELEVO_WORKER_TOKEN"],
        &environment["RELEVO_S3_SECRET_KEY"],
        link.split("X-Amz-Signature=").nth(1).expect("a link is signed"),
        WEBHOOKS.trim_start_matches("whsec_"),
        &signature,
        "wr0ng-t0ken",
        "t0ken-in-a-query",
        "t0ken-in-a-body",
        "t0ken-of-a-receiver",
    ];
    for secret in secrets {
        assert!(secret.len() > 10, "{secret} is no secret");
        let told: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "the log tells {secret}:\n{}", told.join("\n"));
    }
}

#[test]
fn a_line_about_a_job_names_it() {
    let redis = Redis::start();
    let mut relevo = Relevo::serve(&redis, &[("RELEVO_LOG_FORMAT", "json")]);
    let hand = relevo.hand("failing", &["hand"]);

    let id = relevo.api().create("jobs/by_hand", &json!({}));
    assert_eq!(hand.fail(&hand.claim(), "PERMANENT").status, 200);
    relevo.api().wait(&id, JobState::Quarantined);

    let line = until("the end of the job to be logged", SOON, || {
        let lines = lines(&relevo.process().log());
        lines.into_iter().find(|line| line["fields"]["message"] == "job ended")
    });
    assert_eq!((&line["fields"]["job"], &line["level"]), (&json!(id), &json!("WARN")));
    assert_eq!(line["fields"]["state"], "quarantined");
}

#[test]
fn a_request_that_fails_is_logged_with_its_job() {
    let mut redis = Redis::start();
    let mut relevo = Relevo::serve(&redis, &[("RELEVO_LOG_FORMAT", "json")]);
    let id = relevo.api().create("jobs/by_hand", &json!({}));

    redis.sigkill();
    let answer = relevo.api().get(&format!("/api/v1/jobs/{id}/history?token=t0ken-in-a-query"));

    assert_eq!(answer.refusal(503).code, "store_unavailable");
    let log = relevo.process().log();
    let failed = lines(&log).into_iter().find(|line| line["fields"]["message"] == "request failed");
    let fields = &failed.unwrap_or_else(|| panic!("nothing is logged: {log}"))["fields"];
    assert_eq!((&fields["job"], &fields["status"]), (&json!(id), &json!(503)));
    assert_eq!(fields["route"], "/api/v1/jobs/{job_id}/history");
    assert!(!log.contains("t0ken"), "{log}");
}
