//! Every row has the chance that its method gives it. Seeds are fixed, so a test passes always or never.
//!
//! Bounds are those that a fair draw crosses once in a million times: a bias shows, chance does not.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::{Value, json};

use crate::bench::{ONE, Table};

const ROWS: usize = 40;
const SEEDS: u64 = 2000;
/// 4.9 standard deviations: one in a million.
const SIGMAS: f64 = 4.9;

fn table() -> Table {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS as i64))),
        ("half", Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| if i < 20 { "low" } else { "high" })))),
        ("city", Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| format!("c{}", i % 8))))),
    ];
    Table::new(columns, 15)
}

/// How often each row was drawn over all seeds, in each round.
fn counts(table: &Table, rounds: &Value) -> Vec<Vec<f64>> {
    let mut counts: Vec<Vec<f64>> = rounds.as_array().unwrap().iter().map(|_| vec![0.0; ROWS]).collect();
    for seed in 0..SEEDS {
        let drawn = table.draw(&json!({ "seed": seed, "rounds": rounds }), ONE).unwrap();
        for (counts, round) in counts.iter_mut().zip(drawn) {
            round.rows.iter().for_each(|row| counts[*row as usize] += 1.0);
        }
    }
    counts
}

/// The largest value of a chi-square statistic that chance would give once in a million times (Wilson & Hilferty 1931).
fn chi_square_bound(degrees: f64) -> f64 {
    let spread = 2.0 / (9.0 * degrees);
    degrees * (1.0 - spread + 4.75 * spread.sqrt()).powi(3)
}

/// Inclusion counts of a draw of `size` out of `counts.len()` without replacement: each row's varies by less than in
/// independent draws, which the factor makes good.
fn assert_uniform(counts: &[f64], size: f64, what: &str) {
    let rows = counts.len() as f64;
    let expected = SEEDS as f64 * size / rows;
    let sum: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
    let statistic = sum / (1.0 - size / rows) * (rows - 1.0) / rows;
    let bound = chi_square_bound(rows - 1.0);
    assert!(statistic < bound, "{what}: {statistic} is not below {bound}: {counts:?}");
    // A draw that were too even would not be chance either.
    assert!((rows - 1.0) * 0.3 < statistic, "{what}: {statistic} is too small");
}

/// That something with this chance happened so many times out of `tries`.
fn assert_chance(count: f64, tries: f64, chance: f64, what: &str) {
    let deviation = (tries * chance * (1.0 - chance)).sqrt();
    let off = (count - tries * chance).abs() / deviation;
    assert!(off < SIGMAS, "{what}: {count} of {tries} is {off} deviations off {chance}");
}

#[test]
fn every_row_is_drawn_as_often_as_any_other() {
    let table = table();

    for (method, size) in
        [("random", 1), ("random", 10), ("random", 37), ("reservoir", 1), ("reservoir", 10), ("reservoir", 37)]
    {
        let rounds = json!([{ "method": method, "parameters": { "sample_size": size } }]);
        assert_uniform(&counts(&table, &rounds)[0], f64::from(size), &format!("{method} {size}"));
    }
}

#[test]
fn every_pair_of_rows_is_drawn_as_often_as_any_other() {
    let table = table();

    for method in ["random", "reservoir"] {
        let mut pairs = vec![0.0; ROWS * (ROWS - 1) / 2];
        for seed in 0..SEEDS {
            let drawn = table.round(seed, method, json!({ "sample_size": 8 })).rows;
            for (place, b) in drawn.iter().enumerate() {
                for a in &drawn[..place] {
                    pairs[(b * (b - 1) / 2 + a) as usize] += 1.0;
                }
            }
        }
        // 28 of 780 pairs at a time, which depend on each other a little: wide bounds around the 779 that chance gives.
        let expected = SEEDS as f64 * 28.0 / pairs.len() as f64;
        let statistic: f64 = pairs.iter().map(|count| (count - expected).powi(2) / expected).sum();
        let (low, high) = (600.0, 1000.0);
        assert!(low < statistic && statistic < high, "{method}: {statistic}");
    }
}

#[test]
fn rounds_with_one_seed_draw_independently_of_each_other() {
    let table = table();
    let rounds = json!([
        { "method": "random", "parameters": { "sample_size": 10 }, "filters": { "expression": "half = 'low'" } },
        { "method": "random", "parameters": { "sample_size": 10 } },
    ]);

    let counts = counts(&table, &rounds);

    // A row of the lower half is left after the first round every other time, and then one of thirty of which ten are
    // drawn.
    let tries = SEEDS as f64;
    for (row, count) in counts[1].iter().enumerate() {
        let chance = if row < 20 { 0.5 / 3.0 } else { 1.0 / 3.0 };
        assert_chance(*count, tries, chance, &format!("row {row} in the second round"));
    }
    // A draw by one and the same order would hardly ever take from the lower half again.
    let low: f64 = counts[1][..20].iter().sum();
    assert!((low / tries - 10.0 / 3.0).abs() < 0.15, "{}", low / tries);
}

#[test]
fn within_strata_and_clusters_every_row_has_the_same_chance() {
    let table = table();
    let stratified =
        json!([{ "method": "stratified", "parameters": { "strata_columns": "city", "samples_per_stratum": 2 } }]);
    let clustered = json!([{
        "method": "cluster", "parameters": { "cluster_column": "city", "num_clusters": 3, "samples_per_cluster": 1 },
    }]);
    let tries = SEEDS as f64;

    for (row, count) in counts(&table, &stratified)[0].iter().enumerate() {
        assert_chance(*count, tries, 0.4, &format!("row {row} of a stratum"));
    }
    // Three of eight clusters, one of five rows: also the first row of a cluster, by which the cluster is known.
    for (row, count) in counts(&table, &clustered)[0].iter().enumerate() {
        assert_chance(*count, tries, 3.0 / 8.0 / 5.0, &format!("row {row} of a cluster"));
    }
}

#[test]
fn a_systematic_round_starts_anywhere() {
    let table = table();
    let rounds = json!([{ "method": "systematic", "parameters": { "interval": 8 } }]);

    for (row, count) in counts(&table, &rounds)[0].iter().enumerate() {
        assert_chance(*count, SEEDS as f64, 1.0 / 8.0, &format!("row {row}"));
    }
}

/// The chance of each row to be among the first two of a successive draw with these weights.
fn successive(weights: &[f64]) -> Vec<f64> {
    let whole: f64 = weights.iter().sum();
    let chance = |i: usize| {
        let first = weights[i] / whole;
        let others = weights.iter().enumerate().filter(|(j, _)| *j != i);
        first + others.map(|(_, other)| other / whole * weights[i] / (whole - other)).sum::<f64>()
    };
    (0..weights.len()).map(chance).collect()
}

#[test]
fn weights_give_the_chances_of_a_successive_draw() {
    let weights = [1.0, 2.0, 3.0, 4.0, 0.5, 10.0];
    let table = Table::new(vec![("w", Arc::new(Float64Array::from_iter_values(weights)))], 4);
    let mut counts = [0.0; 6];

    for seed in 0..SEEDS {
        let drawn = table.round(seed, "weighted", json!({ "weight_column": "w", "sample_size": 2 })).rows;
        drawn.iter().for_each(|row| counts[*row as usize] += 1.0);
    }

    for ((count, chance), weight) in counts.iter().zip(successive(&weights)).zip(weights) {
        assert_chance(*count, SEEDS as f64, chance, &format!("weight {weight}"));
    }
}
