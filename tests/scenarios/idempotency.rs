//! `Idempotency-Key`: whatever goes wrong between a client and the service, one key leads to one job.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use relevo::store::{AnswerPlace, Durations, Reservation, Store};
use reqwest::Method;
use rig::{Answer, Api, ListFile, Redis, Relevo, SOON, client_entry, text, until};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PATH: &str = "/api/v1/jobs/by_hand";

fn post(api: &Api, path: &str, key: &str, body: &Value) -> Answer {
    Api::send(api.request(Method::POST, path).header("idempotency-key", key).json(body))
}

fn job_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text());
    text(&answer.json()["job_id"])
}

/// How many jobs Redis holds.
fn jobs_in(redis: &Redis) -> usize {
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("relevo:{p00}:job:*").query(&mut redis.connection()).expect("Redis answers");
    keys.len()
}

#[test]
fn an_answer_comes_again_and_the_job_does_not() {
    let redis = Redis::start();
    let (one, two) = (Relevo::serve(&redis, &[]), Relevo::serve(&redis, &[]));
    let body = json!({ "initial_data": { "order": 7 } });

    let first = post(&one.api(), PATH, "order-7", &body);
    let second = post(&two.api(), PATH, "order-7", &body);

    assert_eq!((first.header("idempotency-replayed"), second.header("idempotency-replayed")), (None, Some("true")));
    assert_eq!((job_of(&first), &first.body), (job_of(&second), &second.body));
    assert_eq!(second.header("content-type"), Some("application/json"));
    assert_ne!(job_of(&post(&one.api(), PATH, "order-8", &body)), job_of(&post(&two.api(), PATH, "order-9", &body)));
    assert_eq!(jobs_in(&redis), 3);
}

#[test]
fn a_unique_job_under_a_key_is_still_unique() {
    let redis = Redis::start();
    let many = [("RELEVO_PARTITIONS", "64")];
    let (one, two) = (Relevo::serve(&redis, &many), Relevo::serve(&redis, &many));
    let body = json!({ "unique_key": "nightly" });

    let first = post(&one.api(), PATH, "monday", &body);
    let second = post(&two.api(), PATH, "tuesday", &body);

    assert_eq!((first.status.as_u16(), second.status.as_u16()), (202, 200));
    assert_eq!(first.json()["job_id"], second.json()["job_id"]);
}

#[test]
fn a_key_is_for_one_request_of_one_client() {
    let redis = Redis::start();
    let file = ListFile::new(&client_entry("bank", &["gold"], ""));
    let relevo = Relevo::serve(&redis, &[("RELEVO_CLIENTS_FILE", file.path())]);
    let api = relevo.api();
    let first = job_of(&post(&api, PATH, "k", &json!({})));

    let other_body = post(&api, PATH, "k", &json!({ "initial_data": { "n": 1 } }));
    let other_path = post(&api, "/api/v1/jobs/echo", "k", &json!({}));
    let other_client = post(&api.with_token("gold"), PATH, "k", &json!({}));

    assert_eq!(other_body.refusal(409).code, "idempotency_key_reused");
    assert_eq!(other_path.refusal(409).code, "idempotency_key_reused");
    assert_ne!(job_of(&other_client), first);
    assert_eq!(api.with_token("wrong").post(PATH, &json!({})).status, 401);
    assert_eq!(post(&api.with_token("wrong"), PATH, "k", &json!({})).status, 401);
}

#[test]
fn a_request_that_was_refused_may_be_mended_under_its_key() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let api = relevo.api();
    let sleep = |seconds: Value| json!({ "initial_data": { "seconds": seconds } });

    let refused = post(&api, "/api/v1/jobs/sleep", "k", &sleep(json!("one")));
    let mended = post(&api, "/api/v1/jobs/sleep", "k", &sleep(json!(1)));

    assert_eq!(refused.status, 422);
    assert_eq!(job_of(&mended), job_of(&post(&api, "/api/v1/jobs/sleep", "k", &sleep(json!(1)))));
}

#[test]
fn a_key_of_another_form_is_refused() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);

    for key in ["", "a\tb", &"k".repeat(256)] {
        let problem = post(&relevo.api(), PATH, key, &json!({})).refusal(422);
        assert_eq!(problem.details[0].field, "Idempotency-Key");
    }
    assert_eq!(jobs_in(&redis), 0);
}

