//! The gradient, against the exact one by a loop over all states.

use relevo_worker::skills::boltzmann::machine::{Dtype, Family, Sampler, Settings, Trainer};
use tch::Tensor;

use crate::{
    bench::{last_phase, lively, named, parameters, put_back, settings},
    flat::{Flat, matrix_of, numbers, rows_of},
};

/// Means and standard errors of what is measured again and again.
#[derive(Default)]
struct Measured {
    sums: Vec<f64>,
    squares: Vec<f64>,
    times: f64,
}

impl Measured {
    fn add(&mut self, values: &[f64]) {
        self.sums.resize(values.len(), 0.0);
        self.squares.resize(values.len(), 0.0);
        for ((sum, square), value) in self.sums.iter_mut().zip(&mut self.squares).zip(values) {
            *sum += value;
            *square += value * value;
        }
        self.times += 1.0;
    }

    /// Asserts that the means are the exact values give or take their standard errors, and that these are small beside the values.
    fn assert_equal(&self, exact: &[f64]) {
        let mut errors = 0.0;
        let mut deviations = 0.0;
        for ((sum, square), exact) in self.sums.iter().zip(&self.squares).zip(exact) {
            let mean = sum / self.times;
            let error = ((square / self.times - mean * mean) / (self.times - 1.0)).sqrt();
            assert!((mean - exact).abs() < 5.0 * error, "{mean} ± {error}, exactly {exact}");
            errors += error * error;
            deviations += ((mean - exact) / error).powi(2);
        }
        let size = exact.iter().map(|value| value * value).sum::<f64>();
        assert!(errors.sqrt() < 0.05 * size.sqrt(), "errors of {} say nothing about {}", errors.sqrt(), size.sqrt());
        let per_value = deviations / exact.len() as f64;
        assert!(per_value < 2.0, "deviations of {per_value} squared standard errors on average");
    }
}

const PATTERNS: [usize; 4] = [0b0000_1111, 0b1111_0000, 0b1010_1010, 0b0110_0110];

/// What one batch moved bias 0, bias 1 and the weight by.
fn moved(trainer: &Trainer, before: &[(String, Tensor)]) -> Vec<f64> {
    let after = named(trainer);
    let of = |name: &str| {
        let before = &before.iter().find(|(known, _)| known == name).unwrap().1;
        numbers(&(&after[name] - before))
    };
    ["bias.0", "bias.1", "weight.0"].iter().flat_map(|name| of(name)).collect()
}

/// The exact gradient of the patterns' mean log-likelihood by bias 0, bias 1 and the weight.
fn exact_gradient(flat: &Flat) -> Vec<f64> {
    let units = flat.bias.len();
    let model = flat.moments(None);
    let mut single: Vec<f64> = model.single.iter().map(|mean| -mean).collect();
    let mut pair: Vec<f64> = (0..flat.visible)
        .flat_map(|i| (flat.visible..units).map(move |j| (i, j)))
        .map(|(i, j)| -model.pair[i][j])
        .collect();
    for row in PATTERNS {
        let data = flat.moments(Some(row));
        single.iter_mut().zip(&data.single).for_each(|(sum, mean)| *sum += mean / PATTERNS.len() as f64);
        let pairs = (0..flat.visible).flat_map(|i| (flat.visible..units).map(move |j| (i, j)));
        pair.iter_mut().zip(pairs).for_each(|(sum, (i, j))| *sum += data.pair[i][j] / PATTERNS.len() as f64);
    }
    single.into_iter().chain(pair).collect()
}

fn many_rows(times: usize) -> Tensor {
    rows_of(&PATTERNS, 8).repeat([times as i64, 1])
}

fn with_lr_one(family: Family, n_hidden: &[i64]) -> Settings {
    Settings { lr: 1.0, n_chains: 2000, ..settings(family, 8, n_hidden) }
}

#[test]
fn hidden_probabilities_of_an_rbm_are_exact() {
    let trainer = lively(&settings(Family::Rbm, 8, &[5]), 0.8, 1);
    let flat = Flat::of(trainer.machine());

    let found = matrix_of(&trainer.machine().hidden(&rows_of(&PATTERNS, 8)).unwrap());

    for (row, found) in PATTERNS.iter().zip(found) {
        for (found, exact) in found.iter().zip(&flat.moments(Some(*row)).single[8..]) {
            assert!((found - exact).abs() < 1e-6, "{found}, exactly {exact}");
        }
    }
}

