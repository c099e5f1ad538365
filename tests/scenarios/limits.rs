//! Rates and quotas, counted for all replicas together.

use reqwest::Method;
use rig::{Answer, Api, ListFile, Redis, Relevo, SOON, client_entry, until};
use serde_json::json;

/// So slow that nothing comes back while a story is told.
const STILL: &str = "requests_per_second = 0.001";
const NO_JOB: &str = "/api/v1/jobs/0198c0de-0000-7000-8000-000000000000";

/// Two replicas on one Redis that know the same clients.
fn pair(redis: &Redis, file: &ListFile, more: &[(&str, &str)]) -> [Relevo; 2] {
    let variables: Vec<_> = [("RELEVO_CLIENTS_FILE", file.path())].into_iter().chain(more.iter().copied()).collect();
    [Relevo::serve(redis, &variables), Relevo::serve(redis, &variables)]
}

fn number(answer: &Answer, header: &str) -> u64 {
    let value = answer.header(header).unwrap_or_else(|| panic!("no {header} in {:?}", answer.headers));
    value.parse().unwrap_or_else(|_| panic!("{header} is {value}"))
}

#[test]
fn two_replicas_count_the_requests_of_a_client_together() {
    let redis = Redis::start();
    let plan = format!("[plans.small]\n{STILL}\nburst = 6\n");
    let entries = ["shop", "bank"].map(|name| client_entry(name, &[name], "plan = \"small\""));
    let file = ListFile::new(&(plan + &entries.concat()));
    let replicas = pair(&redis, &file, &[]);
    let ask = |turn: usize, token: &str| replicas[turn % 2].api().with_token(token).get(NO_JOB);

    for turn in 0..6 {
        let answer = ask(turn, "shop");
        assert_eq!(answer.status, 404);
        assert_eq!(number(&answer, "ratelimit-remaining"), 5 - turn as u64);
    }
    let refused = ask(6, "shop");

    assert_eq!(refused.refusal(429).code, "rate_limited");
    assert!((990..=1000).contains(&number(&refused, "retry-after")), "{:?}", refused.headers);
    assert_eq!((number(&refused, "ratelimit-limit"), number(&refused, "ratelimit-remaining")), (6, 0));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"client\";q=6;w=6000"));
    assert!(refused.header("ratelimit").is_some_and(|value| value.starts_with("\"client\";r=0;t=")));
    assert_eq!(ask(7, "bank").status, 404, "one client's haste is another's loss");
    assert_eq!(replicas[0].api().get(NO_JOB).header("ratelimit"), None, "a client without a limit is told of one");
}

#[test]
fn a_client_that_waits_as_long_as_it_is_told_is_served() {
    let redis = Redis::start();
    let file = ListFile::new(&client_entry("slow", &["slow"], "limits = { requests_per_second = 0.5, burst = 1 }"));
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);
    let api = relevo.api().with_token("slow");
    assert_eq!(api.get(NO_JOB).status, 404);

    let refused = api.get(NO_JOB);
    let begun = std::time::Instant::now();
    until("the allowance to come back", SOON, || (api.get(NO_JOB).status == 404).then_some(()));

    let told = number(&refused, "retry-after");
    assert!((1..=2).contains(&told), "{told}");
    assert!(begun.elapsed().as_millis() > 500, "it came back at once");
}

#[test]
fn an_address_counts_by_what_a_trusted_proxy_says_and_nobody_else() {
    let redis = Redis::start();
    let limit = [("RELEVO_ADDRESS_REQUESTS_PER_SECOND", "0.001"), ("RELEVO_ADDRESS_BURST", "2")];
    let trusting = [limit[0], limit[1], ("RELEVO_TRUSTED_PROXIES", "[\"127.0.0.0/8\"]")];
    let (behind, open) = (Relevo::serve(&redis, &trusting), Relevo::serve(&redis, &limit));
    let from = |relevo: &Relevo, hops: &str| {
        Api::send(relevo.api().request(Method::GET, NO_JOB).header("x-forwarded-for", hops)).status.as_u16()
    };

    for hops in ["192.0.2.1", "198.51.100.9, 192.0.2.1"] {
        assert_eq!(from(&behind, hops), 404);
    }
    assert_eq!(from(&behind, "203.0.113.4, 192.0.2.1"), 429, "a made-up first hop was believed");
    assert_eq!(from(&behind, "192.0.2.2"), 404);

    assert_eq!([from(&open, "192.0.2.3"), from(&open, "192.0.2.4"), from(&open, "192.0.2.5")], [404, 404, 429]);
}

