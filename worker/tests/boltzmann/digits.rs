//! On scikit-learn's digits, beside its BernoulliRBM (`tests/golden/rbm_digits.py`).

use std::{fs, path::PathBuf};

use relevo_worker::skills::boltzmann::machine::{Dtype, Family, PseudoMethod, Sampler, Settings};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::bench::{settings, trained};

fn golden(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")).join(name)).unwrap()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_pseudo_likelihood_of_digits_is_that_of_scikit_learn_or_better() {
    let pixels = golden("rbm_digits.bin");
    let rows = Tensor::from_slice(&pixels).view([-1, 64]).to_kind(Kind::Float) / 16.0;
    let answers: Value = serde_json::from_slice(&golden("rbm_digits.json")).unwrap();
    let theirs: Vec<f64> = serde_json::from_value(answers["every_pixel"].clone()).unwrap();
    let given = |name: &str| answers["settings"][name].as_f64().unwrap();
    // BernoulliRBM is persistent, with as many chains as a batch has rows, and one step in each batch.
    let settings = |seed, dtype| Settings {
        sampler: Sampler::Pcd,
        n_chains: given("batch_size") as i64,
        batch_size: given("batch_size") as i64,
        lr: given("learning_rate"),
        epochs: given("n_iter") as u32,
        seed,
        dtype,
        ..settings(Family::Rbm, 64, &[given("n_components") as i64])
    };

    let ours = |dtype| -> Vec<f64> {
        let judged = (0..3).map(|seed| trained(&settings(seed, dtype), &rows).judge(&rows, None).unwrap());
        judged
            .map(|figures| {
                assert_eq!(figures.pseudo_method, Some(PseudoMethod::EveryBit));
                figures.pseudo_log_likelihood.unwrap()
            })
            .collect()
    };
    for dtype in [Dtype::Fp32, Dtype::Bf16] {
        let ours = ours(dtype);

        println!("digits: ours in {dtype:?} {ours:.2?}, BernoulliRBM {theirs:.2?}");
        assert!(mean(&theirs) <= mean(&ours), "ours in {dtype:?} {ours:?}, BernoulliRBM {theirs:?}");
    }
}
