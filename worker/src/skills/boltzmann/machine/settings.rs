//! What a machine is made of and how it learns, as numbers; and which of them cannot be.

use serde::{Deserialize, Serialize};
use tch::Kind;

use super::fault::MachineFault;

/// The kinds of Boltzmann machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Restricted: one hidden layer, no weights within a layer (Smolensky 1986).
    Rbm,
    /// One hidden layer, with weights between visible units and between hidden units (Ackley, Hinton & Sejnowski 1985).
    Bm,
    /// Deep: several hidden layers, weights between neighbouring ones only (Salakhutdinov & Hinton 2009).
    Dbm,
}

/// What a visible unit can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visible {
    /// On or off. A value between 0 and 1 is read as the probability of being on.
    Bernoulli,
    /// A real number with unit variance around its mean; the caller standardises the columns.
    Gaussian,
}

/// Where the chains of the negative phase begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Contrastive divergence: at the data of the batch (Hinton 2002).
    Cd,
    /// Persistent: where they ended in the batch before (Tieleman 2008).
    Pcd,
}

/// What the matrix products of learning are computed in. Parameters, sums and what is drawn from stay in fp32 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Single precision: 24 bits.
    #[default]
    Fp32,
    /// Brain floating point: the range of fp32 with 8 bits. For hardware that multiplies it faster.
    Bf16,
}

impl Dtype {
    /// The name that libtorch has for it.
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// How often a hidden unit should be on (Hinton 2010, section 11).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sparsity {
    /// The wanted mean probability of being on, between 0 and 1.
    pub target: f64,
    /// What a deviation costs, as a multiple of the log-likelihood's gradient.
    pub cost: f64,
}

/// Everything that decides what a run learns, but the data and the kind of device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The kind of machine.
    pub family: Family,
    /// The kind of visible unit.
    pub visible: Visible,
    /// Visible units: the columns of a row.
    pub n_visible: i64,
    /// Units of each hidden layer, the lowest first. One layer, but for [`Family::Dbm`].
    pub n_hidden: Vec<i64>,
    /// Learning rate, for sums that are means over the batch.
    pub lr: f64,
    /// Gibbs steps of the negative phase in each batch.
    pub cd_k: u32,
    /// Where the chains of the negative phase begin. The joint phase of a DBM is always persistent.
    pub sampler: Sampler,
    /// Persistent chains.
    pub n_chains: i64,
    /// Momentum of the first five epochs of each phase, and of all where `momentum_final` is absent.
    pub momentum: f64,
    /// Momentum after the fifth epoch of each phase (Hinton 2010, section 9).
    pub momentum_final: Option<f64>,
    /// L2 penalty on weights, not on biases (Hinton 2010, section 10).
    pub weight_decay: f64,
    /// Sparsity of the hidden units; absent: none is asked for.
    pub sparsity: Option<Sparsity>,
    /// Epochs of each phase.
    pub epochs: u32,
    /// Rows of a batch.
    pub batch_size: i64,
    /// The seed of all chance.
    pub seed: u64,
    /// What products are computed in while an RBM learns; other families learn in fp32.
    #[serde(default)]
    pub dtype: Dtype,
}

/// Epochs of a phase that go by before `momentum_final` takes over.
const EARLY_EPOCHS: u32 = 5;

impl Settings {
    /// Refuses what no machine can be made of.
    ///
    /// # Errors
    /// [`MachineFault::Setting`] with the first setting that is wrong, and what would be right.
    pub fn check(&self) -> Result<(), MachineFault> {
        let wrong = |field, reason: &str| Err(MachineFault::setting(field, reason));
        let positive = |number: f64| number.is_finite() && 0.0 < number;
        let share = |number: f64| (0.0..1.0).contains(&number);
        if self.n_visible < 1 {
            return wrong("n_visible", "must be 1 or more");
        }
        if self.n_hidden.is_empty() || self.n_hidden.iter().any(|&units| units < 1) {
            return wrong("n_hidden", "each hidden layer must have 1 unit or more");
        }
        if self.family != Family::Dbm && self.n_hidden.len() != 1 {
            return wrong("n_hidden", "must be one number; only a dbm has several hidden layers");
        }
        if self.family == Family::Bm && self.visible == Visible::Gaussian {
            // Lateral weights of real-valued units make a density only while their matrix stays positive definite.
            return wrong("visible", "must be bernoulli for a bm; rbm and dbm can be gaussian");
        }
        if !positive(self.lr) {
            return wrong("lr", "must be a number greater than 0");
        }
        if self.cd_k < 1 {
            return wrong("cd_k", "must be 1 or more");
        }
        if self.n_chains < 1 {
            return wrong("n_chains", "must be 1 or more");
        }
        if !share(self.momentum) {
            return wrong("momentum", "must be 0 or more and less than 1");
        }
        if !self.momentum_final.is_none_or(share) {
            return wrong("momentum_final", "must be 0 or more and less than 1");
        }
        if !(self.weight_decay.is_finite() && 0.0 <= self.weight_decay) {
            return wrong("weight_decay", "must be a number that is 0 or more");
        }
        if let Some(sparsity) = self.sparsity {
            if !(positive(sparsity.target) && sparsity.target < 1.0) {
                return wrong("sparsity_target", "must be greater than 0 and less than 1");
            }
            if !(sparsity.cost.is_finite() && 0.0 <= sparsity.cost) {
                return wrong("sparsity_cost", "must be a number that is 0 or more");
            }
        }
        if self.epochs < 1 {
            return wrong("epochs", "must be 1 or more");
        }
        if self.batch_size < 1 {
            return wrong("batch_size", "must be 1 or more");
        }
        if self.family != Family::Rbm && self.dtype != Dtype::Fp32 {
            return wrong("dtype", "must be fp32 for a bm or a dbm; an rbm can learn in bf16");
        }
        Ok(())
    }

    /// The momentum of an epoch, counted from 1 within its phase.
    #[must_use]
    pub fn momentum_of(&self, epoch: u32) -> f64 {
        match self.momentum_final {
            Some(last) if EARLY_EPOCHS < epoch => last,
            _ => self.momentum,
        }
    }

    /// How many weights and biases the machine has.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        let widths: Vec<u64> = self.widths().iter().map(|width| width.unsigned_abs()).collect();
        let between: u64 = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let within: u64 = widths.iter().map(|width| if self.family == Family::Bm { width * width } else { 0 }).sum();
        between + within + widths.iter().sum::<u64>()
    }

    /// Units of each layer, the visible one first.
    #[must_use]
    pub fn widths(&self) -> Vec<i64> {
        std::iter::once(self.n_visible).chain(self.n_hidden.iter().copied()).collect()
    }
}
