//! Boltzmann machines in libtorch: energies, chains, learning, likelihoods. Tensors in, tensors and numbers out.
//!
//! It reads no file and knows nothing of skills. All tensors of a machine are on one device; everything here runs on the CPU and on
//! CUDA alike, and gives the same bits for the same seed on the same CPU.

mod ais;
mod chance;
mod energy;
mod enumerate;
mod fault;
mod infer;
mod joint;
mod judge;
mod lateral;
mod likelihood;
mod pair;
mod settings;
mod trainer;

pub use self::{
    chance::Chance,
    energy::Machine,
    fault::MachineFault,
    judge::{EpochFigures, PseudoMethod},
    likelihood::{Effort, LikelihoodRun, LogLikelihood, Method},
    pair::BatchFigures,
    settings::{Family, Sampler, Settings, Sparsity, Visible},
    trainer::{Phase, Trainer},
};
