//! Boltzmann machines in libtorch: energies, chains, learning, likelihoods. Tensors in, tensors and numbers out.
//!
//! It reads no file and knows nothing of skills. All tensors of a machine are on one device; everything here runs on the CPU and on
//! CUDA alike, and gives the same bits for the same seed on the same CPU.

mod chance;
mod energy;
mod fault;
mod infer;
mod judge;
mod lateral;
mod pair;
mod settings;
mod trainer;

pub use self::{
    chance::Chance,
    energy::Machine,
    fault::MachineFault,
    judge::{EpochFigures, PseudoMethod},
    pair::BatchFigures,
    settings::{Family, Sampler, Settings, Sparsity, Visible},
    trainer::{Phase, Trainer},
};