#[test]
fn many_steps_of_contrastive_divergence_give_the_exact_gradient() {
    for dtype in [Dtype::Fp32, Dtype::Bf16] {
        let settings = Settings { cd_k: 60, dtype, ..with_lr_one(Family::Rbm, &[5]) };
        let mut trainer = lively(&settings, 0.8, 1);
        let before = parameters(trainer.machine());
        let exact = exact_gradient(&Flat::of(trainer.machine()));
        let rows = many_rows(500);

        let mut measured = Measured::default();
        for number in 0..30 {
            trainer.batch(&rows, 1, number).unwrap();
            measured.add(&moved(&trainer, &before));
            put_back(&mut trainer, &before);
        }

        measured.assert_equal(&exact);
    }
}

#[test]
fn persistent_chains_give_the_exact_gradient_while_weights_rest() {
    let settings = Settings { sampler: Sampler::Pcd, cd_k: 10, ..with_lr_one(Family::Rbm, &[5]) };
    let mut trainer = lively(&settings, 0.6, 2);
    let before = parameters(trainer.machine());
    let exact = exact_gradient(&Flat::of(trainer.machine()));
    let rows = many_rows(1);

    let mut measured = Measured::default();
    for number in 0..80 {
        trainer.batch(&rows, 1, number).unwrap();
        // The chains come from elsewhere and need a while.
        if 10 <= number {
            measured.add(&moved(&trainer, &before));
        }
        put_back(&mut trainer, &before);
    }

    measured.assert_equal(&exact);
}

/// Chains of a machine whose parameters rest visit its states as often as they should.
fn assert_chains_are_the_machines(family: Family, n_hidden: &[i64], spread: f64) {
    let settings = Settings { sampler: Sampler::Pcd, cd_k: 6, ..with_lr_one(family, n_hidden) };
    let mut trainer = lively(&settings, spread, 3);
    let before = parameters(trainer.machine());
    let flat = Flat::of(trainer.machine());
    let moments = flat.moments(None);
    let rows = many_rows(1);

    let mut measured = Measured::default();
    for number in 0..70 {
        trainer.batch(&rows, last_phase(&settings), number).unwrap();
        let state = named(&trainer);
        let layers: Vec<Tensor> =
            (0..=n_hidden.len()).map(|layer| state[&format!("joint.chains.{layer}")].copy()).collect();
        let all = Tensor::cat(&layers, 1);
        if 10 <= number {
            measured.add(&numbers(&(all.tr().matmul(&all) / settings.n_chains as f64)));
        }
        put_back(&mut trainer, &before);
    }

    measured.assert_equal(&moments.pair.concat());
}

#[test]
fn chains_of_a_machine_with_lateral_weights_are_distributed_as_it_is() {
    assert_chains_are_the_machines(Family::Bm, &[3], 0.5);
}

#[test]
fn chains_of_a_deep_machine_are_distributed_as_it_is() {
    assert_chains_are_the_machines(Family::Dbm, &[3, 2], 0.6);
}

#[test]
fn lateral_weights_move_by_the_difference_of_correlations() {
    let settings = Settings { cd_k: 40, ..with_lr_one(Family::Bm, &[3]) };
    let mut trainer = lively(&settings, 0.5, 4);
    let before = parameters(trainer.machine());
    let model = Flat::of(trainer.machine()).moments(None);
    let data =
        |i: usize, j: usize| PATTERNS.iter().filter(|&row| row >> i & 1 == 1 && row >> j & 1 == 1).count() as f64 / 4.0;
    let below = || (0..8).flat_map(|i| (0..i).map(move |j| (i, j)));
    let exact: Vec<f64> = below().map(|(i, j)| data(i, j) - model.pair[i][j]).collect();
    let start = matrix_of(&before.iter().find(|(name, _)| name == "lateral.0").unwrap().1);

    let mut measured = Measured::default();
    for number in 0..30 {
        trainer.batch(&many_rows(250), 1, number).unwrap();
        let lateral = &named(&trainer)["lateral.0"];
        let now = matrix_of(lateral);
        assert_eq!(lateral, &lateral.tr(), "symmetric to the last bit");
        assert!((0..8).all(|i| now[i][i] == 0.0), "nothing on the diagonal");
        measured.add(&below().map(|(i, j)| now[i][j] - start[i][j]).collect::<Vec<_>>());
        put_back(&mut trainer, &before);
    }

    measured.assert_equal(&exact);
}
