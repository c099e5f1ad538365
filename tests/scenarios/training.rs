//! Training jobs: from a table of grades to a model that a person lets have a name, also when a worker dies on the way.

use std::{fmt::Write, time::Duration};

use relevo_shared::job::{JobState, JobView};
use rig::{Api, Relevo, Worker, until};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(180);

/// Grades that tell the level of a course, and some noise that a little arithmetic makes.
fn grades() -> String {
    let mut csv = "docente,materia,calif_1,calif_2,calif_3,nivel\n".to_owned();
    for row in 0..150_u32 {
        let (level, noise) = (row % 3, f64::from(row * 7919 % 101) / 60.0);
        let grade = |weight: f64| 1.0 + f64::from(level) * weight + noise;
        let label = ["bajo", "medio", "alto"][level as usize];
        let _ = writeln!(csv, "D{},M{},{:.2},{:.2},{noise:.2},{label}", row % 7, row % 4, grade(1.2), grade(0.9));
    }
    csv
}

fn input(more: &Value) -> Value {
    let mut input = json!({ "dataset_id": "cursos", "preprocess": "none", "target": "nivel", "lr": 0.1, "batch_size": 30, "epochs": 6,
        "n_hidden": 12, "name": "pruebas/nivel" });
    input.as_object_mut().expect("it is an object").extend(more.as_object().expect("it is an object").clone());
    input
}

fn upload(api: &Api) {
    assert!(api.put("/api/datasets/cursos/tables/primary", grades()).status.is_success());
}

fn wait_for_a_person(api: &Api, id: &str) -> JobView {
    until("the job to wait for a person", LONG, || {
        let job = api.job(id);
        assert!(job.error.is_none(), "{:?}", job.error);
        job.approval.is_some().then_some(job)
    })
}

fn decide(api: &Api, id: &str, decision: &str) {
    let answer =
        api.post(&format!("/_public/webhooks/approval/{id}"), &json!({ "decision": decision, "comment": "seen" }));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_model_that_was_trained_and_audited_gets_a_name_once_a_person_has_agreed() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    upload(&api);
    let worker = Worker::start(&relevo, "trainer");
    let id = api.create("jobs/train_rbm", &input(&json!({})));

    let waiting = wait_for_a_person(&api, &id);
    let asked = waiting.approval.expect("it says what it asks").params;
    assert!(asked["metrics"]["accuracy"].as_f64() > Some(0.7), "{asked}");
    assert_eq!(asked["audit"]["beats_baseline"], true, "{asked}");
    // The last task is one that the test looks at.
    drop(worker);
    let hand = relevo.hand("promoter", &["model.promote"]);
    decide(&api, &id, "approved");
    let promotion = hand.claim();
    assert_eq!(
        (&promotion.params["model_uri"], &promotion.params["name"]),
        (&asked["model_uri"], &json!("pruebas/nivel"))
    );
    assert_eq!(hand.succeed(&promotion, &json!({ "name": "pruebas/nivel" })).status, 200);

    let job = api.wait(&id, JobState::Completed);
    let result = job.result.expect("a completed job has a result");
    assert_eq!(
        (&result["promoted"]["name"], &result["approval"]["comment"]),
        (&json!("pruebas/nivel"), &json!("seen"))
    );
    let grouped = &result["trained"]["columns"];
    assert!(grouped.as_array().expect("columns").contains(&json!("calif_1_mean")), "{grouped}");
    for name in ["config.json", "model.safetensors", "preprocess.json", "learning_curves.svg"] {
        let uri = result["trained"]["artefacts"][name].as_str().expect("each artefact has an address");
        assert!(relevo.object(uri).is_file(), "{name}");
    }
    let metrics = api.get(&format!("/api/v1/jobs/{id}")).json();
    assert!(metrics["result"]["audit"]["summary"]["macro_f1"]["mean"].is_number(), "{metrics}");
}

