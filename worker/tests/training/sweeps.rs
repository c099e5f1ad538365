//! Which trials a sweep makes, and what it refuses before any begins.

use serde_json::{Value, json};

use crate::{
    bench::Bench,
    moods::{moods, training},
    tables::of,
};

fn faults(error: relevo_worker::skills::SkillError) -> Vec<(String, String)> {
    match error {
        relevo_worker::skills::SkillError::InvalidInput { details, .. } => {
            details.into_iter().map(|detail| (detail.field, detail.reason)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_sweep_is_planned_as_parameters_of_trainings() {
    let bench = Bench::new().await;
    let base = of(&moods(&bench, "moods"), &training(&json!({ "epochs": 3, "lr": 1 })));
    let plan = json!({ "step": "plan", "base": base, "search": "random", "trials": 12, "seed": 7,
        "space": { "lr": { "min": 0.001, "max": 0.1, "scale": "log" }, "n_hidden": [8, 16] } });

    let planned = bench.run("train.sweep", &plan).await.unwrap();

    let trials = planned["trials"].as_array().unwrap();
    assert_eq!((trials.len(), &planned["count"]), (12, &json!(12)));
    assert_eq!((&trials[0]["output_name"], &trials[11]["output_name"]), (&json!("trial_01"), &json!("trial_12")));
    assert!(trials.iter().all(|trial| trial["epochs"] == 3 && trial["lr"].as_f64().unwrap() <= 0.1));
    assert_eq!(bench.run("train.sweep", &plan).await.unwrap(), planned);
    let wrong = bench.run("train.sweep", &json!({ "step": "plan", "space": { "colour": [1] } })).await.unwrap_err();
    assert!(wrong.to_string().contains("space.colour"), "{wrong}");
    assert!(bench.run("train.sweep", &json!({})).await.unwrap_err().to_string().contains("step"));
}

#[tokio::test]
async fn no_trial_is_planned_that_its_training_would_refuse() {
    let bench = Bench::new().await;
    let table = moods(&bench, "moods");
    for (more, space, field) in [
        (json!({}), json!({ "lr": ["a", 0.1] }), "space.lr"),
        (json!({}), json!({ "lr": { "min": 0.5, "max": 10.5 } }), "space.lr"),
        (json!({}), json!({ "n_hidden": { "min": 0, "max": 9 } }), "space.n_hidden"),
        (json!({}), json!({ "seed": { "min": 1, "max": 1e300 } }), "space.seed"),
        (json!({}), json!({ "n_hidden": [8, [8, 4]] }), "space.n_hidden"),
        (json!({ "epochs": "a" }), json!({ "lr": [0.1] }), "base.epochs"),
        (json!({ "colour": 1 }), json!({ "lr": [0.1] }), "base.colour"),
        (json!({ "output_name": "../x" }), json!({ "lr": [0.1] }), "base.output_name"),
    ] {
        let plan = json!({ "step": "plan", "base": of(&table, &training(&more)), "space": space,
            "search": "random", "trials": 3 });

        let refused = faults(bench.run("train.sweep", &plan).await.unwrap_err());

        let fields: Vec<&str> = refused.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, [field], "{refused:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_trial_is_told_once_with_its_value() {
    let bench = Bench::new().await;
    let plan = |prefix: &str, source: Value| json!({ "step": "plan", "base": source, "space": { "lr": [11, 0.1, 12] }, "output_prefix": prefix });
    let base = of(&moods(&bench, "moods"), &training(&json!({})));

    let refused = faults(bench.run("train.sweep", &plan("../x", base)).await.unwrap_err());
    let no_table = faults(bench.run("train.sweep", &plan("x", json!({}))).await.unwrap_err());

    let fields: Vec<&str> = refused.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["space.lr", "output_prefix"]);
    assert_eq!(refused[0].1, "must be a number above 0, at most 10; trial 1 has 11");
    assert!(no_table.iter().any(|(field, _)| field == "base.source"), "{no_table:?}");
}
