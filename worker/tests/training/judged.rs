//! What trainings are worth: audits and sweeps.

use datafusion::arrow::array::{Float64Array, StringArray};
use serde_json::json;

use crate::{
    bench::Bench,
    moods::{ROWS, field, mood_columns, moods, number, read, training},
    tables::{column, of},
};

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
async fn a_class_that_has_too_few_rows_for_any_audit_is_named() {
    let bench = Bench::new().await;
    let label = |row: usize| if row == 7 { "one" } else { "other" };
    let mut columns = mood_columns();
    columns.push(("rare", column(StringArray::from_iter_values((0..ROWS).map(label)))));
    let table = bench.table("rare", columns);

    let asked = training(&json!({ "target": "rare", "folds": 2 }));
    let (name, reason) = field(&bench.run("eval.audit", &of(&table, &asked)).await.unwrap_err());

    assert_eq!(name, "target");
    assert!(reason.contains("of \"one\" there is 1"), "{reason}");
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
