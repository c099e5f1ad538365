//! What cannot be learnt from or used, and how it is named.

use std::fs;

use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    moods::{ROWS, field, moods, training},
    tables::{column, of},
};

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
