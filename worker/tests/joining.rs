//! `data.unify` and `data.features` as a worker runs them: rows come together, and none is lost on the way.

#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod bench;
mod parquet;
mod s3;
mod tables;

use bench::Bench;
use datafusion::arrow::array::{Float64Array, Int64Array, StringArray};
use relevo_shared::dataset::TableRef;
use relevo_worker::skills::SkillError;
use serde_json::{Map, Value, json};
use tables::{column, of};

fn cells(rows: &[Map<String, Value>], name: &str) -> Value {
    rows.iter().map(|row| row.get(name).cloned().unwrap_or(json!("no such column"))).collect()
}

fn grades(bench: &Bench) -> TableRef {
    bench.table(
        "grades",
        vec![
            (
                "docente",
                column(StringArray::from(vec![Some("Ana"), Some("Luis"), Some("Ana"), None, Some("Ana"), None])),
            ),
            (
                "materia",
                column(StringArray::from(vec![Some("X"), Some("X"), Some("X"), Some("Y"), Some("Y"), Some("Y")])),
            ),
            ("calif_1", column(Float64Array::from(vec![Some(2.0), Some(1.0), Some(4.0), Some(5.0), None, None]))),
            ("calif_2", column(Int64Array::from(vec![10, 20, 30, 40, 50, 60]))),
        ],
    )
}

#[tokio::test]
async fn each_row_gets_the_figures_of_its_group_and_stays_where_it_was() {
    let bench = Bench::new().await;

    let result = bench.run("data.features", &of(&grades(&bench), &json!({}))).await.unwrap();

    assert_eq!((&result["rows"], &result["source_rows"], &result["groups"]), (&json!(6), &json!(6), &json!(4)));
    assert_eq!((&result["keys"], &result["columns"]), (&json!(["docente", "materia"]), &json!(["calif_1", "calif_2"])));
    let rows = bench.rows(&result["table"]["uri"]);
    assert_eq!(cells(&rows, "calif_2"), json!([10, 20, 30, 40, 50, 60]));
    assert_eq!(cells(&rows, "calif_1_mean"), json!([3.0, 1.0, 3.0, 5.0, null, 5.0]));
    let deviation = 2.0_f64.sqrt();
    assert_eq!(cells(&rows, "calif_1_std"), json!([deviation, null, deviation, null, null, null]));
    // Rows without a teacher are a group of their own.
    assert_eq!(cells(&rows, "group_rows"), json!([2, 1, 2, 2, 1, 2]));
    assert_eq!(cells(&rows, "calif_2_mean"), json!([20.0, 20.0, 20.0, 50.0, 50.0, 50.0]));
}

#[tokio::test]
async fn groups_can_be_rows_themselves() {
    let bench = Bench::new().await;
    let more = json!({ "keys": ["materia"], "columns": ["calif_2"], "aggregates": ["min", "max", "count"], "level": "groups" });

    let result = bench.run("data.features", &of(&grades(&bench), &more)).await.unwrap();

    let rows = bench.rows(&result["table"]["uri"]);
    assert_eq!((cells(&rows, "materia"), cells(&rows, "group_rows")), (json!(["X", "Y"]), json!([3, 3])));
    assert_eq!((cells(&rows, "calif_2_min"), cells(&rows, "calif_2_max")), (json!([10.0, 40.0]), json!([30.0, 60.0])));
    assert_eq!(cells(&rows, "calif_2_count"), json!([3, 3]));
}

#[tokio::test]
async fn what_cannot_be_aggregated_is_named() {
    let bench = Bench::new().await;
    let table = grades(&bench);
    let field = async |more: Value| match bench.run("data.features", &of(&table, &more)).await.unwrap_err() {
        SkillError::InvalidInput { details, .. } => details[0].field.clone(),
        other => panic!("{other:?}"),
    };

    assert_eq!(field(json!({ "keys": ["curso"] })).await, "keys");
    assert_eq!(field(json!({ "columns": ["docente"] })).await, "columns");
    assert_eq!(field(json!({ "columns": ["feat_t_*"] })).await, "columns");
    assert_eq!(field(json!({ "aggregates": ["median"] })).await, "aggregates");
    assert_eq!(field(json!({ "colour": 1 })).await, "colour");
}

#[tokio::test]
async fn columns_that_are_all_keys_are_told_as_such() {
    let bench = Bench::new().await;
    let asked = json!({ "keys": ["calif_1"], "columns": ["calif_1"], "level": "groups" });

    let error = bench.run("data.features", &of(&grades(&bench), &asked)).await.unwrap_err();

    assert_eq!(error.to_string(), "columns: must name a column of numbers beside the keys, which are calif_1");
}

