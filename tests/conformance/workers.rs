//! Workers: known as long as they are heard of.

use relevo::{dispatch::Registry, store::Skills};
use relevo_shared::worker::{Heartbeat, Registration};

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

    let known = bench.store.beat_worker(&worker("w"), Some(&heartbeat), None).await.unwrap().expect("it is known");

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

    let known = bench.store.beat_worker(&worker("w"), None, Some(&skills)).await.unwrap().expect("it is known");

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

    assert_eq!(bench.store.beat_worker(&worker("w"), None, None).await.unwrap(), None);
    assert_eq!(bench.store.worker(&worker("w")).await.unwrap(), None);
}
