//! `rbm.train` and what uses its models, as a worker runs them: from a table in S3 to artefacts, predictions and an audit.
#![cfg(feature = "torch")]
#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod bench;
mod parquet;
mod s3;
mod tables;

use std::{fs, path::PathBuf, time::Duration};

use bench::Bench;
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use fastrand::Rng;
use relevo_shared::{dataset::TableRef, worker::Task};
use relevo_worker::{cancel::StopReason, skills::SkillError};
use serde_json::{Map, Value, json};
use tables::{column, of};

const ROWS: usize = 300;

/// Three moods, each with grades of its own around which the rows lie; one grade says nothing, and some are missing.
fn moods(bench: &Bench, key: &str) -> TableRef {
    bench.table(key, mood_columns())
}

fn mood_columns() -> Vec<(&'static str, ArrayRef)> {
    const LEVELS: [[f64; 4]; 3] = [[1.0, 1.5, 2.0, 4.0], [3.0, 3.0, 2.5, 2.0], [4.5, 4.0, 4.5, 3.5]];
    let mut rng = Rng::with_seed(5);
    let class: Vec<usize> = (0..ROWS).map(|_| rng.usize(..3)).collect();
    let grade = |place: usize, rng: &mut Rng| -> Float64Array {
        let noisy = |class: &usize| LEVELS[*class][place] + 1.6 * (rng.f64() + rng.f64() - 1.0);
        class.iter().map(noisy).map(|grade| (grade > 0.2).then_some(grade)).collect()
    };
    let grades: Vec<Float64Array> = (0..4).map(|place| grade(place, &mut rng)).collect();
    let noise: Float64Array = (0..ROWS).map(|_| Some(rng.f64())).collect();
    let constant = Float64Array::from(vec![7.0; ROWS]);
    let labels = class.iter().map(|class| ["neg", "neu", "pos"][*class]);
    let score: Float64Array = class.iter().map(|class| Some(10.0 * LEVELS[*class][0] + rng.f64())).collect();
    let mut columns: Vec<(&'static str, ArrayRef)> = vec![("id", column(Int64Array::from_iter_values(0..ROWS as i64)))];
    let names = ["calif_1", "calif_2", "calif_3", "calif_4"];
    columns.extend(names.into_iter().zip(grades.into_iter().map(column)));
    columns.push(("calif_5", column(noise)));
    columns.push(("calif_6", column(constant)));
    columns.push(("mood", column(StringArray::from_iter_values(labels))));
    columns.push(("score", column(score)));
    columns
}

/// A training that takes a second.
fn training(more: &Value) -> Value {
    let mut training = json!({ "n_hidden": 16, "epochs": 8, "batch_size": 32, "lr": 0.1, "head": "classifier", "target": "mood",
        "split": "stratified", "checkpoint_seconds": 0 });
    training.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    training
}

fn read(bench: &Bench, uri: &Value) -> Value {
    serde_json::from_slice(&fs::read(bench.object(uri.as_str().unwrap())).unwrap()).unwrap()
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} in {value}"))
}

/// The epochs without what a clock decides.
fn timeless(history: &Value) -> Vec<Value> {
    let epochs = history["epochs"].as_array().unwrap();
    let timeless = epochs.iter().map(|epoch| {
        let mut epoch = epoch.clone();
        epoch.as_object_mut().unwrap().remove("seconds");
        epoch
    });
    timeless.collect()
}

fn field(error: &SkillError) -> (String, String) {
    let SkillError::InvalidInput { details, .. } = error else { panic!("not an invalid input: {error:?}") };
    (details[0].field.clone(), details[0].reason.clone())
}