#[test]
fn a_killed_workers_training_ends_with_the_same_model() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    upload(&api);
    let mut first = Worker::start(&relevo, "first");
    let training =
        input(&json!({ "epochs": 120, "checkpoint_seconds": 0, "head": "none", "target": null, "split": "random",
        "sampler": "pcd", "group_columns": [] }));
    let finished = |id: &str| {
        wait_for_a_person(&api, id);
        decide(&api, id, "rejected");
        api.wait_within(id, JobState::Completed, LONG).result.expect("a completed job has a result")
    };
    let whole = finished(&api.create("jobs/train_rbm", &training));
    let id = api.create("jobs/train_rbm", &training);
    until("some epochs", LONG, || {
        let lines = api.get(&format!("/api/jobs/{id}/logs")).text();
        lines.contains("epoch 10 of 120").then_some(())
    });

    first.process().sigkill();
    let _second = Worker::start(&relevo, "second");
    let resumed = finished(&id);

    let after = resumed["trained"]["resumed_after_epoch"].as_u64().expect("it was taken up again");
    assert!((1..120).contains(&after), "{after}");
    assert_eq!(whole["trained"]["resumed_after_epoch"], Value::Null);
    assert_eq!(resumed["content_hash"], whole["content_hash"]);
    assert_eq!(resumed["trained"]["metrics"], whole["trained"]["metrics"]);
    assert_eq!((&resumed["promoted"], &resumed["approval"]["Error"]), (&Value::Null, &json!("Approval.Rejected")));
}

#[test]
fn a_model_that_nobody_agrees_to_in_time_stays_with_its_job() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    upload(&api);
    let _worker = Worker::start(&relevo, "trainer");
    let id = api.create("jobs/train_rbm", &input(&json!({ "approval_seconds": 1, "epochs": 1 })));

    let result = api.wait_within(&id, JobState::Completed, LONG).result.expect("a completed job has a result");

    assert_eq!((&result["promoted"], &result["approval"]["Error"]), (&Value::Null, &json!("States.Timeout")));
    assert!(relevo.object(result["trained"]["model_uri"].as_str().expect("an address")).join("config.json").is_file());
}

#[test]
fn settings_that_no_training_can_have_are_refused_before_a_job_begins() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    upload(&api);
    for (field, value) in [
        ("lr", json!(0)),
        ("learning_rate", json!(0.1)),
        ("epochs", json!(501)),
        ("n_hidden", json!([8, 4])),
        ("momentum", json!(1)),
        ("sparsity_cost", json!(0.1)),
        ("target", Value::Null),
        ("head", json!("oracle")),
        ("name", json!("../x")),
        ("group_keys", json!(["curso"])),
    ] {
        let problem = api
            .post("/api/v1/jobs/train_rbm", &json!({ "initial_data": input(&json!({ field: value })) }))
            .refusal(422);
        let named = problem.details.iter().any(|detail| detail.field.starts_with(&format!("initial_data.{field}")));
        assert!(named, "{field}: {problem:?}");
    }
    let space = json!({ "dataset_id": "cursos", "space": { "lr": [0.1], "colour": [1] } });
    let problem = api.post("/api/v1/jobs/rbm_sweep", &json!({ "initial_data": space })).refusal(422);
    assert_eq!(problem.details[0].field, "initial_data.space.colour");
    for rates in [
        json!([]),
        json!(["a"]),
        json!([0.1, 0.1]),
        json!({ "min": 0, "max": 1 }),
        json!({ "min": 0.1, "max": 11 }),
        json!({ "min": "a", "max": 1 }),
    ] {
        let space = json!({ "dataset_id": "cursos", "search": "random", "space": { "lr": rates } });
        let problem = api.post("/api/v1/jobs/rbm_sweep", &json!({ "initial_data": space })).refusal(422);
        assert!(problem.details[0].field.starts_with("initial_data.space.lr"), "{problem:?}");
    }
    let units = |more: &Value| {
        let mut sweep = json!({ "dataset_id": "cursos", "space": { "visible": ["bernoulli", "gaussian"] } });
        sweep.as_object_mut().expect("it is an object").extend(more.as_object().expect("it is an object").clone());
        api.post("/api/v1/jobs/rbm_sweep", &json!({ "initial_data": sweep }))
    };
    let problem = units(&json!({})).refusal(422);
    assert_eq!(problem.details[0].field, "initial_data.metric", "{problem:?}");
    let judged = units(&json!({ "head": "classifier", "target": "nivel", "metric": "accuracy" }));
    assert_eq!(judged.status, 202, "{}", judged.text());
}

