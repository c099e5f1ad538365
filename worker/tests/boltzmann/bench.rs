//! Settings, machines with known weights, and runs.

use std::collections::HashMap;

use relevo_worker::skills::{
    boltzmann::machine::{Dtype, Family, Machine, Sampler, Settings, Trainer, Visible},
    torch::Chance,
};
use tch::{Device, Kind, Tensor};

pub(crate) fn settings(family: Family, n_visible: i64, n_hidden: &[i64]) -> Settings {
    // These machines are so small that threads would only wait for each other. The number is the calling thread's own, and every test
    // comes by here.
    tch::set_num_threads(1);
    Settings {
        family,
        visible: Visible::Bernoulli,
        n_visible,
        n_hidden: n_hidden.to_vec(),
        lr: 0.05,
        cd_k: 1,
        sampler: Sampler::Cd,
        n_chains: 100,
        momentum: 0.0,
        momentum_final: None,
        weight_decay: 0.0,
        sparsity: None,
        epochs: 10,
        batch_size: 50,
        seed: 42,
        dtype: Dtype::Fp32,
    }
}

/// A trainer at the start of its only phase, or of the joint one, with random parameters that matter.
pub(crate) fn lively(settings: &Settings, spread: f64, seed: u64) -> Trainer {
    let mut trainer = fresh(settings);
    trainer.begin_epoch(last_phase(settings)).unwrap();
    let mut chance = Chance::seeded(seed, [0, 0, 0]);
    let mut draw = |like: &Tensor| chance.normal_like(like).unwrap() * spread;
    let state = trainer.state().unwrap().into_iter().map(|(name, tensor)| {
        let changed = match name.split('.').next().unwrap() {
            "bias" | "weight" => draw(&tensor),
            "lateral" => {
                let half = draw(&tensor).tril(-1);
                &half + half.tr()
            }
            _ => tensor,
        };
        (name, changed)
    });
    let state: Vec<_> = state.collect();
    trainer.restore(state).unwrap();
    trainer
}

/// The first epoch of the last phase.
pub(crate) fn last_phase(settings: &Settings) -> u32 {
    let phases = if settings.family == Family::Dbm { settings.n_hidden.len() as u32 + 1 } else { 1 };
    (phases - 1) * settings.epochs + 1
}

pub(crate) fn fresh(settings: &Settings) -> Trainer {
    let mean = Tensor::full([settings.n_visible], 0.5, (Kind::Float, Device::Cpu));
    Trainer::new(settings.clone(), &mean, Device::Cpu).unwrap()
}

/// Trains on all rows through all phases.
pub(crate) fn trained(settings: &Settings, rows: &Tensor) -> Trainer {
    let mean = rows.mean_dim(0, false, Kind::Float);
    let mut trainer = Trainer::new(settings.clone(), &mean, Device::Cpu).unwrap();
    let epochs = trainer.phases().iter().map(|phase| phase.epochs).sum();
    for epoch in 1..=epochs {
        one_epoch(&mut trainer, settings, rows, epoch);
    }
    trainer
}

pub(crate) fn one_epoch(trainer: &mut Trainer, settings: &Settings, rows: &Tensor, epoch: u32) {
    trainer.begin_epoch(epoch).unwrap();
    for (number, batch) in (0..).zip(rows.split(settings.batch_size, 0)) {
        trainer.batch(&batch, epoch, number).unwrap();
    }
}

/// A copy of everything by name.
pub(crate) fn named(trainer: &Trainer) -> HashMap<String, Tensor> {
    trainer.state().unwrap().into_iter().collect()
}

/// The machine's own tensors by name, copied.
pub(crate) fn parameters(machine: &Machine) -> Vec<(String, Tensor)> {
    machine.tensors().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect()
}

/// Puts these tensors back and leaves the others as they are.
pub(crate) fn put_back(trainer: &mut Trainer, tensors: &[(String, Tensor)]) {
    let mut state = named(trainer);
    state.extend(tensors.iter().map(|(name, tensor)| (name.clone(), tensor.copy())));
    trainer.restore(state).unwrap();
}