#[tokio::test]
async fn a_table_becomes_a_model_that_tells_classes_it_has_not_seen() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");

    let result = bench.run("rbm.train", &of(&table, &training(&json!({})))).await.unwrap();

    let metrics = &result["metrics"];
    assert!(number(metrics, "accuracy") > number(metrics, "majority_baseline") + 0.25, "{metrics}");
    assert_eq!((&metrics["degenerate"], &result["labels"]), (&json!(false), &json!(["neg", "neu", "pos"])));
    assert_eq!(result["columns"], json!(["calif_1", "calif_2", "calif_3", "calif_4", "calif_5"]));
    assert_eq!(result["dropped_columns"], json!([{ "name": "calif_6", "reason": "constant" }]));
    let judged = result["rows"]["validation"].as_u64().unwrap();
    assert_eq!((result["rows"]["train"].as_u64().unwrap() + judged, &result["seed"]), (ROWS as u64, &json!(42)));
    assert!((58..=62).contains(&judged), "{judged}");
    let counts: Vec<Vec<u64>> = serde_json::from_value(result["confusion_matrix"]["counts"].clone()).unwrap();
    assert_eq!(counts.iter().flatten().sum::<u64>(), judged);
    assert_eq!(result["log_likelihood"]["method"], "exact");
    for name in [
        "model.safetensors",
        "config.json",
        "preprocess.json",
        "history.json",
        "metrics.json",
        "learning_curves.svg",
        "confusion_matrix.svg",
    ] {
        let uri = result["artefacts"][name].as_str().unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(uri, format!("{}/{name}", result["model_uri"].as_str().unwrap()));
        assert!(bench.object(uri).metadata().unwrap().len() > 50, "{name} is empty");
    }
    let history = read(&bench, &result["artefacts"]["history.json"]);
    let epochs = history["epochs"].as_array().unwrap();
    assert_eq!(epochs.len(), 8);
    let (first, last) = (&epochs[0]["figures"], &epochs[7]["figures"]);
    assert!(number(last, "train_reconstruction_error") < number(first, "train_reconstruction_error"), "{first} {last}");
    for name in [
        "pseudo_log_likelihood",
        "free_energy_gap",
        "gradient_norm",
        "weight_mean",
        "weight_std",
        "weight_max",
        "loss",
        "train_loss",
        "accuracy",
        "macro_f1",
    ] {
        number(last, name);
    }
}

#[tokio::test]
async fn a_model_is_used_by_its_address_and_has_the_same_hash_there() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");
    let trained = bench.run("rbm.train", &of(&table, &training(&json!({})))).await.unwrap();
    let model = json!({ "model": trained["model_uri"] });

    let predicted = bench.run("rbm.predict", &of(&table, &model)).await.unwrap();
    let more = json!({ "model": trained["model_uri"], "keep": ["id"] });
    let hidden = bench.run("rbm.transform", &of(&table, &more)).await.unwrap();

    assert_eq!(predicted["model"]["content_hash"], trained["content_hash"]);
    let rows = bench.rows(&predicted["output_uri"]);
    assert_eq!((rows.len(), &rows[7]["id"], rows[0].len()), (ROWS, &json!(7), 9 + 4));
    let mut hits = 0;
    for row in &rows {
        let p = ["p_neg", "p_neu", "p_pos"].map(|name| row[name].as_f64().unwrap());
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{row:?}");
        let best = (0..3).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap();
        assert_eq!(row["prediction"], ["neg", "neu", "pos"][best]);
        hits += usize::from(row["prediction"] == row["mood"]);
    }
    assert!((number(&predicted["metrics"], "accuracy") - hits as f64 / ROWS as f64).abs() < 1e-12);
    let rows = bench.rows(&hidden["output_uri"]);
    assert_eq!((rows.len(), rows[0].len(), &hidden["hidden_units"]), (ROWS, 17, &json!(16)));
    assert!(rows.iter().flat_map(Map::values).skip(1).all(|value| value.is_number()));
    assert!((1..=16).all(|unit| (0.0..=1.0).contains(&rows[3][&format!("h_{unit}")].as_f64().unwrap())));
}

