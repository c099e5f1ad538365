//! The same seed gives the same tensors, and a run that was interrupted ends as one that was not.

use std::collections::HashMap;

use relevo_worker::skills::boltzmann::machine::{Dtype, Family, Sampler, Settings, Sparsity, Trainer, Visible};
use tch::{Device, Kind, Tensor};

use crate::bench::{named, one_epoch, settings, trained};

fn data() -> Tensor {
    let mut chance = relevo_worker::skills::torch::Chance::seeded(3, [0, 0, 0]);
    let like = Tensor::empty([70, 12], (Kind::Float, Device::Cpu));
    chance.uniform_like(&like).unwrap().lt(0.4).to_kind(Kind::Float)
}

/// Every kind of machine with everything that has a state switched on.
fn runs() -> Vec<Settings> {
    let with = |family, hidden: &[i64], sampler, visible| Settings {
        sampler,
        visible,
        momentum: 0.5,
        momentum_final: Some(0.9),
        weight_decay: 0.001,
        sparsity: Some(Sparsity { target: 0.2, cost: 0.1 }),
        epochs: 6,
        n_chains: 30,
        batch_size: 32,
        ..settings(family, 12, hidden)
    };
    vec![
        with(Family::Rbm, &[7], Sampler::Cd, Visible::Bernoulli),
        with(Family::Rbm, &[7], Sampler::Pcd, Visible::Gaussian),
        Settings { dtype: Dtype::Bf16, ..with(Family::Rbm, &[7], Sampler::Cd, Visible::Gaussian) },
        Settings { dtype: Dtype::Bf16, ..with(Family::Rbm, &[7], Sampler::Pcd, Visible::Bernoulli) },
        with(Family::Bm, &[5], Sampler::Cd, Visible::Bernoulli),
        with(Family::Bm, &[5], Sampler::Pcd, Visible::Bernoulli),
        with(Family::Dbm, &[6, 5, 3], Sampler::Cd, Visible::Bernoulli),
        with(Family::Dbm, &[6, 3], Sampler::Pcd, Visible::Gaussian),
    ]
}

fn assert_same(one: &HashMap<String, Tensor>, other: &HashMap<String, Tensor>, of: &Settings) {
    assert_eq!(one.len(), other.len());
    for (name, tensor) in one {
        assert_eq!(tensor, &other[name], "{name} of {of:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_tensors_to_the_last_bit() {
    for settings in runs() {
        let (one, other) = (trained(&settings, &data()), trained(&settings, &data()));

        assert_same(&named(&one), &named(&other), &settings);
        assert_eq!(one.judge(&data(), Some(&data())).unwrap(), other.judge(&data(), Some(&data())).unwrap());
    }
}

#[test]
fn another_seed_gives_other_tensors() {
    for settings in runs() {
        let one = trained(&settings, &data());
        let other = trained(&Settings { seed: 43, ..settings.clone() }, &data());

        assert_ne!(named(&one)["weight.0"], named(&other)["weight.0"]);
    }
}

#[test]
fn a_run_that_takes_up_again_ends_as_one_that_was_never_interrupted() {
    for settings in runs() {
        let whole = trained(&settings, &data());
        let epochs = whole.phases().iter().map(|phase| phase.epochs).sum::<u32>();
        // After an epoch in the middle of a phase, between two phases, and within an epoch.
        for cut in [epochs / 2 - 1, epochs.saturating_sub(settings.epochs), epochs - 1] {
            let mut first = fresh(&settings);
            (1..=cut).for_each(|epoch| one_epoch(&mut first, &settings, &data(), epoch));
            let batches = data().split(settings.batch_size, 0);
            first.batch(&batches[0], cut + 1, 0).unwrap();
            let state = first.state().unwrap();
            drop(first);

            let mut second = fresh(&settings);
            second.restore(state).unwrap();
            second.begin_epoch(cut + 1).unwrap();
            for (number, batch) in (1..).zip(&batches[1..]) {
                second.batch(batch, cut + 1, number).unwrap();
            }
            (cut + 2..=epochs).for_each(|epoch| one_epoch(&mut second, &settings, &data(), epoch));

            assert_same(&named(&second), &named(&whole), &settings);
        }
    }
}

#[test]
fn a_state_of_another_machine_is_refused() {
    let [rbm, ..] = &runs()[..] else { unreachable!() };
    let wider = Settings { n_hidden: vec![8], ..rbm.clone() };

    let fault = fresh(&wider).restore(fresh(rbm).state().unwrap()).unwrap_err().to_string();

    assert_eq!(fault, "the machine's tensor bias.1 has the shape [7]; its settings ask for [8]");
}

fn fresh(settings: &Settings) -> Trainer {
    let mean = data().mean_dim(0, false, Kind::Float);
    Trainer::new(settings.clone(), &mean, Device::Cpu).unwrap()
}
