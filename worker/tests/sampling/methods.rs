//! What each method draws, also where there is little to draw from, and what is refused.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, StringArray};
use datafusion::arrow::datatypes::Int64Type;
use relevo_worker::skills::sampling::source::Cut;
use serde_json::json;

use crate::bench::{ONE, Table, are_disjoint};

fn table() -> Table {
    let zones = [Some("a"), Some("a"), Some("b"), None, Some("a"), None, Some("c"), Some("a"), Some("b"), Some("a")];
    let weights = [
        Some(1.0),
        None,
        Some(0.0),
        Some(-3.0),
        Some(f64::NAN),
        Some(2.0),
        Some(5.0),
        Some(1e-300),
        Some(1e300),
        Some(4.0),
    ];
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>((0..10).map(|i| Some(vec![Some(i)])));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..10))),
        ("zone", Arc::new(StringArray::from_iter(zones))),
        ("weight", Arc::new(Float64Array::from_iter(weights))),
        ("list", Arc::new(lists)),
        ("odd \"name\"", Arc::new(Int64Array::from_iter_values((0..10).map(|i| i % 2)))),
    ];
    Table::new(columns, 4)
}

#[test]
fn more_than_there_is_gives_all_there_is() {
    let table = table();

    for method in ["random", "reservoir"] {
        assert_eq!(table.round(1, method, json!({ "sample_size": 1000 })).rows, (0..10).collect::<Vec<_>>());
    }
    let strata = table.round(1, "stratified", json!({ "strata_columns": "zone", "sample_size": 1000 }));
    assert_eq!(strata.rows.len(), 10);
    let clusters = table.round(1, "cluster", json!({ "cluster_column": "zone", "num_clusters": 1000 }));
    assert_eq!((clusters.rows.len(), clusters.report.groups.unwrap().count), (10, 4));
    assert_eq!(table.round(1, "systematic", json!({ "interval": 1 })).rows.len(), 10);
    assert_eq!(table.round(1, "systematic", json!({ "interval": 1_000_000_007_u64, "start": 2 })).rows, [1]);
    assert_eq!(table.round(1, "systematic", json!({ "interval": 3, "start": 11 })).rows, [0; 0]);
}

#[test]
fn a_systematic_round_takes_every_so_many_th_row_that_is_left() {
    let table = table();
    let job = json!({ "rounds": [
        { "method": "custom", "parameters": { "query": "id IN (0, 4)" } },
        { "method": "systematic", "parameters": { "interval": 3, "start": 2 } },
    ] });

    let rounds = table.draw(&job, Cut { threads: 2, unit_rows: 3, batch_rows: 2, ..ONE }).unwrap();

    assert_eq!(rounds[0].rows, [0, 4]);
    // 1 2 3 5 6 7 8 9 are left; of these the second, the fifth and the eighth.
    assert_eq!(rounds[1].rows, [2, 6, 9]);
}

#[test]
fn a_missing_value_is_a_stratum_and_every_stratum_is_told_of() {
    let table = table();

    let round = table.round(3, "stratified", json!({ "strata_columns": ["zone"], "sample_size": 4 }));

    let groups = round.report.groups.unwrap();
    // 5 a, 2 b, 2 missing, 1 c: quotas 2, 0.8, 0.8 and 0.4 of four rows.
    assert_eq!(groups.told, [(5, 2), (2, 1), (2, 1), (1, 0)]);
    assert_eq!(round.rows.len(), 4);
    let whole =
        table.round(3, "stratified", json!({ "strata_columns": "zone", "sample_size": 5, "min_per_stratum": 1 }));
    assert_eq!(whole.report.groups.unwrap().told, [(5, 2), (2, 1), (2, 1), (1, 1)]);
}

#[test]
fn only_rows_with_a_weight_above_zero_can_be_drawn() {
    let table = table();

    let all = table.round(1, "weighted", json!({ "weight_column": "weight", "sample_size": 100 }));

    assert_eq!(all.rows, [0, 5, 6, 7, 8, 9]);
    assert_eq!((all.report.eligible, all.report.sampled), (6, 6));
    for seed in 0..20 {
        let first = table.round(seed, "weighted", json!({ "weight_column": "weight", "sample_size": 1 }));
        assert_eq!(first.rows, [8], "a weight of 1e300 comes before any other");
    }
}

