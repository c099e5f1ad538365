//! A small table of grades with moods to tell from them, and how tests ask for a training and read what came of it.

use std::fs;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use fastrand::Rng;
use relevo_shared::dataset::TableRef;
use relevo_worker::skills::SkillError;
use serde_json::{Value, json};

use crate::{bench::Bench, tables::column};

pub(crate) const ROWS: usize = 300;

/// Three moods, each with grades of its own around which the rows lie; one grade says nothing, and some are missing.
pub(crate) fn moods(bench: &Bench, key: &str) -> TableRef {
    bench.table(key, mood_columns())
}

pub(crate) fn mood_columns() -> Vec<(&'static str, ArrayRef)> {
    const LEVELS: [[f64; 4]; 3] = [[1.0, 1.5, 2.0, 4.0], [3.0, 3.0, 2.5, 2.0], [4.5, 4.0, 4.5, 3.5]];
    let mut rng = Rng::with_seed(5);
    let class: Vec<usize> = (0..ROWS).map(|_| rng.usize(..3)).collect();
    let grade = |place: usize, rng: &mut Rng| -> Float64Array {
        let noisy = |class: &usize| LEVELS[*class][place] + 1.6 * (rng.f64() + rng.f64() - 1.0);
        class.iter().map(noisy).map(|grade| (grade > 0.2).then_some(grade)).collect()
    };
    let grades: Vec<Float64Array> = (0..4).map(|place| grade(place, &mut rng)).collect();
    let noise: Float64Array = (0..ROWS).map(|_| Some(rng.f64())).collect();
    let constant = Float64Array::from(vec![7.0; ROWS]);
    let labels = class.iter().map(|class| ["neg", "neu", "pos"][*class]);
    let score: Float64Array = class.iter().map(|class| Some(10.0 * LEVELS[*class][0] + rng.f64())).collect();
    let mut columns: Vec<(&'static str, ArrayRef)> = vec![("id", column(Int64Array::from_iter_values(0..ROWS as i64)))];
    let names = ["calif_1", "calif_2", "calif_3", "calif_4"];
    columns.extend(names.into_iter().zip(grades.into_iter().map(column)));
    columns.push(("calif_5", column(noise)));
    columns.push(("calif_6", column(constant)));
    columns.push(("mood", column(StringArray::from_iter_values(labels))));
    columns.push(("score", column(score)));
    columns
}

/// A training that takes a second.
pub(crate) fn training(more: &Value) -> Value {
    let mut training = json!({ "n_hidden": 16, "epochs": 8, "batch_size": 32, "lr": 0.1, "head": "classifier", "target": "mood",
        "split": "stratified", "checkpoint_seconds": 0 });
    training.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    training
}

pub(crate) fn read(bench: &Bench, uri: &Value) -> Value {
    serde_json::from_slice(&fs::read(bench.object(uri.as_str().unwrap())).unwrap()).unwrap()
}

pub(crate) fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} in {value}"))
}

/// The epochs without what a clock decides.
pub(crate) fn timeless(history: &Value) -> Vec<Value> {
    let epochs = history["epochs"].as_array().unwrap();
    let timeless = epochs.iter().map(|epoch| {
        let mut epoch = epoch.clone();
        epoch.as_object_mut().unwrap().remove("seconds");
        epoch
    });
    timeless.collect()
}

pub(crate) fn field(error: &SkillError) -> (String, String) {
    let SkillError::InvalidInput { details, .. } = error else { panic!("not an invalid input: {error:?}") };
    (details[0].field.clone(), details[0].reason.clone())
}
