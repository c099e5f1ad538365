//! Short-lived tokens: a worker gets them for its own, and they open what that one opens.

use std::time::{SystemTime, UNIX_EPOCH};

use relevo::domain::worker_token::{ACCESS_SECONDS, Claims, EXCHANGE_SECONDS, Kind};
use relevo_shared::{job::JobState, token::IssuedToken};
use rig::{Answer, Relevo, SdkWorker};
use serde_json::json;
use sha2::{Digest, Sha256};

fn exchange(relevo: &Relevo, token: &str, worker: &str) -> Answer {
    let api = relevo.worker_api(token);
    rig::Api::send(api.request(reqwest::Method::POST, "/_worker/auth/token").header("x-worker-id", worker))
}

fn issued(answer: &Answer) -> IssuedToken {
    serde_json::from_value(answer.json()).unwrap_or_else(|error| panic!("{error} in: {}", answer.text()))
}

/// Polls at once; what matters is who may.
fn poll(relevo: &Relevo, token: &str, worker: &str) -> u16 {
    relevo.worker_api(token).get(&format!("/_worker/workers/{worker}/tasks/next?wait=0")).status.as_u16()
}

/// A token of this deployment that was made so many seconds ago.
fn made_ago(relevo: &Relevo, kind: Kind, seconds: i64) -> String {
    made_from(relevo, relevo.worker_token(), kind, seconds)
}

/// The same, made from another token than the workers'.
fn made_from(relevo: &Relevo, parent: &str, kind: Kind, seconds: i64) -> String {
    // The secret is made for the first token.
    let _ = issued(&exchange(relevo, relevo.worker_token(), "w"));
    let secret: Vec<u8> = redis::cmd("GET").arg("relevo:secret").query(&mut relevo.redis()).expect("Redis answers");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let parent = Sha256::digest(parent)[..8].try_into().expect("eight bytes");
    let made_at = i64::try_from(now).expect("seconds fit") - seconds;
    Claims { kind, worker: Some("w".parse().expect("a name")), parent, made_at }.sign(&secret)
}

#[test]
fn a_short_lived_token_is_for_one_worker() {
    let relevo = Relevo::dev();
    let _hands = ["w", "other"].map(|id| relevo.hand(id, &["hand"]));

    let tokens = issued(&exchange(&relevo, relevo.worker_token(), "w"));

    assert_eq!((tokens.worker_id.as_str(), tokens.expires_in), ("w", 3600));
    let access = tokens.access_token.reveal();
    assert_eq!((poll(&relevo, access, "w"), poll(&relevo, access, "other")), (204, 401));
    let forged = format!("{access}x");
    assert_eq!((poll(&relevo, &forged, "w"), exchange(&relevo, &forged, "w").status.as_u16()), (401, 401));
}

#[test]
fn a_refresh_token_gets_new_tokens_and_opens_nothing_itself() {
    let relevo = Relevo::dev();
    let _hand = relevo.hand("w", &["hand"]);
    let first = issued(&exchange(&relevo, relevo.worker_token(), "w"));
    let refresh = first.refresh_token.reveal();

    let nobody = relevo.worker_api("");
    let answer = nobody.post("/_worker/auth/token/refresh", &json!({ "refresh_token": refresh }));

    assert_eq!(poll(&relevo, issued(&answer).access_token.reveal(), "w"), 204);
    assert_eq!(poll(&relevo, refresh, "w"), 401);
    assert_eq!(nobody.post("/_worker/auth/token/refresh", &json!({ "refresh_token": "x" })).status, 401);
}

#[test]
fn a_token_that_has_ended_is_exchanged_for_a_while() {
    let relevo = Relevo::dev();
    let _hand = relevo.hand("w", &["hand"]);
    let ended = made_ago(&relevo, Kind::Access, ACCESS_SECONDS + 1);
    let forgotten = made_ago(&relevo, Kind::Access, EXCHANGE_SECONDS + 1);

    assert_eq!(poll(&relevo, &ended, "w"), 401);
    assert_eq!(poll(&relevo, issued(&exchange(&relevo, &ended, "w")).access_token.reveal(), "w"), 204);
    assert_eq!(exchange(&relevo, &forgotten, "w").status, 401);
}

#[test]
fn a_token_whose_parent_was_removed_from_the_settings_opens_nothing() {
    let relevo = Relevo::dev();
    let _hand = relevo.hand("w", &["hand"]);
    let [orphan, own] = ["removed", relevo.worker_token()].map(|parent| made_from(&relevo, parent, Kind::Access, 0));

    assert_eq!((poll(&relevo, &orphan, "w"), exchange(&relevo, &orphan, "w").status.as_u16()), (401, 401));
    assert_eq!(poll(&relevo, &own, "w"), 204);
}

#[test]
fn a_redis_that_was_emptied_takes_no_token_away() {
    let relevo = Relevo::dev();
    let tokens = issued(&exchange(&relevo, relevo.worker_token(), "w"));

    redis::cmd("FLUSHALL").exec(&mut relevo.redis()).unwrap();

    let again = issued(&exchange(&relevo, tokens.access_token.reveal(), "w"));
    let _hand = relevo.hand("w", &["hand"]);
    assert_eq!(poll(&relevo, again.access_token.reveal(), "w"), 204);
}

#[test]
fn a_worker_of_the_field_exchanges_a_token_that_has_ended() {
    for release in SdkWorker::RELEASES {
        let relevo = Relevo::dev();
        let ended = made_ago(&relevo, Kind::Access, ACCESS_SECONDS + 1);
        let _worker = SdkWorker::start(&relevo, release, "w", &[("WORKER_TOKEN", &ended)]);

        let id = relevo.api().create("jobs/field", &json!({ "how": "answer" }));

        relevo.api().wait(&id, JobState::Completed);
    }
}