#[tokio::test]
async fn a_figure_beyond_all_numbers_is_not_committed() {
    let bench = Bench::new().await;
    let keys = column(StringArray::from(vec!["a", "a", "b"]));
    let table = bench.table(
        "large",
        vec![
            ("materia", keys),
            ("calif_1", column(Float64Array::from(vec![1.0, 2.0, 3.0]))),
            ("calif_2", column(Float64Array::from(vec![1.7e308, 1.7e308, 3.0]))),
            ("calif_3", column(Float64Array::from(vec![1.7e308, -1.7e308, 3.0]))),
        ],
    );
    for (name, figure, level) in [("calif_2", "mean", "rows"), ("calif_3", "std", "groups")] {
        let asked =
            json!({ "keys": ["materia"], "columns": ["calif_1", name], "aggregates": [figure], "level": level });

        let error = bench.run("data.features", &of(&table, &asked)).await.unwrap_err();

        assert_eq!(error.code(), "INVALID_INPUT");
        let told = format!("columns: column {name:?} has a group whose {figure} is no finite number");
        assert!(error.to_string().starts_with(&told), "{error}");
    }
    let asked = json!({ "keys": ["materia"], "aggregates": ["min", "max", "count"] });
    assert!(bench.run("data.features", &of(&table, &asked)).await.is_ok());
}

#[tokio::test]
async fn periods_are_appended_with_the_columns_of_all() {
    let bench = Bench::new().await;
    let first = bench.table(
        "p1",
        vec![("id", column(Int64Array::from(vec![2, 1]))), ("nota", column(Int64Array::from(vec![3, 4])))],
    );
    let second = bench.table(
        "p2",
        vec![
            ("nota", column(Float64Array::from(vec![Some(4.5), None]))),
            ("id", column(StringArray::from(vec!["a", "b"]))),
            ("comentario", column(StringArray::from(vec![Some("bien"), None]))),
        ],
    );
    let more =
        json!({ "sources": [second, first], "label_column": "periodo", "labels": ["2024-1", "2024-2", "2025-1"] });

    let result = bench.run("data.unify", &of(&first, &more)).await.unwrap();

    assert_eq!((&result["rows"], &result["source_rows"]), (&json!(6), &json!([2, 2, 2])));
    let rows = bench.rows(&result["table"]["uri"]);
    assert_eq!(cells(&rows, "id"), json!(["2", "1", "a", "b", "2", "1"]));
    assert_eq!(cells(&rows, "nota"), json!([3.0, 4.0, 4.5, null, 3.0, 4.0]));
    assert_eq!(cells(&rows, "comentario"), json!([null, null, "bien", null, null, null]));
    assert_eq!(cells(&rows, "periodo"), json!(["2024-1", "2024-1", "2024-2", "2024-2", "2025-1", "2025-1"]));
}

#[tokio::test]
async fn rows_without_a_counterpart_stay_when_tables_are_joined() {
    let bench = Bench::new().await;
    let left = bench.table(
        "left",
        vec![
            ("id", column(Int64Array::from(vec![Some(3), Some(1), None, Some(2)]))),
            ("nota", column(Int64Array::from(vec![30, 10, 0, 20]))),
        ],
    );
    let right = bench.table(
        "right",
        vec![
            ("nota", column(Int64Array::from(vec![200, 400, 0]))),
            ("id", column(Int64Array::from(vec![Some(2), Some(4), None]))),
            ("texto", column(StringArray::from(vec!["dos", "cuatro", "nada"]))),
        ],
    );

    let more = json!({ "sources": [right], "mode": "join", "keys": ["id"] });
    let result = bench.run("data.unify", &of(&left, &more)).await.unwrap();

    let rows = bench.rows(&result["table"]["uri"]);
    // The left rows in their order, then what only the right has; a missing key is equal to no other.
    assert_eq!(cells(&rows, "id"), json!([3, 1, null, 2, 4, null]));
    assert_eq!(cells(&rows, "nota"), json!([30, 10, 0, 20, null, null]));
    assert_eq!(cells(&rows, "nota_2"), json!([null, null, null, 200, 400, 0]));
    assert_eq!(cells(&rows, "texto"), json!([null, null, null, "dos", "cuatro", "nada"]));
}

#[tokio::test]
async fn what_cannot_be_brought_together_is_named() {
    let bench = Bench::new().await;
    let table = grades(&bench);
    let field = async |more: Value| match bench.run("data.unify", &of(&table, &more)).await.unwrap_err() {
        SkillError::InvalidInput { details, .. } => details[0].field.clone(),
        other => panic!("{other:?}"),
    };

    assert_eq!(field(json!({ "mode": "join" })).await, "keys");
    assert_eq!(field(json!({ "mode": "join", "keys": ["id"] })).await, "keys");
    assert_eq!(field(json!({ "keys": ["docente"] })).await, "keys");
    assert_eq!(field(json!({ "labels": ["a", "b"] })).await, "labels");
    assert_eq!(field(json!({ "sources": [1] })).await, "sources");
}
