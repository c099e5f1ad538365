//! Nothing but the seed decides: not threads, nor units, nor batches, nor how the file is laid out.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use proptest::prelude::*;
use relevo_worker::skills::sampling::source::Cut;
use serde_json::{Value, json};

use crate::bench::{ONE, Table, are_disjoint};

const ROWS: i64 = 700;

fn table(group_rows: usize) -> Table {
    let city = |i: i64| (i % 11 != 3).then(|| format!("city {}", i * i % 13));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS))),
        ("city", Arc::new(StringArray::from_iter((0..ROWS).map(city)))),
        ("weight", Arc::new(Float64Array::from_iter_values((0..ROWS).map(|i| (i % 9) as f64)))),
        ("zone", Arc::new(Int64Array::from_iter((0..ROWS).map(|i| (i % 7 != 0).then_some(i % 5))))),
    ];
    Table::new(columns, group_rows)
}

fn rows(table: &Table, job: &Value, cut: Cut) -> Vec<Vec<u64>> {
    let rounds = table.draw(job, cut).unwrap();
    assert!(are_disjoint(&rounds));
    rounds.into_iter().map(|round| round.rows).collect()
}

/// A round of any method, whatever its size.
fn round() -> impl Strategy<Value = Value> {
    let size = prop_oneof![(1_u64..900).prop_map(|size| json!(size)), (0.01_f64..0.9).prop_map(|share| json!(share))];
    let columns = prop_oneof![Just(json!("city")), Just(json!(["zone"])), Just(json!(["city", "zone"]))];
    let method = prop_oneof![
        size.clone().prop_map(|size| json!({ "method": "random", "parameters": { "sample_size": size } })),
        size.clone().prop_map(|size| json!({ "method": "reservoir", "parameters": { "sample_size": size } })),
        size.clone().prop_map(|size| {
            json!({ "method": "weighted", "parameters": { "sample_size": size, "weight_column": "weight" } })
        }),
        (columns.clone(), size.clone()).prop_map(|(columns, size)| {
            json!({ "method": "stratified", "parameters": { "strata_columns": columns, "sample_size": size } })
        }),
        (columns, 1_u64..20).prop_map(|(columns, each)| {
            json!({ "method": "stratified", "parameters": { "strata_columns": columns, "samples_per_stratum": each } })
        }),
        (1_u64..50).prop_map(|interval| json!({ "method": "systematic", "parameters": { "interval": interval } })),
        (1_u64..20, 1_u64..9).prop_map(|(count, each)| {
            let parameters = json!({ "cluster_column": "city", "num_clusters": count, "samples_per_cluster": each });
            json!({ "method": "cluster", "parameters": parameters })
        }),
        size.prop_map(
            |size| json!({ "method": "custom", "parameters": { "query": "id % 3 <> 1", "sample_size": size } })
        ),
    ];
    let filter = prop_oneof![Just(None), Just(Some("zone < 3")), Just(Some("city LIKE '%1%' OR id > 300"))];
    (method, filter).prop_map(|(mut round, filter)| {
        if let Some(filter) = filter {
            round["filters"] = json!({ "expression": filter });
        }
        round
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_seed_gives_the_same_rows(
        rounds in proptest::collection::vec(round(), 1..4),
        seed in 0_u64..(1 << 53),
        unit_rows in 1_usize..800,
        batch_rows in 1_u64..200,
        group_rows in 20_usize..800,
        candidates in 1_u64..100,
    ) {
        let job = json!({ "seed": seed, "rounds": rounds });
        let expected = rows(&table(700), &job, Cut { threads: 1, unit_rows: 10_000, batch_rows: 10_000, ..ONE });

        for threads in [1, 2, 7] {
            let cut = Cut { threads, unit_rows, batch_rows, candidates };
            prop_assert_eq!(&rows(&table(group_rows), &job, cut), &expected, "{:?}", cut);
        }
    }
}

#[test]
fn another_seed_gives_other_rows() {
    let table = table(200);
    let draw = |seed: u64| table.round(seed, "random", json!({ "sample_size": 50 })).rows;

    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}
