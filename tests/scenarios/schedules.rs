//! Schedules: one job for each instant, whoever dies, and what becomes of instants that cannot have theirs.

use std::collections::BTreeSet;

use relevo::store::{Durations, FiringClaim, NextInstant, Store};
use relevo_shared::{ScheduleId, job::JobState, schedule::ScheduleSpec};
use rig::{Api, Redis, Relevo, SOON, text, until};
use serde_json::{Value, json};

/// Creates a schedule of jobs that only a worker played by the test can do, with more members.
fn schedule(api: &Api, cron: &str, members: &Value) -> String {
    let mut body = json!({ "name": "tests", "blueprint": "by_hand", "cron": cron });
    for (name, value) in members.as_object().expect("members are an object") {
        body[name] = value.clone();
    }
    let answer = api.post("/api/v1/schedules", &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    text(&answer.json()["id"])
}

fn show(api: &Api, id: &str) -> Value {
    let answer = api.get(&format!("/api/v1/schedules/{id}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// What became of the instants of a schedule, oldest first: outcome, instant, job.
fn firings(api: &Api, id: &str) -> Vec<(String, String, Option<String>)> {
    let shown = show(api, id);
    let list = shown["firings"].as_array().expect("a schedule has firings").iter().rev();
    list.map(|one| (text(&one["outcome"]), text(&one["instant"]), one["job_id"].as_str().map(str::to_owned))).collect()
}

fn wait_for_firings(api: &Api, id: &str, outcome: &str, count: usize) -> Vec<(String, String, Option<String>)> {
    until(&format!("{count} firings that are {outcome}"), SOON, || {
        let found = firings(api, id);
        (found.iter().filter(|(what, ..)| what == outcome).count() >= count).then_some(found)
    })
}

fn second(instant: &str) -> i64 {
    instant.parse::<jiff::Timestamp>().expect("an instant is RFC 3339").as_second()
}

/// Sets the next instant of a schedule, as if nobody had been there since.
fn go_back(redis: &Redis, id: &str, to: i64) {
    let mut connection = redis.connection();
    let key = format!("relevo:{{schedules}}:schedule:{id}");
    redis::pipe()
        .atomic()
        .cmd("HSET")
        .arg(key)
        .arg("next")
        .arg(to)
        .cmd("ZADD")
        .arg("relevo:{schedules}:due")
        .arg(to)
        .arg(id)
        .exec(&mut connection)
        .expect("Redis answers");
}

#[test]
fn every_instant_has_one_job_though_a_replica_is_killed() {
    let redis = Redis::start();
    let (mut doomed, survivor) = (Relevo::serve(&redis, &[]), Relevo::serve(&redis, &[]));
    let api = survivor.api();
    let id = schedule(&api, "* * * * * *", &json!({}));
    wait_for_firings(&api, &id, "created", 3);

    doomed.process().sigkill();

    wait_for_firings(&api, &id, "created", 9);
    assert_eq!(api.patch(&format!("/api/v1/schedules/{id}"), &json!({ "paused": true })).status, 200);
    let found = until("the last firing to be seen through", SOON, || {
        let open: u64 =
            redis::cmd("ZCARD").arg("relevo:{schedules}:open").query(&mut redis.connection()).expect("it answers");
        (open == 0).then(|| firings(&api, &id))
    });
    let mut seconds: Vec<i64> = found.iter().map(|(_, instant, _)| second(instant)).collect();
    seconds.sort_unstable();
    let (first, last) = (seconds[0], seconds[seconds.len() - 1]);
    assert_eq!(seconds, (first..=last).collect::<Vec<_>>(), "an instant is missing or came twice: {found:#?}");
    let jobs: BTreeSet<&String> = found.iter().filter_map(|(_, _, job)| job.as_ref()).collect();
    assert_eq!(jobs.len(), found.len(), "two instants share a job: {found:#?}");
    let kept: Vec<String> =
        redis::cmd("KEYS").arg("relevo:{p00}:job:*").query(&mut redis.connection()).expect("it answers");
    assert_eq!(kept.len(), found.len(), "there are jobs that no firing tells of");
}

#[test]
fn a_firing_whose_replica_died_gets_its_job_from_another() {
    let redis = Redis::start();
    let (id, instant) = claim_and_die(&redis);

    let relevo = Relevo::serve(&redis, &[]);

    let found = wait_for_firings(&relevo.api(), id.as_str(), "created", 1);
    assert_eq!(second(&found[0].1) * 1000, instant);
    let job = relevo.api().job(found[0].2.as_ref().expect("it has a job"));
    assert_eq!((job.client.as_str(), job.blueprint_name.as_str()), ("tests", "by_hand"));
}

/// Does with an instant what a replica does until it dies: the instant is claimed, its job is not created.
fn claim_and_die(redis: &Redis) -> (ScheduleId, i64) {
    let store = Store::new(&redis.url(), 1, Durations::default()).expect("the URL is Redis's own");
    let id: ScheduleId = "orphan".parse().expect("a name");
    let spec = json!({ "name": "tests", "blueprint": "by_hand", "cron": "0 0 1 1 *" });
    let spec: ScheduleSpec = serde_json::from_value(spec).expect("a schedule has this form");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let instant = 1_900_000_000_000;
    let claimed = runtime.block_on(async {
        store.put_schedule(&id, "tests", 0, &spec, NextInstant::Set(Some(instant))).await?;
        let claim =
            FiringClaim { schedule: &id, revision: 1, due: instant, next: None, fire: Some(instant), passed_over: &[] };
        store.claim_firing(&claim).await
    });
    assert!(claimed.expect("Redis answers"));
    (id, instant)
}

#[test]
fn instants_that_were_missed_are_made_up_for_as_the_schedule_says() {
    const HOUR: i64 = 3_600_000;
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let api = relevo.api();
    let missed = |catch_up: &str| {
        let id = schedule(&api, "0 * * * *", &json!({ "catch_up": catch_up }));
        let next = second(show(&api, &id)["next_firings"][0].as_str().expect("it has a next instant")) * 1000;
        go_back(&redis, &id, next - 3 * HOUR - HOUR);
        id
    };

    let [skip, one, all] = ["skip", "one", "all"].map(missed);

    let outcomes = |id: &str| firings(&api, id).into_iter().map(|(what, ..)| what).collect::<Vec<_>>();
    wait_for_firings(&api, &skip, "missed", 1);
    wait_for_firings(&api, &one, "created", 1);
    wait_for_firings(&api, &all, "created", 3);
    // Close to a full hour the last instant may be no minute ago, and so is not missed.
    assert_eq!(outcomes(&one)[..2], ["missed", "created"]);
    assert!(outcomes(&all).iter().all(|what| what == "created"), "{:?}", outcomes(&all));
    assert_eq!(outcomes(&skip)[0], "missed");
    for id in [skip, one, all] {
        assert_eq!(show(&api, &id)["next_firings"].as_array().map(Vec::len), Some(5), "it goes on");
    }
}

#[test]
fn an_instant_is_passed_over_while_a_job_has_not_ended() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let api = relevo.api();
    let hand = relevo.hand("worker", &["hand"]);
    let id = schedule(&api, "* * * * * *", &json!({ "overlap": "skip" }));

    let found = wait_for_firings(&api, &id, "overlapped", 2);

    assert_eq!(found.iter().filter(|(what, ..)| what == "created").count(), 1, "{found:?}");
    assert_eq!(hand.succeed(&hand.claim(), &json!({})).status, 200);
    wait_for_firings(&api, &id, "created", 2);
}

#[test]
fn a_schedule_is_shown_changed_fired_by_hand_and_deleted() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let api = relevo.api();
    let members = json!({ "time_zone": "Europe/Madrid", "initial_data": { "n": 1 }, "paused": true, "priority": 7 });
    let id = schedule(&api, "30 2 * * *", &members);
    let path = format!("/api/v1/schedules/{id}");
    assert_eq!(show(&api, &id)["next_firings"], json!([]), "it is paused");

    let edited = api.patch(&path, &json!({ "paused": false, "name": "nightly" })).json();
    let by_hand = api.post(&format!("{path}/trigger"), &json!({}));

    assert_eq!(edited["next_firings"].as_array().map(Vec::len), Some(5));
    assert_eq!(
        (&edited["name"], &edited["cron"], &edited["priority"]),
        (&json!("nightly"), &json!("30 2 * * *"), &json!(7))
    );
    assert_eq!(by_hand.status, 202, "{}", by_hand.text());
    let job = text(&by_hand.json()["job_id"]);
    assert_eq!(api.job(&job).initial_data, json!({ "n": 1 }));
    assert_eq!(api.job(&job).status, JobState::Pending.as_str());
    let list = api.get("/api/v1/schedules").json();
    assert_eq!(list["schedules"][0]["firings"][0]["outcome"], "triggered", "{list}");
    assert_eq!(list["schedules"][0]["firings"][0]["job_id"], job.as_str());

    assert_eq!(api.delete(&path).status, 204);

    assert_eq!(api.get(&path).status, 404);
    assert_eq!(api.get("/api/v1/schedules").json(), json!({ "schedules": [] }));
    assert_eq!(api.job(&job).status, "pending", "a job outlives its schedule");
}

#[test]
fn a_schedule_of_another_client_is_not_found() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let id = schedule(&relevo.api(), "0 0 * * *", &json!({}));
    let (stranger, path) = (relevo.stranger(), format!("/api/v1/schedules/{id}"));

    let answers = [
        stranger.get(&path),
        stranger.patch(&path, &json!({ "paused": true })),
        stranger.delete(&path),
        stranger.post(&format!("{path}/trigger"), &json!({})),
        stranger.get("/api/v1/schedules/..%2f"),
    ];

    for answer in answers {
        assert_eq!(answer.refusal(404).code, "not_found");
    }
    assert_eq!(stranger.get("/api/v1/schedules").json(), json!({ "schedules": [] }));
    assert_eq!(show(&relevo.api(), &id)["paused"], json!(false));
}

#[test]
fn a_schedule_that_could_never_work_is_refused_with_every_field() {
    let redis = Redis::start();
    let relevo = Relevo::serve(&redis, &[]);
    let api = relevo.api();
    let refused = |body: Value| {
        let problem = api.post("/api/v1/schedules", &body).refusal(422);
        problem.details.into_iter().map(|detail| detail.field).collect::<Vec<_>>()
    };

    let wrong = json!({ "name": "n", "blueprint": "no_such", "cron": "61 * * * *", "time_zone": "Mars/Olympus" });
    assert_eq!(refused(wrong), ["cron", "time_zone", "blueprint"]);
    let wrong_input =
        json!({ "name": "n", "blueprint": "sleep", "cron": "* * * * *", "initial_data": { "seconds": "x" } });
    assert_eq!(refused(wrong_input), ["initial_data.seconds"]);
    let over = json!({ "name": "n", "blueprint": "by_hand", "cron": "* * * * *", "ends_at": "2020-01-01T00:00:00Z" });
    assert_eq!(refused(over), ["cron"]);
    assert_eq!(
        refused(json!({ "name": "n", "blueprint": "by_hand", "cron": "* * * * *", "catchup": "all" })),
        ["catchup"]
    );

    let id = schedule(&api, "0 0 * * *", &json!({}));
    let problem = api.patch(&format!("/api/v1/schedules/{id}"), &json!({ "cron": "never" })).refusal(422);
    assert_eq!(problem.details[0].field, "cron");
    assert_eq!(show(&api, &id)["cron"], "0 0 * * *");
}