#[tokio::test]
async fn every_family_and_head_learns() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");
    for more in [
        json!({ "model": "rbm", "visible": "gaussian", "lr": 0.01, "sampler": "pcd", "momentum_final": 0.9 }),
        json!({ "model": "bm", "lr": 0.02, "n_chains": 20 }),
        json!({ "model": "dbm", "n_hidden": [16, 8], "lr": 0.05, "n_chains": 50, "sparsity_target": 0.1, "sparsity_cost": 0.01 }),
        json!({ "target": "score", "head": "regressor", "patience": 3, "weight_decay": 0.0001 }),
        json!({ "target": null, "head": "none", "split": "random" }),
    ] {
        let result = bench.run("rbm.train", &of(&table, &training(&more))).await.unwrap();

        let (metrics, history) = (&result["metrics"], read(&bench, &result["artefacts"]["history.json"]));
        assert!(number(metrics, "log_likelihood").is_finite(), "{more}");
        match more["target"].as_str() {
            Some("score") => {
                assert!(number(metrics, "r2") > 0.4, "{metrics}");
                assert!(number(metrics, "rmse") < number(metrics, "baseline_rmse"));
            }
            _ if more.get("head") == Some(&json!("none")) => {
                assert_eq!((metrics.get("accuracy"), result["artefacts"].get("confusion_matrix.svg")), (None, None));
            }
            _ => assert!(number(metrics, "accuracy") > number(metrics, "majority_baseline") + 0.1, "{more}: {metrics}"),
        }
        if more["model"] == "dbm" {
            let phases: Vec<&str> =
                history["epochs"].as_array().unwrap().iter().map(|epoch| epoch["phase"].as_str().unwrap()).collect();
            assert_eq!((phases.len(), phases[0] == phases[23]), (24, false), "{phases:?}");
        }
    }
}

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
async fn patience_ends_a_run_and_keeps_its_best_epoch() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");
    let more = json!({ "epochs": 200, "patience": 3, "head": "none", "target": null, "split": "random", "lr": 0.5 });

    let result = bench.run("rbm.train", &of(&table, &training(&more))).await.unwrap();

    let history = read(&bench, &result["artefacts"]["history.json"]);
    let errors: Vec<f64> = history["epochs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|epoch| number(&epoch["figures"], "validation_reconstruction_error"))
        .collect();
    let best = (0..errors.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap();
    assert_eq!((&result["stopped_early"], &result["kept_epoch"]), (&json!(true), &json!(best + 1)));
    assert_eq!(errors.len(), best + 1 + 3);
    assert_eq!(number(&result["metrics"], "validation_reconstruction_error"), errors[best]);
}

#[tokio::test]
async fn tables_that_nothing_can_be_learnt_from_are_refused_with_the_reason() {
    let bench = Bench::new().await;
    let numbers = |value: f64| {
        column(Float64Array::from_iter_values((0..ROWS).map(|row| if row == 3 { value } else { row as f64 })))
    };
    let texts = |text: Option<&str>| column(StringArray::from_iter((0..ROWS).map(|_| text)));
    let table = bench.table(
        "odd",
        vec![
            ("calif_1", numbers(1.0)),
            ("infinite", numbers(f64::INFINITY)),
            ("nan", numbers(f64::NAN)),
            ("constant", column(Float64Array::from(vec![1.0; ROWS]))),
            ("one", texts(Some("a"))),
            ("none", texts(None)),
            ("many", column(StringArray::from_iter_values((0..ROWS).map(|row| row.to_string())))),
            ("year", column(Int64Array::from_iter((0..ROWS).map(|row| (row > 0).then_some(2000))))),
        ],
    );
    let refused = async |more: Value| {
        let mut params = json!({ "batch_size": 16, "epochs": 1 });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        field(&bench.run("rbm.train", &of(&table, &params)).await.unwrap_err())
    };
    for (more, name, words) in [
        (json!({ "columns": ["infinite"] }), "columns", "holds inf in row 4"),
        (json!({ "columns": ["nan"] }), "columns", "holds NaN in row 4"),
        (json!({ "columns": ["constant"] }), "columns", "column that varies"),
        (json!({ "columns": ["one"] }), "columns", "must hold numbers"),
        (json!({ "columns": ["feat_*"] }), "columns", "has no column"),
        (json!({ "columns": ["calif_1"], "target": "calif_1", "head": "regressor" }), "columns", "which is the target"),
        (json!({ "target": "one", "head": "classifier" }), "target", "one class only"),
        (json!({ "target": "none", "head": "classifier" }), "target", "no label"),
        (json!({ "target": "many", "head": "classifier" }), "target", "300 different values"),
        (json!({ "target": "one", "head": "regressor" }), "target", "must hold numbers"),
        (json!({ "target": "constant", "head": "regressor" }), "target", "nothing to learn"),
        (json!({ "batch_size": 241 }), "batch_size", "at most 240"),
        (json!({ "split": "temporal" }), "time_column", "1 rows have no value"),
    ] {
        let (found, reason) = refused(more.clone()).await;
        assert_eq!(found, name, "{more}: {reason}");
        assert!(reason.contains(words), "{more}: {reason}");
    }
}

#[tokio::test]
async fn a_model_and_a_table_that_do_not_fit_are_told_apart() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");
    let headless = training(&json!({ "head": "none", "target": null, "split": "random", "epochs": 1 }));
    let trained = bench.run("rbm.train", &of(&table, &headless)).await.unwrap();
    let narrow = bench.table("narrow", vec![("calif_1", column(Float64Array::from(vec![1.0, 2.0])))]);
    let model = json!({ "model": trained["model_uri"] });

    let lacking = field(&bench.run("rbm.transform", &of(&narrow, &model)).await.unwrap_err());
    let no_head = field(&bench.run("rbm.predict", &of(&table, &model)).await.unwrap_err());

    assert_eq!(lacking.0, "source");
    assert!(lacking.1.contains("calif_2, calif_3, calif_4, calif_5"), "{}", lacking.1);
    assert!(no_head.0 == "model" && no_head.1.contains("without a head"), "{no_head:?}");
    // Another kind of model, and one whose tensors are not those of its configuration.
    let uri = |name: &str| format!("s3://data/models/{name}");
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/beto");
    for (name, change) in [("bert", ""), ("wide", "config.json")] {
        let folder = bench.object(&uri(name));
        fs::create_dir_all(&folder).unwrap();
        if change.is_empty() {
            fs::copy(golden.join("config.json"), folder.join("config.json")).unwrap();
            fs::copy(golden.join("model.safetensors"), folder.join("model.safetensors")).unwrap();
            continue;
        }
        for file in ["model.safetensors", "preprocess.json", "config.json"] {
            fs::copy(bench.object(trained["artefacts"][file].as_str().unwrap()), folder.join(file)).unwrap();
        }
        let config = fs::read_to_string(folder.join("config.json")).unwrap();
        let wider = config.replace("16\n", "17\n");
        assert_ne!(wider, config);
        fs::write(folder.join("config.json"), wider).unwrap();
    }
    let bert = field(&bench.run("rbm.transform", &of(&table, &json!({ "model": uri("bert") }))).await.unwrap_err());
    let wide = field(&bench.run("rbm.transform", &of(&table, &json!({ "model": uri("wide") }))).await.unwrap_err());
    assert!(bert.1.contains("of the type bert") && bert.1.contains("relevo-boltzmann"), "{}", bert.1);
    assert!(wide.0 == "model" && wide.1.contains("[17]") && wide.1.contains("[16]"), "{}", wide.1);
}

