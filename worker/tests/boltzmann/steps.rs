//! What each setting does to a step, against a step without it that draws the same random numbers.

use relevo_worker::skills::boltzmann::machine::{Dtype, Family, MachineFault, Sampler, Settings, Sparsity};
use tch::{Kind, Tensor};

use crate::{
    bench::{fresh, lively, named, one_epoch, put_back, settings, trained},
    flat::{numbers, rows_of},
};

const PATTERNS: [usize; 4] = [0b0000_1111, 0b1111_0000, 0b1010_1010, 0b0110_0110];

fn rows() -> Tensor {
    rows_of(&PATTERNS, 8).repeat([10, 1])
}

fn plain(family: Family) -> Settings {
    settings(family, 8, if family == Family::Dbm { &[4, 3] } else { &[4] })
}

fn first_epoch(settings: &Settings) -> u32 {
    crate::bench::last_phase(settings)
}

fn assert_close(found: &Tensor, expected: &Tensor) {
    let far = f64::try_from((found - expected).abs().max()).unwrap();
    assert!(far < 2e-6, "{far} apart");
}

/// Parameters before a step, after a plain one, and after one with the given settings and speed.
fn weights_after(settings: &Settings, epoch: u32, with: &Settings, speed: f64) -> [Tensor; 3] {
    let mut one = lively(settings, 0.5, 11);
    let before = named(&one)["weight.0"].copy();
    one.batch(&rows(), epoch, 0).unwrap();
    let mut other = lively(with, 0.5, 11);
    let rushing: Vec<_> = named(&other)
        .into_iter()
        .filter(|(name, _)| name.contains("speed"))
        .map(|(name, tensor)| (name, tensor.full_like(speed)))
        .collect();
    put_back(&mut other, &rushing);
    other.batch(&rows(), epoch, 0).unwrap();
    [before, named(&one)["weight.0"].copy(), named(&other)["weight.0"].copy()]
}

#[test]
fn momentum_adds_a_share_of_the_last_change() {
    for family in [Family::Rbm, Family::Bm, Family::Dbm] {
        let (settings, with) = (plain(family), Settings { momentum: 0.5, ..plain(family) });

        let [_, one, other] = weights_after(&settings, first_epoch(&settings), &with, 0.03);

        assert_close(&other, &(one + 0.5 * 0.03));
    }
}

#[test]
fn the_final_momentum_takes_over_after_the_fifth_epoch_of_a_phase() {
    for family in [Family::Rbm, Family::Bm, Family::Dbm] {
        let (settings, with) = (plain(family), Settings { momentum: 0.5, momentum_final: Some(0.9), ..plain(family) });
        let first = first_epoch(&settings);

        let [_, one_early, early] = weights_after(&settings, first + 4, &with, 0.03);
        let [_, one_late, late] = weights_after(&settings, first + 5, &with, 0.03);

        assert_close(&early, &(one_early + 0.5 * 0.03));
        assert_close(&late, &(one_late + 0.9 * 0.03));
    }
}

#[test]
fn without_momentum_the_last_change_is_forgotten_but_still_noted() {
    let settings = plain(Family::Rbm);

    let [_, one, other] = weights_after(&settings, 1, &settings, 0.03);
    let mut trainer = lively(&settings, 0.5, 11);
    let before = named(&trainer)["weight.0"].copy();
    trainer.batch(&rows(), 1, 0).unwrap();
    let after = named(&trainer);

    assert_eq!(one, other);
    assert_close(&after["speed.weight"], &(&after["weight.0"] - before));
}

#[test]
fn weight_decay_takes_its_share_of_weights_and_leaves_biases() {
    for family in [Family::Rbm, Family::Bm, Family::Dbm] {
        let (settings, with) = (plain(family), Settings { weight_decay: 0.2, ..plain(family) });
        let epoch = first_epoch(&settings);

        let [before, one, other] = weights_after(&settings, epoch, &with, 0.0);
        let bias_of = |settings: &Settings| {
            let mut trainer = lively(settings, 0.5, 11);
            trainer.batch(&rows(), epoch, 0).unwrap();
            named(&trainer)["bias.1"].copy()
        };

        assert_close(&other, &(one - before * (settings.lr * 0.2)));
        assert_eq!(bias_of(&with), bias_of(&settings));
    }
}

#[test]
fn sparsity_pulls_hidden_units_towards_their_target() {
    for family in [Family::Rbm, Family::Bm, Family::Dbm] {
        let settings = Settings { lr: 0.1, epochs: 30, batch_size: 20, ..plain(family) };
        let sparse = Settings { sparsity: Some(Sparsity { target: 0.1, cost: 2.0 }), ..settings.clone() };
        let activity = |settings: &Settings| trained(settings, &rows()).judge(&rows(), None).unwrap().hidden_mean;

        let (without, with) = (activity(&settings), activity(&sparse));

        assert!((with - 0.1).abs() < 0.06, "{family:?}: {with}");
        assert!(with < without - 0.1, "{family:?}: {with} and {without}");
    }
}