#[test]
fn a_sweep_trains_every_trial_and_names_the_best() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    upload(&api);
    let _worker = Worker::start(&relevo, "trainer");
    let sweep = json!({ "dataset_id": "cursos", "target": "nivel", "head": "classifier", "metric": "macro_f1", "promote": false,
        "space": { "lr": [0.00001, 0.1], "n_hidden": [2, 8] }, "epochs": 3, "batch_size": 30, "at_once": 2 });

    let id = api.create("jobs/rbm_sweep", &sweep);

    let result = api.wait_within(&id, JobState::Completed, LONG).result.expect("a completed job has a result");
    let ranking = result["ranking"].as_array().expect("a ranking");
    assert_eq!((ranking.len(), &result["failed"], &result["promoted"]), (4, &json!(0), &Value::Null));
    assert_eq!(ranking[0]["model_uri"], result["best"]["model_uri"]);
    let uri = result["best"]["model_uri"].as_str().expect("it has an address");
    assert!(relevo.object(&format!("{uri}/config.json")).is_file(), "{uri}");
}

#[test]
fn a_sweep_whose_best_trial_always_says_the_same_promotes_nothing() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    upload(&api);
    let hand = relevo.hand("sweeper", &["train.sweep", "rbm.train", "model.promote"]);
    let ranked = |degenerate: bool| {
        let id = api.create("jobs/rbm_sweep", &json!({ "dataset_id": "cursos", "space": { "lr": [0.1] } }));
        assert_eq!(hand.succeed(&hand.claim(), &json!({ "count": 1, "trials": [{ "lr": 0.1 }] })).status, 200);
        let trained = json!({ "output_name": "trial_1", "model_uri": "s3://b/m", "content_hash": "h", "parameters": {}, "metrics": {} });
        assert_eq!(hand.succeed(&hand.claim(), &trained).status, 200);
        let best = json!({ "output_name": "trial_1", "model_uri": "s3://b/m", "degenerate": degenerate });
        let warning = degenerate.then_some("the best trial gives every row the same answer");
        let ranking = json!({ "best": best, "ranking": [best], "metric": "log_likelihood", "trials": 1, "failed": 0, "warning": warning });
        assert_eq!(hand.succeed(&hand.claim(), &ranking).status, 200);
        id
    };

    let idle = api.wait(&ranked(true), JobState::Completed).result.expect("a completed job has a result");
    let good = ranked(false);
    let promotion = hand.claim();

    assert_eq!((&idle["promoted"], &idle["best"]["degenerate"]), (&Value::Null, &json!(true)));
    assert!(idle["warning"].as_str().is_some_and(|warning| warning.contains("the same answer")), "{idle}");
    assert_eq!(
        (&promotion.skill.to_string(), &promotion.params["model_uri"]),
        (&"model.promote".to_owned(), &json!("s3://b/m"))
    );
    assert_eq!(hand.succeed(&promotion, &json!({ "name": "boltzmann/best" })).status, 200);
    let good = api.wait(&good, JobState::Completed).result.expect("a completed job has a result");
    assert_eq!((&good["promoted"]["name"], &good["warning"]), (&json!("boltzmann/best"), &Value::Null));
}