#[test]
fn a_filter_that_matches_nothing_gives_nothing() {
    let table = table();
    for round in [
        json!({ "method": "random", "parameters": { "sample_size": 3 } }),
        json!({ "method": "reservoir", "parameters": { "sample_size": 0.5 } }),
        json!({ "method": "systematic", "parameters": { "interval": 3 } }),
        json!({ "method": "weighted", "parameters": { "sample_size": 3, "weight_column": "weight" } }),
        json!({ "method": "stratified", "parameters": { "strata_columns": ["zone", "id"], "sample_size": 3 } }),
        json!({ "method": "cluster", "parameters": { "cluster_column": "zone", "num_clusters": 3 } }),
        json!({ "method": "custom", "parameters": { "query": "true" } }),
    ] {
        let job = json!({ "rounds": [round], "filters": { "expression": "id > 3 AND zone = 'nowhere'" } });

        let drawn = table.draw(&job, ONE).unwrap();

        assert_eq!((drawn[0].rows.len(), drawn[0].report.eligible), (0, 0), "{job}");
    }
}

#[test]
fn a_table_without_rows_gives_nothing() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..0))),
        ("zone", Arc::new(StringArray::from_iter_values([""; 0]))),
    ];
    let table = Table::new(columns, 4);

    for (method, parameters) in [
        ("random", json!({ "sample_size": 3 })),
        ("systematic", json!({ "interval": 3 })),
        ("stratified", json!({ "strata_columns": "zone", "sample_size": 3 })),
        ("weighted", json!({ "weight_column": "id", "sample_size": 3 })),
    ] {
        assert_eq!(table.round(1, method, parameters).rows, [0; 0], "{method}");
    }
}

#[test]
fn rounds_run_in_the_order_of_their_numbers() {
    let table = table();
    let all = json!({ "query": "true" });
    let job = json!({ "rounds": [
        { "round_number": 7, "method": "custom", "parameters": all },
        { "round_number": 2, "method": "custom", "parameters": { "query": "\"odd \"\"name\"\"\" = 1" } },
    ] });

    let rounds = table.draw(&job, ONE).unwrap();

    assert_eq!(rounds[0].rows, [1, 3, 5, 7, 9]);
    assert_eq!(rounds[1].rows, [0, 2, 4, 6, 8]);
    assert!(are_disjoint(&rounds));
}

#[test]
fn what_the_rows_make_impossible_is_told_by_the_field() {
    let table = table();
    let random = |filter: &str| json!({ "method": "random", "parameters": { "sample_size": 3 }, "filters": { "expression": filter } });

    let told = table.fault(random("10 / (id - 3) > 1"));
    assert!(told.starts_with("INVALID_INPUT rounds[0].filters.expression: cannot be computed for a row: "), "{told}");
    let told = table.fault(random("CAST(zone AS BIGINT) > 1"));
    assert!(told.starts_with("INVALID_INPUT rounds[0].filters.expression: cannot be computed for a row: "), "{told}");
    for wrapping in
        ["id + 9223372036854775807 > 0", "(id - 9223372036854775807) - 9 < 0", "id * 4611686018427387904 > 0"]
    {
        let told = table.fault(random(wrapping));
        assert!(
            told.starts_with("INVALID_INPUT rounds[0].filters.expression: cannot be computed for a row: "),
            "{told}"
        );
    }
    let told = table.fault(random("id > 9223372036854775807 + 1"));
    assert!(told.starts_with("INVALID_INPUT rounds[0].filters.expression: "), "{told}");
    let told = table.fault(random("now() > 3"));
    assert!(told.contains("rounds[0].filters.expression: there is no function now"), "{told}");
    let told = table.fault(json!({ "method": "stratified", "parameters": { "strata_columns": "zone", "sample_size": 3, "min_per_stratum": 1 } }));
    assert!(
        told.contains("rounds[0].parameters.min_per_stratum: 1 rows of each of 4 strata are 4, but only 3"),
        "{told}"
    );
    let told =
        table.fault(json!({ "method": "stratified", "parameters": { "strata_columns": "town", "sample_size": 3 } }));
    assert!(told.contains("rounds[0].parameters.strata_columns: the table has no column \"town\""), "{told}");
    let told =
        table.fault(json!({ "method": "weighted", "parameters": { "weight_column": "zone", "sample_size": 3 } }));
    assert!(told.contains("rounds[0].parameters.weight_column: column \"zone\" must hold numbers"), "{told}");
    let heavy = Table::new(vec![("w", Arc::new(Float64Array::from_iter_values([1.0, f64::INFINITY])))], 4);
    let told = heavy.fault(json!({ "method": "weighted", "parameters": { "weight_column": "w", "sample_size": 1 } }));
    assert!(told.contains("has an infinite weight in row 1"), "{told}");
}

#[test]
fn a_column_of_identities_is_no_column_of_strata() {
    let table = Table::new(vec![("id", Arc::new(Int64Array::from_iter_values(0..1_000_100)))], 1 << 20);

    let told = table.fault(json!({ "method": "cluster", "parameters": { "cluster_column": "id", "num_clusters": 3 } }));

    assert!(told.contains("rounds[0].parameters.cluster_column: has more than 1000000 different values"), "{told}");
}