#[tokio::test]
async fn an_audit_says_whether_a_training_beats_saying_always_the_same() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");

    let good = bench.run("eval.audit", &of(&table, &training(&json!({})))).await.unwrap();
    let more = json!({ "columns": ["calif_5"], "folds": 3 });
    let idle = bench.run("eval.audit", &of(&table, &training(&more))).await.unwrap();

    let summary = &good["summary"];
    assert_eq!((&summary["beats_baseline"], good["per_fold"].as_array().unwrap().len()), (&json!(true), 5));
    for name in ["accuracy", "macro_f1", "roc_auc", "precision", "recall", "mcc", "majority_baseline"] {
        assert!(number(&summary[name], "mean").is_finite() && number(&summary[name], "std") >= 0.0, "{name}");
    }
    assert!(number(&summary["roc_auc"], "mean") > 0.8, "{summary}");
    let judged: f64 = good["per_fold"].as_array().unwrap().iter().map(|fold| number(fold, "judged_rows")).sum();
    assert_eq!(judged, ROWS as f64);
    assert_eq!(read(&bench, &good["report_uri"])["summary"], good["summary"]);
    assert_eq!((&idle["summary"]["beats_baseline"], &idle["folds"]), (&json!(false), &json!(3)));
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

#[tokio::test]
async fn an_audit_refuses_features_that_were_made_from_the_target() {
    let bench = Bench::new().await;
    let mut columns = mood_columns();
    let moods = columns.iter().find(|(name, _)| *name == "mood").unwrap().1.clone();
    let moods = moods.as_any().downcast_ref::<StringArray>().unwrap().clone();
    let code: Float64Array = moods
        .iter()
        .map(|mood| Some(["pos", "neg", "neu"].iter().position(|known| Some(*known) == mood)? as f64))
        .collect();
    columns.push(("p_code", column(code)));
    let table = bench.table("leaking", columns);

    let (name, reason) = field(&bench.run("eval.audit", &of(&table, &training(&json!({})))).await.unwrap_err());
    let label = json!({ "columns": ["score", "calif_1"], "target": "score", "head": "regressor" });
    let (label, _) = field(&bench.run("eval.audit", &of(&table, &training(&label))).await.unwrap_err());

    assert_eq!((name.as_str(), label.as_str()), ("columns", "columns"));
    assert!(reason.contains("p_code") && !reason.contains("calif_1"), "{reason}");
}

#[tokio::test]
async fn a_sweep_finds_the_trial_that_learnt_most() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");
    let plan = json!({ "step": "plan", "base": of(&table, &training(&json!({ "epochs": 3 }))), "space": { "lr": [0.00001, 0.1], "n_hidden": [2, 16] } });
    let planned = bench.run("train.sweep", &plan).await.unwrap();
    let mut results = Vec::new();
    for trial in planned["trials"].as_array().unwrap() {
        results.push(bench.run("rbm.train", trial).await.unwrap());
    }

    let ranked = bench
        .run("train.sweep", &json!({ "step": "rank", "results": results, "metric": "macro_f1", "planned": 4 }))
        .await
        .unwrap();

    let values: Vec<f64> = ranked["ranking"].as_array().unwrap().iter().map(|trial| number(trial, "value")).collect();
    assert!(values.len() == 4 && values.is_sorted_by(|a, b| a >= b), "{values:?}");
    let best = results.iter().find(|result| result["model_uri"] == ranked["best"]["model_uri"]).unwrap();
    assert_eq!(best["metrics"]["macro_f1"], ranked["best"]["value"]);
    assert_eq!(ranked["failed"], 0);
}
