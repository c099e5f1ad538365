//! What is written of the drawn rows, and that nothing of the source is lost or made up.

use std::{fs::File, path::Path, sync::Arc};

use datafusion::arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, LargeStringArray, ListArray, StringArray},
    datatypes::Int32Type,
};
use proptest::prelude::*;
use relevo_worker::skills::sampling::{
    layout::Layout,
    round::{Ground, run},
    rows::RowSet,
    source::Cut,
    store::{write_residual, write_sample},
};
use serde_json::{Map, Value, json};

use crate::bench::{ONE, Table, request};

/// A table of every kind of column, in groups of so many rows.
fn table(rows: i64, group_rows: usize) -> Table {
    let text = |i: i64| (i % 5 != 2).then(|| format!("=SUM({i}); \"quoted\"\n{}", "x".repeat((i % 40) as usize)));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..rows).map(|i| (i % 3 != 0).then(|| (0..i % 4).map(|n| Some(n as i32)).collect::<Vec<_>>())),
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows))),
        ("text", Arc::new(StringArray::from_iter((0..rows).map(text)))),
        ("large", Arc::new(LargeStringArray::from_iter_values((0..rows).map(|i| format!("{}", i % 7))))),
        ("number", Arc::new(Float64Array::from_iter((0..rows).map(|i| (i % 6 != 0).then_some(i as f64 / 3.0))))),
        ("small", Arc::new(Int32Array::from_iter_values((0..rows).map(|i| (i % 100) as i32)))),
        ("flag", Arc::new(BooleanArray::from_iter((0..rows).map(|i| Some(i % 2 == 0))))),
        ("list", Arc::new(lists)),
    ];
    Table::new(columns, group_rows)
}

/// Rows of a table, as JSON.
type Rows = Vec<Map<String, Value>>;

fn json_of(path: &Path) -> Rows {
    let rows = relevo_tables::read_head(File::open(path).unwrap(), 100_000).unwrap();
    let rows = relevo_tables::json_rows(&rows).unwrap();
    rows.into_iter().map(|row| row.as_object().unwrap().clone()).collect()
}

/// The sample and the residual of a job.
fn files(table: &Table, job: &Value, cut: Cut) -> (Rows, Rows) {
    let request = request(job);
    let folder = tempfile::tempdir().unwrap();
    let (sample, residual) = (folder.path().join("sample"), folder.path().join("residual"));
    let layout = Layout::new(&request, table.local.schema()).unwrap();
    table.source(cut, |source| {
        let mut drawn = RowSet::none(source.units().len());
        let mut rounds = Vec::new();
        for (before, round) in (0..).zip(&request.rounds) {
            let rows = run(round, &Ground { source, drawn: &drawn, seed: 5, before }).unwrap().rows;
            drawn.unite(&rows);
            rounds.push((round.number, rows));
        }
        let rounds: Vec<_> = rounds.iter().map(|(number, rows)| (*number, rows)).collect();
        let written = write_sample(source, &rounds, &layout, &sample).unwrap();
        assert_eq!(written.rows, drawn.len());
        let written = write_residual(source, &drawn, &residual).unwrap();
        assert_eq!(written.rows, table.local.rows() - drawn.len());
    });
    (json_of(&sample), json_of(&residual))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sample_and_residual_are_the_source(
        rows in 1_i64..400,
        group_rows in 1_usize..300,
        unit_rows in 1_usize..300,
        batch_rows in 1_u64..100,
        threads in 1_usize..5,
        first in 1_u64..300,
        share in 0.01_f64..0.99,
        interval in 1_u64..40,
    ) {
        let table = table(rows, group_rows);
        let job = json!({ "rounds": [
            { "method": "random", "parameters": { "sample_size": first }, "filters": { "expression": "flag" } },
            { "method": "stratified", "parameters": { "strata_columns": "large", "sample_size": share } },
            { "method": "systematic", "parameters": { "interval": interval } },
        ] });

        let (sample, residual) = files(&table, &job, Cut { threads, unit_rows, batch_rows, ..ONE });

        let mut all: Vec<_> = sample.into_iter().map(|mut row| { row.remove("round_number"); row }).chain(residual).collect();
        all.sort_by_key(|row| row["id"].as_i64());
        prop_assert_eq!(all, json_of(&table.path()));
    }
}

#[test]
fn rows_stand_as_in_the_source_with_the_number_of_their_round() {
    let job = json!({ "rounds": [
        { "round_number": 10, "method": "custom", "parameters": { "query": "id IN (7, 2)" } },
        { "round_number": 20, "method": "custom", "parameters": { "query": "id IN (9, 7, 1)" } },
    ] });

    let (sample, residual) = files(&table(10, 4), &job, ONE);

    let told: Vec<_> = sample.iter().map(|row| (row["id"].clone(), row["round_number"].clone())).collect();
    assert_eq!(json!(told), json!([[1, 20], [2, 10], [7, 10], [9, 20]]));
    assert_eq!(sample[0].keys().next_back().unwrap(), "round_number");
    assert_eq!(residual.len(), 6);
    assert!(!residual[0].contains_key("round_number"));
    assert_eq!(sample[2]["text"], Value::Null);
    assert_eq!(sample[3]["text"], "=SUM(9); \"quoted\"\nxxxxxxxxx");
}

#[test]
fn only_the_columns_that_were_asked_for_are_stored_in_the_order_that_was_asked_for() {
    let job = json!({
        "rounds": [{ "method": "custom", "parameters": { "query": "id < 2" } }],
        "selection": { "columns": ["small", "id"] },
    });

    let (sample, _) = files(&table(10, 4), &job, ONE);

    assert_eq!(
        Value::from_iter(sample),
        json!([{ "small": 0, "id": 0, "round_number": 1 }, { "small": 1, "id": 1, "round_number": 1 }])
    );
}

#[test]
fn a_round_that_stores_fewer_columns_leaves_the_others_empty() {
    let job = json!({
        "rounds": [
            { "method": "custom", "parameters": { "query": "id = 1" } },
            { "method": "custom", "parameters": { "query": "id = 4" }, "selection": { "columns": ["small"] } },
        ],
        "selection": { "columns": ["id", "flag"] },
    });

    let (sample, _) = files(&table(10, 4), &job, ONE);

    assert_eq!(
        Value::from_iter(sample),
        json!([
            { "id": 1, "small": null, "flag": false, "round_number": 1 },
            { "id": null, "small": 4, "flag": null, "round_number": 2 },
        ])
    );
}

#[test]
fn a_column_that_is_not_there_is_told_by_its_field() {
    let table = table(3, 3);
    for (selection, field) in [
        (json!({ "columns": ["id", "idd"] }), "selection.columns: the table has no column \"idd\""),
        (json!({ "order_by": "idd" }), "selection.order_by: the table has no column \"idd\""),
    ] {
        let job =
            json!({ "rounds": [{ "method": "random", "parameters": { "sample_size": 1 } }], "selection": selection });

        assert_eq!(Layout::new(&request(&job), table.local.schema()).unwrap_err().to_string(), field);
    }
}
