//! Training through the API: labelled sentences go in, a model comes out that labels comments.

use std::{fs, time::Duration};

use relevo_shared::job::JobState;
use rig::{Relevo, Worker, repository, until};
use serde_json::{Value, json};

const MODEL: &str = "relevo/demo-sentiment";
/// Stories run side by side: threads of one worker would wait for those of another.
const ONE_THREAD: &[(&str, &str)] = &[("OMP_NUM_THREADS", "1")];
const LONG: Duration = Duration::from_secs(240);

/// Every so many-th of the labelled sentences of the demonstration, with its header.
fn sentences(every: usize) -> String {
    let all = fs::read_to_string(repository().join("worker/demo/frases.csv")).expect("the repository has its data");
    let mut lines = all.lines();
    let header = lines.next().expect("a table has a header");
    let chosen: Vec<&str> = std::iter::once(header).chain(lines.step_by(every)).collect();
    chosen.join("\n")
}

fn training(more: &Value) -> Value {
    let mut input = json!({
        "dataset_id": "frases", "model": MODEL, "text_col": "texto", "label_col": "etiqueta", "epochs": 2,
        "learning_rate": 1e-4
    });
    input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    input
}

#[test]
fn a_model_that_was_trained_here_labels_comments() {
    let relevo = Relevo::shipped();
    let _worker = Worker::start_with(&relevo, "learner", ONE_THREAD);
    let api = relevo.api();
    assert!(api.put("/api/datasets/frases/tables/primary", sentences(40)).status.is_success());

    let trained = api.create("jobs/beto_finetune", &training(&json!({})));
    let trained = api.wait_within(&trained, JobState::Completed, LONG);
    let result = trained.result.expect("a completed job has a result");
    assert_eq!((&result["labels"], &result["head"]), (&json!(["neg", "neu", "pos"]), &json!("kept")), "{result}");
    let input = json!({ "dataset_id": "frases", "text_col": "texto", "model": result["model_uri"] });
    let labelled = api.create("jobs/beto_sentiment", &input);

    let labelled = api.wait_within(&labelled, JobState::Completed, LONG).result.expect("it is completed");
    assert_eq!(labelled["n_rows"], result["n_rows"]);
    assert_eq!(labelled["model"]["name"], result["model_uri"]);
    let embedded =
        api.create("jobs/beto_embed", &json!({ "dataset_id": "frases", "text_col": "texto", "model": MODEL }));
    let embedded = api.wait_within(&embedded, JobState::Completed, LONG).result.expect("it is completed");
    let view = api.get("/api/datasets/frases").json();
    assert_eq!(view["refs"]["main"]["embeddings"], embedded["output_commit_id"], "{view}");
}

#[test]
fn a_hyper_parameter_that_is_not_known_is_refused_before_a_job_begins() {
    let relevo = Relevo::shipped();
    let api = relevo.api();
    assert!(api.put("/api/datasets/frases/tables/primary", sentences(500)).status.is_success());
    let refused = |more: Value, field: &str| {
        let problem = api.post("/api/v1/jobs/beto_finetune", &json!({ "initial_data": training(&more) })).refusal(422);
        assert_eq!(problem.details[0].field, format!("initial_data.{field}"), "{problem:?}");
    };

    refused(json!({ "dropout": 0.1 }), "dropout");
    refused(json!({ "label_col": "clase" }), "label_col");
    refused(json!({ "learning_rate": 3 }), "learning_rate");
}

#[test]
#[ignore = "slow: run by make proofs"]
fn a_training_whose_worker_is_killed_ends_with_the_same_model() {
    let relevo = Relevo::shipped();
    let mut first = Worker::start_with(&relevo, "first", ONE_THREAD);
    let api = relevo.api();
    assert!(api.put("/api/datasets/frases/tables/primary", sentences(20)).status.is_success());
    let train = || api.create("jobs/beto_finetune", &training(&json!({ "epochs": 6, "patience": 6 })));
    let weights = |result: &Value| {
        let uri = format!("{}/model.safetensors", result["model_uri"].as_str().expect("an address"));
        fs::read(relevo.object(&uri)).expect("the model is in S3")
    };
    let straight = train();
    let straight = api.wait_within(&straight, JobState::Completed, LONG).result.expect("it is completed");

    let broken = train();
    let checkpoints = relevo.object(straight["model_uri"].as_str().expect("an address"));
    let jobs = checkpoints.parent().and_then(|job| job.parent()).expect("a job's files lie in its folder");
    let folder = jobs.join(&broken).join("checkpoints");
    until("the first checkpoint", LONG, || fs::read_dir(&folder).ok()?.next().map(drop));
    first.process().sigkill();
    let _second = Worker::start_with(&relevo, "second", ONE_THREAD);

    let resumed = api.wait_within(&broken, JobState::Completed, LONG).result.expect("it is completed");
    assert!(resumed["resumed_after_epoch"].as_u64() >= Some(1), "{resumed}");
    assert!(weights(&straight) == weights(&resumed), "the weights differ");
}
