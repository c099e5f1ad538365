//! The rows that a plain program in another language draws: see `tests/golden/sampling.py`.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use relevo_worker::skills::sampling::{
    order::{Purpose, Stream},
    source::Cut,
};
use serde_json::{Value, json};

use crate::bench::{ONE, Table};

const GOLDEN: &str = include_str!("../../../tests/golden/sampling.json");
const ROWS: i64 = 1000;

/// The table that the program makes by the same formula.
pub(crate) fn table() -> Table {
    const CITIES: [Option<&str>; 7] =
        [Some("Lima"), Some("Quito"), Some("Bogotá"), Some("Cusco"), None, Some("Sucre"), Some("Tarma")];
    let city = |i: i64| CITIES[((i * i + 3 * i) % 23 % 9).min(6) as usize];
    let weight = |i: i64| (i % 17 != 0).then(|| (i * 7 % 31) as f64 - 2.0);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS))),
        ("city", Arc::new(StringArray::from_iter((0..ROWS).map(city)))),
        ("weight", Arc::new(Float64Array::from_iter((0..ROWS).map(weight)))),
        ("mod", Arc::new(Int64Array::from_iter_values((0..ROWS).map(|i| i % 10)))),
    ];
    Table::new(columns, 300)
}

#[test]
fn hashes_never_change() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let hashes = golden["hashes"].as_array().unwrap();
    assert_eq!(hashes.len(), 128);

    for hash in hashes {
        let purpose = match hash["purpose"].as_str().unwrap() {
            "rows" => Purpose::Rows,
            "clusters" => Purpose::Clusters,
            "start" => Purpose::Start,
            _ => Purpose::Reservoir,
        };
        let stream = Stream::new(hash["seed"].as_u64().unwrap(), hash["round"].as_u64().unwrap(), purpose);
        assert_eq!(stream.number(hash["row"].as_u64().unwrap()).to_string(), hash["hash"].as_str().unwrap(), "{hash}");
    }
}

#[test]
fn rows_are_those_of_a_program_that_sorts_the_whole_table() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 42);
    let table = table();

    for case in cases {
        let mut job = json!({ "seed": case["seed"], "rounds": case["rounds"] });
        if let Some(below) = case["below"].as_u64() {
            job["filters"] = json!({ "expression": format!("mod < {below}") });
        }
        for cut in [
            Cut { unit_rows: 4000, batch_rows: 1000, ..ONE },
            Cut { threads: 3, unit_rows: 77, batch_rows: 10, candidates: 30 },
        ] {
            let drawn: Vec<Vec<u64>> = table.draw(&job, cut).unwrap().into_iter().map(|round| round.rows).collect();

            assert_eq!(json!(drawn), case["drawn"], "{job} {cut:?}");
        }
    }
}
