//! What cannot be learnt from or used, and how it is named.

use std::fs;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    moods::{ROWS, field, mood_columns, moods, training},
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
            ("huge", numbers(-1e200)),
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
        (json!({ "target": "huge", "head": "regressor", "columns": ["calif_1"] }), "target", "row 4 does not"),
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

/// The moods with another column in place of the one of that name.
fn with(name: &'static str, values: ArrayRef) -> Vec<(&'static str, ArrayRef)> {
    let mut columns = mood_columns();
    let place = columns.iter().position(|(known, _)| *known == name).expect("the table has it");
    columns[place].1 = values;
    columns
}

#[tokio::test]
async fn a_value_that_no_unit_can_take_is_refused_with_its_place_when_a_model_is_used() {
    let bench = Bench::new().await;
    let gaussian = training(&json!({ "visible": "gaussian", "lr": 0.01, "epochs": 2 }));
    let trained = bench.run("rbm.train", &of(&moods(&bench, "moods"), &gaussian)).await.unwrap();
    let outlier = Float64Array::from_iter_values((0..ROWS).map(|row| if row == 250 { -1e300 } else { 3.0 }));
    let table = bench.table("outlier", with("calif_3", column(outlier)));

    for skill in ["rbm.predict", "rbm.transform"] {
        let (name, reason) =
            field(&bench.run(skill, &of(&table, &json!({ "model": trained["model_uri"] }))).await.unwrap_err());

        assert_eq!(name, "source");
        assert!(reason.starts_with("column \"calif_3\" holds -1e300 in row 251,"), "{reason}");
    }
}

#[tokio::test]
async fn a_column_that_one_text_made_one_of_texts_is_told_among_the_dropped_ones() {
    let bench = Bench::new().await;
    let texts = StringArray::from_iter_values((0..ROWS).map(|row| if row == 9 { "hola" } else { "3" }));
    let table = bench.table("texts", with("calif_3", column(texts)));

    let trained = bench.run("rbm.train", &of(&table, &training(&json!({ "epochs": 1 })))).await.unwrap();

    let dropped = json!([{ "name": "calif_6", "reason": "constant" }, { "name": "calif_3", "reason": "text" }]);
    assert_eq!(trained["dropped_columns"], dropped);
}

#[tokio::test]
async fn a_column_without_any_value_is_filled_and_a_class_is_one_as_integer_or_not() {
    let bench = Bench::new().await;
    let class = |row: usize| i64::from(row.is_multiple_of(3));
    let integers = with("mood", column(Int64Array::from_iter_values((0..ROWS).map(class))));
    let trained = bench
        .run("rbm.train", &of(&bench.table("integers", integers), &training(&json!({ "epochs": 1 }))))
        .await
        .unwrap();
    assert_eq!(trained["labels"], json!(["0", "1"]));

    let mut floats = with("mood", column(Float64Array::from_iter_values((0..ROWS).map(|row| class(row) as f64))));
    floats[3].1 = column(StringArray::from_iter((0..ROWS).map(|_| None::<&str>)));
    let table = bench.table("floats", floats);
    let predicted = bench.run("rbm.predict", &of(&table, &json!({ "model": trained["model_uri"] }))).await.unwrap();

    assert_eq!(predicted["metrics"]["judged_rows"], ROWS);
}

#[tokio::test]
async fn a_target_of_many_numbers_is_kept_in_proportion_without_a_head_too() {
    let bench = Bench::new().await;
    let more = json!({ "target": "score", "head": "none", "epochs": 1 });

    let trained = bench.run("rbm.train", &of(&moods(&bench, "moods"), &training(&more))).await.unwrap();

    assert_eq!(trained["rows"]["validation"], 60);
}
