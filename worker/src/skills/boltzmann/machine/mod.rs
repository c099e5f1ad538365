//! Boltzmann machines in libtorch: energies, chains, learning, likelihoods. Tensors in, tensors and numbers out.
//!
//! It reads no file and knows nothing of skills. All tensors of a machine are on one device, which nothing here names (CUDA has not been
//! tried yet); the same seed gives the same bits on the same CPU with the same number of threads.

mod ais;
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
    energy::Machine,
    fault::MachineFault,
    judge::{EpochFigures, PseudoMethod},
    likelihood::{Effort, LikelihoodRun, LogLikelihood, Method},
    pair::BatchFigures,
    settings::{Dtype, Family, Sampler, Settings, Sparsity, Visible},
    trainer::{Phase, Trainer},
};
