//! Trainings that come to their end, and their models in use.

use serde_json::{Map, json};

use crate::{
    bench::Bench,
    moods::{ROWS, moods, number, read, training},
    tables::of,
};

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