#[test]
fn sparsity_moves_bias_and_weights_by_the_deviation() {
    let settings = plain(Family::Rbm);
    let with = Settings { sparsity: Some(Sparsity { target: 0.2, cost: 3.0 }), ..settings.clone() };
    let mut trainer = lively(&with, 0.5, 11);
    let activity = trainer.machine().hidden(&rows()).unwrap().mean_dim(0, false, Kind::Float);
    // The running mean begins at the target.
    let deviation: Tensor = (activity - 0.2) * (0.1 * 3.0 * settings.lr);

    let [_, one, other] = weights_after(&settings, 1, &with, 0.0);
    trainer.batch(&rows(), 1, 0).unwrap();
    let mut without = lively(&settings, 0.5, 11);
    without.batch(&rows(), 1, 0).unwrap();

    let mean = rows().mean_dim(0, false, Kind::Float);
    assert_close(&other, &(one - mean.outer(&deviation)));
    assert_close(&named(&trainer)["bias.1"], &(&named(&without)["bias.1"] - deviation));
}

#[test]
fn persistent_chains_go_on_where_they_ended_and_know_nothing_of_the_batch() {
    let settings = Settings { sampler: Sampler::Pcd, lr: 1e-9, cd_k: 3, n_chains: 17, ..plain(Family::Rbm) };
    let chains_after = |batches: &[&Tensor]| {
        let mut trainer = lively(&settings, 0.5, 12);
        for (number, batch) in (0..).zip(batches) {
            trainer.batch(batch, 1, number).unwrap();
        }
        named(&trainer)["chains"].copy()
    };
    let (rows, others) = (rows(), rows_of(&[0, 255], 8).repeat([5, 1]));

    let same = chains_after(&[&rows, &rows]);

    assert_eq!(same.size(), [17, 4]);
    assert_eq!(same, chains_after(&[&others, &rows]), "what the chains are does not come from the data");
    assert_ne!(same, chains_after(&[&rows]), "but they move");
}

#[test]
fn the_negative_phase_ends_with_the_last_state_so_that_the_hidden_bias_learns() {
    // Were the hidden states that the chain began with taken for those that it ended with, the hidden bias would move by the noise of
    // 4000 draws alone, which is 0.008 for each unit at most.
    let settings = Settings { lr: 1.0, ..settings(Family::Rbm, 8, &[4]) };
    let mut trainer = lively(&settings, 1.0, 13);
    let before = named(&trainer)["bias.1"].copy();

    trainer.batch(&rows().repeat([100, 1]), 1, 0).unwrap();

    let moved = numbers(&(&named(&trainer)["bias.1"] - before));
    assert!(moved.iter().any(|moved| 0.1 < moved.abs()), "{moved:?}");
}

#[test]
fn settings_that_cannot_be_are_named() {
    let refused = |settings: Settings| settings.check().unwrap_err().to_string();
    let rbm = || plain(Family::Rbm);

    let cases = [
        (Settings { lr: 0.0, ..rbm() }, "lr: "),
        (Settings { lr: f64::NAN, ..rbm() }, "lr: "),
        (Settings { cd_k: 0, ..rbm() }, "cd_k: "),
        (Settings { n_hidden: vec![3, 2], ..rbm() }, "n_hidden: "),
        (Settings { n_hidden: vec![], ..plain(Family::Dbm) }, "n_hidden: "),
        (Settings { momentum: 1.0, ..rbm() }, "momentum: "),
        (Settings { momentum_final: Some(-0.1), ..rbm() }, "momentum_final: "),
        (Settings { weight_decay: -1.0, ..rbm() }, "weight_decay: "),
        (Settings { sparsity: Some(Sparsity { target: 1.0, cost: 1.0 }), ..rbm() }, "sparsity_target: "),
        (Settings { epochs: 0, ..rbm() }, "epochs: "),
        (Settings { dtype: Dtype::Bf16, ..plain(Family::Bm) }, "dtype: "),
    ];

    for (settings, start) in cases {
        let fault = refused(settings);
        assert!(fault.starts_with(start), "{fault}");
    }
}

#[test]
fn learning_that_runs_away_is_told() {
    let settings = Settings {
        visible: relevo_worker::skills::boltzmann::machine::Visible::Gaussian,
        lr: 1e6,
        ..settings(Family::Rbm, 8, &[4])
    };
    let mut trainer = fresh(&settings);
    let rows = rows();

    let fault = (0..200).find_map(|number| trainer.batch(&rows, 1, number).err()).unwrap();

    assert!(matches!(fault, MachineFault::Diverged));
}

#[test]
fn epochs_that_there_are_not_are_refused() {
    let settings = plain(Family::Dbm);
    let mut trainer = fresh(&settings);
    one_epoch(&mut trainer, &settings, &rows(), 25);

    assert_eq!(trainer.begin_epoch(31).unwrap_err().to_string(), "epoch: must be 1 to 30");
    assert_eq!(trainer.begin_epoch(0).unwrap_err().to_string(), "epoch: must be 1 to 30");
    assert_eq!(trainer.begin_epoch(20).unwrap_err().to_string(), "epoch: epoch 20 belongs to a phase that is over");
}