#[test]
fn unknown_tokens_are_limited_and_known_ones_are_not() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[("RELEVO_FAILED_TOKENS_PER_MINUTE", "3")]);
    let stranger = relevo.api().with_token("guess");

    for _ in 0..3 {
        assert_eq!(stranger.get(NO_JOB).refusal(401).code, "unauthorized");
    }

    let refused = stranger.get(NO_JOB);
    assert_eq!(refused.refusal(429).code, "rate_limited");
    assert!(number(&refused, "retry-after") <= 20, "{:?}", refused.headers);
    assert_eq!(Api::worker(relevo.url(), "guess").get("/_worker/workers/w/tasks/next").status, 429);
    assert_eq!(relevo.api().get(NO_JOB).status, 404);
}

#[test]
fn without_redis_a_limited_client_is_told_to_come_back() {
    let mut redis = Redis::start();
    let file = ListFile::new(&client_entry("shop", &["shop"], "limits = { requests_per_second = 100 }"));
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);
    assert_eq!(relevo.api().with_token("shop").get(NO_JOB).status, 404);

    redis.sigkill();

    let answer = relevo.api().with_token("shop").get(NO_JOB);
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
    assert_eq!(answer.refusal(503).code, "store_unavailable");
    assert_eq!(relevo.api().with_token("guess").get(NO_JOB).status, 401);
}

#[test]
fn a_day_has_so_many_jobs_and_a_refused_one_is_none() {
    let redis = Redis::start();
    let file = ListFile::new(&client_entry("shop", &["shop"], "limits = { jobs_per_day = 2 }"));
    let replicas = pair(&redis, &file, &[]);
    let [first, second] = replicas.each_ref().map(|relevo| relevo.api().with_token("shop"));
    let _ = first.create("jobs/by_hand", &json!({}));
    for _ in 0..3 {
        assert_eq!(first.post("/api/v1/jobs/sleep", &json!({ "initial_data": { "seconds": "one" } })).status, 422);
        assert_eq!(first.post("/api/v1/jobs/no_such", &json!({})).status, 404);
    }
    let _ = second.create("jobs/by_hand", &json!({}));

    let refused = first.post("/api/v1/jobs/by_hand", &json!({}));

    assert!((1..=86_400).contains(&number(&refused, "retry-after")), "{:?}", refused.headers);
    let problem = refused.refusal(429);
    assert_eq!(problem.code, "quota_exceeded");
    assert!(problem.error.contains("jobs_per_day of 2"), "{problem:?}");
    assert_eq!(first.get(NO_JOB).status, 404, "reading is no creation");
}

#[test]
fn a_client_has_so_many_unfinished_jobs_and_no_more() {
    let redis = Redis::start();
    let file = ListFile::new(&client_entry("shop", &["shop"], "limits = { max_open_jobs = 2 }"));
    let replicas = pair(&redis, &file, &[]);
    let [first, second] = replicas.each_ref().map(|relevo| relevo.api().with_token("shop"));
    let id = first.create("jobs/by_hand", &json!({}));
    let _ = second.create("jobs/by_hand", &json!({}));

    let refused = first.post("/api/v1/jobs/by_hand", &json!({}));
    assert_eq!(first.post(&format!("/api/v1/jobs/{id}/cancel"), &json!({})).status, 200);
    let _ = until("room for another job", SOON, || {
        let answer = second.post("/api/v1/jobs/by_hand", &json!({}));
        (answer.status == 202).then_some(answer)
    });

    assert_eq!(number(&refused, "retry-after"), 5);
    let problem = refused.refusal(429);
    assert_eq!(problem.code, "quota_exceeded");
    assert!(problem.error.contains("max_open_jobs of 2"), "{problem:?}");
}

#[test]
fn a_client_has_so_many_tasks_at_work_and_the_next_one_waits() {
    let redis = Redis::start();
    let file = ListFile::new(&client_entry("shop", &["shop"], "limits = { max_concurrent_tasks = 1 }"));
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);
    let api = relevo.api().with_token("shop");
    let hand = relevo.hand("worker", &["hand"]);
    let ids = [api.create("jobs/by_hand", &json!({})), api.create("jobs/by_hand", &json!({}))];

    let task = hand.claim();
    assert!(hand.poll(0).is_none(), "a second task of the client was handed out");
    assert_eq!(hand.succeed(&task, &json!({})).status, 200);
    let next = hand.claim();

    assert_eq!([task.job_id.to_string(), next.job_id.to_string()], ids);
}
