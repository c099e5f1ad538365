//! That machines learn what there is to learn.

use relevo_worker::skills::{
    boltzmann::machine::{Effort, Family, Machine, Sampler, Settings, Visible},
    torch::Chance,
};
use tch::{Device, Kind, Tensor};

use crate::{
    bench::{fresh, one_epoch, settings, trained},
    flat::rows_of,
};

fn likelihood(machine: &Machine, rows: &Tensor) -> f64 {
    let found = machine.log_likelihood(rows, Effort::default(), 1).unwrap();
    assert!(!found.lower_bound && found.log_z_low.to_bits() == found.log_z_high.to_bits(), "{found:?}");
    found.mean_nats
}

/// Rows of 8 bits on a ring whose neighbours like to be alike, drawn from the exact distribution.
fn ring(count: usize, seed: u64) -> Tensor {
    let alike = |row: usize| (0..8).filter(|&i| row >> i & 1 == row >> ((i + 1) % 8) & 1).count() as f64;
    let weights: Vec<f64> = (0..256).map(|row| (1.2 * alike(row)).exp()).collect();
    let mut chance = Chance::seeded(seed, [0, 0, 0]);
    let total: f64 = weights.iter().sum();
    let like = Tensor::empty([count as i64], (Kind::Double, Device::Cpu));
    let rows: Vec<usize> = crate::flat::numbers(&chance.uniform_like(&like).unwrap())
        .into_iter()
        .map(|uniform| {
            let mut left = uniform * total;
            weights
                .iter()
                .position(|weight| {
                    left -= weight;
                    left < 0.0
                })
                .unwrap_or(255)
        })
        .collect();
    rows_of(&rows, 8)
}

/// Pictures of 4 × 4 bits with one to four whole rows or columns on, and one bit of fifty wrong.
fn bars(count: i64, seed: u64) -> Tensor {
    let mut chance = Chance::seeded(seed, [0, 0, 0]);
    let options = (Kind::Float, Device::Cpu);
    let lines = chance.uniform_like(&Tensor::empty([count, 4, 1], options)).unwrap().lt(0.4).to_kind(Kind::Float);
    let picture = lines.expand([count, 4, 4], false);
    let turned = picture.transpose(1, 2);
    let upright = chance.uniform_like(&Tensor::empty([count, 1, 1], options)).unwrap().lt(0.5);
    let wrong = chance.uniform_like(&Tensor::empty([count, 16], options)).unwrap().lt(0.02).to_kind(Kind::Float);
    let clean = picture.where_self(&upright, &turned).reshape([count, 16]);
    (clean - wrong).abs()
}

#[test]
fn an_rbm_learns_bars_by_contrastive_divergence_and_better_by_persistent_chains() {
    let (rows, held_out) = (bars(600, 1), bars(400, 2));
    let settings = Settings { lr: 0.1, epochs: 100, momentum: 0.5, ..settings(Family::Rbm, 16, &[12]) };
    let persistent = Settings { sampler: Sampler::Pcd, ..settings.clone() };
    let untaught = Settings { lr: 1e-9, epochs: 1, ..settings.clone() };
    let of = |settings: &Settings| likelihood(trained(settings, &rows).machine(), &held_out);

    let (nothing, cd, pcd) = (of(&untaught), of(&settings), of(&persistent));

    assert!(nothing + 2.0 < cd, "{nothing}, {cd}");
    assert!(cd < pcd, "{cd}, {pcd}");
    println!("bars: independent bits {nothing:.3}, CD-1 {cd:.3}, PCD {pcd:.3} nats");
}

#[test]
fn lateral_weights_learn_neighbours_that_an_rbm_of_the_same_size_cannot() {
    let (rows, held_out) = (ring(2000, 1), ring(2000, 2));
    let settings = |family| Settings {
        sampler: Sampler::Pcd,
        lr: 0.05,
        momentum: 0.5,
        epochs: 40,
        batch_size: 100,
        ..settings(family, 8, &[2])
    };
    let of = |family| likelihood(trained(&settings(family), &rows).machine(), &held_out);

    let (rbm, bm) = (of(Family::Rbm), of(Family::Bm));

    println!("ring: RBM {rbm:.3}, BM {bm:.3} nats");
    assert!(rbm + 0.2 < bm, "RBM {rbm}, BM {bm}");
}

