//! Trainings that do not come to their end: abandoned and taken up again, run away, cancelled.

use std::{fs, path::PathBuf, time::Duration};

use relevo_shared::worker::Task;
use relevo_worker::{cancel::StopReason, skills::SkillError};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    moods::{field, moods, read, timeless, training},
    tables::of,
};

/// The checkpoints of a task; one that is still being written has a name that begins with a full stop.
fn checkpoints(bench: &Bench, task: &Task) -> Vec<PathBuf> {
    let folder = bench.object(&format!("s3://data/jobs/{}/checkpoints", task.job_id));
    let files = fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path());
    files.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.')).collect()
}

/// Runs a task until its first checkpoint is there, and stops it.
async fn abandoned(bench: &Bench, task: &Task) {
    let context = bench.context(task);
    let stopping = async {
        while checkpoints(bench, task).is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        context.stop(StopReason::LeaseLost);
    };
    let (ended, ()) = tokio::join!(bench.run_in(task, &context), stopping);
    assert_eq!(ended.unwrap_err(), SkillError::Cancelled);
}

#[tokio::test]
async fn a_run_that_was_abandoned_ends_as_if_it_had_not_been() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");
    for more in [
        json!({ "epochs": 40, "sampler": "pcd", "n_chains": 30, "momentum_final": 0.8, "patience": 30 }),
        json!({ "epochs": 20, "model": "dbm", "n_hidden": [12, 6], "n_chains": 30 }),
    ] {
        let params = of(&table, &training(&more));
        let whole = bench.run("rbm.train", &params).await.unwrap();
        let task = Bench::task("rbm.train", &params);

        abandoned(&bench, &task).await;
        let resumed = bench.run_in(&task, &bench.context(&task)).await.unwrap();

        assert_eq!(whole["resumed_after_epoch"], Value::Null);
        assert!(resumed["resumed_after_epoch"].as_u64().unwrap() >= 1, "it began anew");
        assert_eq!(resumed["content_hash"], whole["content_hash"], "{more}");
        assert_eq!((&resumed["metrics"], &resumed["kept_epoch"]), (&whole["metrics"], &whole["kept_epoch"]));
        let [a, b] = [&whole, &resumed].map(|result| timeless(&read(&bench, &result["artefacts"]["history.json"])));
        assert_eq!(a, b);
    }
}

/// Puts the checkpoint of another task where that of a task lies.
async fn replace_checkpoint(bench: &Bench, task: &Task, other: &Task) {
    let place = checkpoints(bench, task)[0].strip_prefix(bench.s3.root.path()).unwrap().to_owned();
    let from = &checkpoints(bench, other)[0];
    bench.context(task).upload(from, &format!("s3://{}", place.display())).await.unwrap();
}

#[tokio::test]
async fn a_checkpoint_of_another_training_is_refused() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");
    let [mine, other] =
        [0.1, 0.2].map(|lr| Bench::task("rbm.train", &of(&table, &training(&json!({ "lr": lr, "epochs": 300 })))));
    for task in [&mine, &other] {
        abandoned(&bench, task).await;
    }
    replace_checkpoint(&bench, &mine, &other).await;

    let error = bench.run_in(&mine, &bench.context(&mine)).await.unwrap_err();

    assert!(
        matches!(&error, SkillError::Permanent(reason) if reason.contains("differs in its settings;")),
        "{error:?}"
    );
}

/// The number that follows these words.
fn number_after(text: &str, words: &str) -> u64 {
    let rest = text.split(words).nth(1).unwrap_or_else(|| panic!("{words:?} is not in {text:?}"));
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_training_that_runs_away_keeps_its_last_good_checkpoint() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");
    // Persistent chains of Gaussian units feed what they grow by back into the weights.
    let more = json!({ "visible": "gaussian", "lr": 2.0, "sampler": "pcd", "cd_k": 5, "epochs": 500, "head": "none", "target": null,
        "split": "random", "momentum": 0.9 });
    let task = Bench::task("rbm.train", &of(&table, &training(&more)));

    let error = bench.run_in(&task, &bench.context(&task)).await.unwrap_err();

    let (name, reason) = field(&error);
    assert!(name == "lr" && reason.contains("a smaller learning rate than 2 would be right"), "{error}");
    let epoch = number_after(&reason, "ran away in epoch ");
    assert!(reason.ends_with(&format!("the checkpoint of epoch {} stays", epoch - 1)), "{error}");
    let kept = checkpoints(&bench, &task);
    assert_eq!(kept.len(), 1, "it ran away before anything was kept");
    for file in kept {
        let bytes = fs::read(file).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let weights = tensors.tensor("trainer.weight.0").unwrap();
        let finite =
            weights.data().chunks_exact(4).all(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).is_finite());
        assert!(finite, "the checkpoint holds what had run away");
    }
}

#[tokio::test]
async fn a_training_that_is_cancelled_ends_within_a_batch() {
    let bench = Bench::new().await;
    let more = json!({ "epochs": 500, "n_hidden": 256, "batch_size": 8 });
    let task = Bench::task("rbm.train", &of(&moods(&bench, "moods"), &training(&more)));
    let context = bench.context(&task);
    let cancelling = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        context.stop(StopReason::Cancelled);
        std::time::Instant::now()
    };

    let (ended, asked_at) = tokio::join!(bench.run_in(&task, &context), cancelling);

    assert_eq!(ended, Err(SkillError::Cancelled));
    assert!(asked_at.elapsed() < Duration::from_secs(2), "{:?}", asked_at.elapsed());
}

#[tokio::test]
async fn an_audit_goes_on_after_its_folds_that_are_done_and_after_no_others() {
    let bench = Bench::new().await;
    let tables = ["moods", "others"].map(|name| moods(&bench, name));
    let [mine, other] =
        tables.map(|table| Bench::task("eval.audit", &of(&table, &training(&json!({ "epochs": 30, "folds": 4 })))));
    for task in [&mine, &other] {
        abandoned(&bench, task).await;
    }

    let resumed = bench.run_in(&mine, &bench.context(&mine)).await.unwrap();
    replace_checkpoint(&bench, &mine, &other).await;
    let error = bench.run_in(&mine, &bench.context(&mine)).await.unwrap_err();

    assert_eq!(resumed["per_fold"].as_array().unwrap().len(), 4);
    assert!(matches!(&error, SkillError::Permanent(reason) if reason.contains("differs in its table;")), "{error:?}");
}
