//! Workers: known as long as they are heard of.

use std::time::Duration;

use relevo::{dispatch::Registry, store::Skills};
use relevo_shared::worker::{Heartbeat, Registration, Usage};
use serde_json::json;

use crate::fixture::{Bench, worker};

fn registration(skill: &str) -> Registration {
    let skill = serde_json::from_value(skill.into()).expect("a skill may be a name alone");
    Registration::of_skills(worker("w"), vec![skill])
}

#[tokio::test]
async fn a_heartbeat_leaves_a_newer_registration_alone() {
    let bench = Bench::new();
    bench.store.register_worker(&registration("old")).await.unwrap();
    bench.store.register_worker(&registration("new")).await.unwrap();
    let heartbeat = Heartbeat { load: Some(2.0), ..Heartbeat::default() };

    let known =
        bench.store.beat_worker(&worker("w"), Some(&heartbeat), None, None).await.unwrap().expect("it is known");

    assert_eq!(known.registration, registration("new"));
    assert_eq!(known.heartbeat.load, Some(2.0));
    assert_eq!(bench.store.worker(&worker("w")).await.unwrap(), Some(known));
}

#[tokio::test]
async fn skills_that_a_heartbeat_names_take_the_place_of_the_old_ones() {
    let bench = Bench::new();
    bench.store.register_worker(&registration("old")).await.unwrap();
    let supported_skills = registration("new").supported_skills;
    let skills = Skills { supported_skills, skills_hash: Some("7f".to_owned()) };

    let known = bench.store.beat_worker(&worker("w"), None, Some(&skills), None).await.unwrap().expect("it is known");

    assert_eq!(known.registration.supported_skills, skills.supported_skills);
    assert_eq!(known.registration.skills_hash, skills.skills_hash);
}

#[tokio::test]
async fn a_worker_whose_words_make_no_sense_is_refused() {
    let bench = Bench::new();
    let registry = Registry::new(bench.store.clone());
    let too_many = (0..501).map(|n| serde_json::from_value(format!("s{n}").into()).expect("a name")).collect();

    for beat in [0, 4_000_000_000] {
        let registration = Registration { heartbeat_seconds: Some(beat), ..registration("s") };
        assert!(registry.register(registration).await.is_err(), "a beat of {beat} s");
    }
    assert!(registry.register(Registration::of_skills(worker("w"), too_many)).await.is_err(), "501 skills");

    assert_eq!(bench.store.worker(&worker("w")).await.unwrap(), None);
}

#[tokio::test]
async fn a_worker_that_never_registered_is_unknown() {
    let bench = Bench::new();

    assert_eq!(bench.store.beat_worker(&worker("w"), None, None, None).await.unwrap(), None);
    assert_eq!(bench.store.worker(&worker("w")).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_worker_uses_is_kept_until_it_says_something_else() {
    let bench = Bench::new();
    let lately = Duration::from_secs(60);
    let usage = |value| -> Usage { serde_json::from_value(value).expect("it is a usage") };
    let gpu = usage(json!({ "ram_used_gb": 3.5, "devices_usage": [{ "unit_id": "GPU-1", "load_percent": 40 }] }));
    let none = usage(json!({ "ram_used_gb": 1.0 }));
    for (id, usage) in [("w", &gpu), ("cpu", &none)] {
        let skills = registration("s").supported_skills;
        bench.store.register_worker(&Registration::of_skills(worker(id), skills)).await.unwrap();
        bench.store.beat_worker(&worker(id), None, None, Some(usage)).await.unwrap();
    }

    let silent = bench.store.beat_worker(&worker("w"), Some(&Heartbeat::default()), None, None).await.unwrap();

    assert_eq!(silent.expect("it is known").usage, Some(gpu.clone()));
    assert_eq!(bench.store.worker(&worker("cpu")).await.unwrap().expect("it is known").usage, Some(none));
    assert_eq!(bench.store.devices_in_use(lately, 10).await.unwrap(), [(worker("w"), gpu)]);
    bench.store.register_worker(&registration("s")).await.unwrap();
    assert_eq!(bench.store.devices_in_use(lately, 10).await.unwrap(), [], "a worker that begins anew has said nothing");
}