#[test]
fn joint_training_of_a_deep_machine_beats_stacked_layers() {
    let (rows, held_out) = (bars(600, 3), bars(400, 4));
    let settings =
        Settings { sampler: Sampler::Pcd, lr: 0.05, momentum: 0.5, epochs: 40, ..settings(Family::Dbm, 16, &[10, 8]) };
    let mean = rows.mean_dim(0, false, Kind::Float);
    let mut trainer =
        relevo_worker::skills::boltzmann::machine::Trainer::new(settings.clone(), &mean, Device::Cpu).unwrap();

    (1..=80).for_each(|epoch| one_epoch(&mut trainer, &settings, &rows, epoch));
    trainer.begin_epoch(81).unwrap();
    let stacked = likelihood(trainer.machine(), &held_out);
    (81..=120).for_each(|epoch| one_epoch(&mut trainer, &settings, &rows, epoch));
    let joint = likelihood(trainer.machine(), &held_out);
    let untaught = likelihood(fresh(&settings).machine(), &held_out);
    // Joint training comes on top of the stack's: a stack must not do as well that learns for as long in all.
    let longer = Settings { epochs: 60, ..settings };
    let mut trainer =
        relevo_worker::skills::boltzmann::machine::Trainer::new(longer.clone(), &mean, Device::Cpu).unwrap();
    (1..=120).for_each(|epoch| one_epoch(&mut trainer, &longer, &rows, epoch));
    trainer.begin_epoch(121).unwrap();
    let stacked_longer = likelihood(trainer.machine(), &held_out);

    println!(
        "bars: untaught {untaught:.3}, stacked {stacked:.3}, for longer {stacked_longer:.3}, joint {joint:.3} nats"
    );
    assert!(stacked_longer + 0.2 < joint, "stacked for longer {stacked_longer}, joint {joint}");
    assert!(untaught < stacked, "untaught {untaught}, stacked {stacked}");
    assert!(stacked + 0.2 < joint, "stacked {stacked}, joint {joint}");
}

#[test]
fn real_valued_units_learn_clusters_that_a_mean_cannot_tell() {
    // Three clusters in eight dimensions, each of unit variance.
    let clusters = |count: i64, seed| {
        let mut chance = Chance::seeded(9, [0, 0, 0]);
        let options = (Kind::Float, Device::Cpu);
        let centres = chance.normal_like(&Tensor::empty([3, 8], options)).unwrap() * 1.0;
        drop(chance);
        let mut chance = Chance::seeded(seed, [0, 0, 0]);
        let which =
            (chance.uniform_like(&Tensor::empty([count], options)).unwrap() * 3.0).to_kind(Kind::Int64).clamp_max(2);
        let rows = centres.index_select(0, &which);
        let noise = chance.normal_like(&rows).unwrap();
        rows + noise
    };
    let (rows, held_out) = (clusters(600, 1), clusters(400, 2));
    let settings =
        Settings { visible: Visible::Gaussian, lr: 0.01, momentum: 0.5, epochs: 60, ..settings(Family::Rbm, 8, &[6]) };

    let trainer = trained(&settings, &rows);
    let found = likelihood(trainer.machine(), &held_out);
    let error = trainer.judge(&rows, Some(&held_out)).unwrap().validation_reconstruction_error.unwrap();

    let mean = rows.mean_dim(0, false, Kind::Float);
    let variance = f64::try_from((&held_out - mean).square().mean(Kind::Double)).unwrap();
    // The best normal distribution with a diagonal covariance, at the training rows' moments.
    let (mean, variances) =
        (rows.mean_dim(0, false, Kind::Double), rows.to_kind(Kind::Double).var_dim(0, false, false));
    let exponent = ((held_out.to_kind(Kind::Double) - mean).square() / &variances).sum(Kind::Double) / 400.0;
    let baseline =
        f64::try_from((exponent + (variances * std::f64::consts::TAU).log().sum(Kind::Double)) * -0.5).unwrap();
    println!("clusters: normal {baseline:.3}, RBM {found:.3} nats; variance {variance:.3}, error {error:.3}");
    assert!(baseline + 0.5 < found, "normal {baseline}, RBM {found}");
    assert!(error < 0.5 * variance, "error {error}, variance {variance}");
}