#[test]
fn many_at_once_under_one_key_make_one_job() {
    let redis = Redis::start();
    let replicas = [Relevo::serve(&redis, &[]), Relevo::serve(&redis, &[])];

    let ids: BTreeSet<String> = thread::scope(|scope| {
        let ask = |turn: usize| {
            let api = replicas[turn % 2].api();
            scope.spawn(move || {
                until("the answer", SOON, || {
                    let answer = post(&api, PATH, "same", &json!({}));
                    if answer.status == 409 {
                        assert_eq!(answer.header("retry-after"), Some("1"));
                        assert_eq!(answer.refusal(409).code, "idempotency_in_progress");
                        return None;
                    }
                    Some(job_of(&answer))
                })
            })
        };
        let asking: Vec<_> = (0..12).map(ask).collect();
        asking.into_iter().map(|one| one.join().expect("it was answered")).collect()
    });

    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(jobs_in(&redis), 1);
}

#[test]
fn a_key_whose_holder_died_is_taken_over() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let made_at = reserve_and_die(&redis, "tests", "k", "{}");

    let early = post(&relevo.api(), PATH, "k", &json!({}));
    let late = until("the key to be free", SOON, || {
        let answer = post(&relevo.api(), PATH, "k", &json!({}));
        (answer.status != 409).then_some(answer)
    });

    assert_eq!(early.refusal(409).code, "idempotency_in_progress");
    let id = job_of(&late);
    // An id begins with the instant that it was made from: that of the first holder.
    assert_eq!(u64::from_str_radix(&id.replace('-', "")[..12], 16), Ok(made_at));
}

/// Does with a request what a replica does that dies right after it has begun, and gives the instant at which it began.
fn reserve_and_die(redis: &Redis, client: &str, key: &str, body: &str) -> u64 {
    let durations = Durations { lock_answer: Duration::from_millis(1500), ..Durations::default() };
    let store = Store::new(&redis.url(), 1, durations).expect("the URL is Redis's own");
    let key = hex::encode(Sha256::digest(key));
    let digest = hex::encode(Sha256::digest(format!("{PATH}\0{body}")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let place = AnswerPlace { client, key: &key };
    match runtime.block_on(store.reserve_answer(place, &digest)) {
        Ok(Reservation::Held(turn)) => turn.made_at,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_replica_that_is_killed_leaves_no_second_job_behind() {
    const KEYS: usize = 200;
    let redis = Redis::start();
    let (mut doomed, survivor) = (Relevo::serve(&redis, &[]), Relevo::serve(&redis, &[]));
    let told: BTreeMap<usize, String> = thread::scope(|scope| {
        let api = doomed.api();
        let ask = |first: usize| {
            let api = api.clone();
            scope.spawn(move || {
                let mut told = Vec::new();
                for number in (first..KEYS).step_by(4) {
                    let request = api.request(Method::POST, PATH).header("idempotency-key", format!("k{number}"));
                    let Ok(answer) = request.json(&json!({})).send() else { break };
                    let Ok(body) = answer.json::<Value>() else { break };
                    told.push((number, text(&body["job_id"])));
                }
                told
            })
        };
        let asking: Vec<_> = (0..4).map(ask).collect();
        until("some jobs to be there", SOON, || (jobs_in(&redis) > 20).then_some(()));
        doomed.process().sigkill();
        asking.into_iter().flat_map(|one| one.join().expect("it ended")).collect()
    });
    assert!(told.len() < KEYS, "the replica was killed too late");
    release_locks(&redis);

    let ids: Vec<String> =
        (0..KEYS).map(|number| job_of(&post(&survivor.api(), PATH, &format!("k{number}"), &json!({})))).collect();

    for (number, id) in told {
        assert_eq!(ids[number], id, "key k{number} led to two jobs");
    }
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), KEYS);
    assert_eq!(jobs_in(&redis), KEYS);
}

/// Lets the minute pass that a replica has a request to itself.
fn release_locks(redis: &Redis) {
    let mut connection = redis.connection();
    let answers: Vec<String> = redis::cmd("KEYS").arg("relevo:answer:*").query(&mut connection).expect("Redis answers");
    for answer in answers {
        redis::cmd("HDEL").arg(answer).arg("locked_until").exec(&mut connection).expect("Redis answers");
    }
}
