//! How likely rows are under a machine, in nats: exactly where its states can be counted, else by annealed importance sampling.

use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor, no_grad};

use super::{
    ais::{Interval, Walk},
    energy::Machine,
    enumerate::Counted,
    fault::MachineFault,
    judge::number,
};
use crate::skills::torch::Chance;

/// What a seed is used for here.
const LIKELIHOOD: u64 = 4;
/// Steps of annealing in one piece of work.
const STEPS: u32 = 50;
/// A row's hidden states are counted where all rows together have no more than this many.
const COUNTED_STATES: i64 = 1 << 24;

/// How much work an estimate may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Effort {
    /// Chains of annealed importance sampling.
    pub chains: i64,
    /// Steps from the machine without weights to the machine itself.
    pub temperatures: u32,
    /// The partition function is counted out where no more units than this decide it.
    pub enumerate_up_to: u32,
}

impl Default for Effort {
    fn default() -> Self {
        Self { chains: 100, temperatures: 2000, enumerate_up_to: 20 }
    }
}

/// How a partition function was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// All states were counted.
    Exact,
    /// Annealed importance sampling.
    Ais,
}

/// How likely rows are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogLikelihood {
    /// Mean log-likelihood of a row in nats; a log-density where visible units are Gaussian.
    pub mean_nats: f64,
    /// Whether `mean_nats` has the variational bound in the place of a row's own log-probability, and so is a lower bound (for the
    /// `log_z` that was found). Only where hidden states given a row are neither independent nor few enough to be counted.
    pub lower_bound: bool,
    /// How the partition function was found.
    pub method: Method,
    /// The partition function's logarithm.
    pub log_z: f64,
    /// Three standard errors of the estimate below it; equal to it where it is exact.
    pub log_z_low: f64,
    /// Three standard errors above it.
    pub log_z_high: f64,
}

/// An estimate under way, for callers who must not keep the device for long.
#[derive(Debug)]
pub struct LikelihoodRun {
    /// Double precision: differences of large sums decide.
    machine: Machine,
    /// Mean of the rows' unnormalised log-probabilities.
    data: f64,
    lower_bound: bool,
    work: Work,
    done: u32,
    seed: u64,
}

#[derive(Debug)]
enum Work {
    Count { counted: Counted, pieces: Vec<Tensor> },
    Anneal { walk: Walk, temperatures: u32 },
}

impl LikelihoodRun {
    /// Looks at the rows, `[rows, n_visible]`, and makes ready for the rest. Values between 0 and 1 of Bernoulli units are taken as they are.
    ///
    /// # Errors
    /// When the rows have another width or there are none, or an effort is nothing.
    pub fn begin(machine: &Machine, rows: &Tensor, effort: Effort, seed: u64) -> Result<Self, MachineFault> {
        let found = rows.size();
        if found.first() == Some(&0) {
            return Err(MachineFault::WrongWidth { expected: machine.biases[0].size()[0], found });
        }
        if effort.chains < 1 {
            return Err(MachineFault::setting("chains", "must be 1 or more"));
        }
        if effort.temperatures < 1 {
            return Err(MachineFault::setting("temperatures", "must be 1 or more"));
        }
        let machine = machine.in_double()?;
        let rows = machine.rows(rows)?;
        no_grad(|| {
            let states = machine.mean_field(&rows, 50, 1e-6)?;
            let (data, lower_bound) = if machine.has_closed_form() {
                (machine.free_energy_of(&rows)?.f_neg()?, false)
            } else {
                match machine.counted_free_energy(&rows, COUNTED_STATES)? {
                    Some(counted) => (counted, false),
                    None => (machine.bound(&states)?, true),
                }
            };
            let work = match Counted::of(&machine, effort.enumerate_up_to.min(40).into()) {
                Some(counted) => Work::Count { counted, pieces: Vec::new() },
                None => {
                    let means = states.iter().map(|states| states.f_mean_dim(0, false, None));
                    let means = means.collect::<Result<Vec<_>, _>>()?;
                    let mut chance = Chance::seeded(seed, [LIKELIHOOD, 0, 0]);
                    let walk = Walk::begin(&machine, &means, effort.chains, &mut chance)?;
                    Work::Anneal { walk, temperatures: effort.temperatures }
                }
            };
            Ok(Self { machine, data: number(&data.f_mean(None)?)?, lower_bound, work, done: 0, seed })
        })
    }

    /// Does a piece of the work; says whether there is more.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn advance(&mut self) -> Result<bool, MachineFault> {
        no_grad(|| match &mut self.work {
            Work::Count { counted, pieces } => {
                pieces.push(counted.piece(&self.machine, self.done.into())?);
                self.done += 1;
                Ok(i64::from(self.done) < counted.pieces())
            }
            Work::Anneal { walk, temperatures } => {
                let mut chance = Chance::seeded(self.seed, [LIKELIHOOD, 1, self.done.into()]);
                let last = temperatures.min(&mut (self.done + STEPS)).to_owned();
                let beta = |step: u32| f64::from(step) / f64::from(*temperatures);
                for step in self.done..last {
                    walk.step(&self.machine, beta(step), beta(step + 1), &mut chance)?;
                }
                self.done = last;
                Ok(last < *temperatures)
            }
        })
    }

    /// The estimate, after [`Self::advance`] has said that there is no more.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn end(&self) -> Result<LogLikelihood, MachineFault> {
        let (method, log_z) = no_grad(|| -> Result<_, TchError> {
            Ok(match &self.work {
                Work::Count { pieces, .. } => {
                    let middle = number(&Tensor::f_stack(pieces, 0)?.f_logsumexp(0, false)?)?;
                    (Method::Exact, Interval { middle, low: middle, high: middle })
                }
                Work::Anneal { walk, .. } => (Method::Ais, walk.end(&self.machine)?),
            })
        })?;
        Ok(LogLikelihood {
            mean_nats: self.data - log_z.middle,
            lower_bound: self.lower_bound,
            method,
            log_z: log_z.middle,
            log_z_low: log_z.low,
            log_z_high: log_z.high,
        })
    }
}

impl Machine {
    /// How likely rows, `[rows, n_visible]`, are. All the work of a [`LikelihoodRun`] at once: it may take seconds.
    ///
    /// # Errors
    /// As [`LikelihoodRun::begin`].
    pub fn log_likelihood(&self, rows: &Tensor, effort: Effort, seed: u64) -> Result<LogLikelihood, MachineFault> {
        let mut run = LikelihoodRun::begin(self, rows, effort, seed)?;
        while run.advance()? {}
        run.end()
    }

    /// The same machine in double precision.
    fn in_double(&self) -> Result<Self, TchError> {
        let double = |tensors: &[Tensor]| -> Result<Vec<_>, _> {
            tensors.iter().map(|tensor| tensor.f_to_kind(Kind::Double)).collect()
        };
        Ok(Self {
            family: self.family,
            visible: self.visible,
            biases: double(&self.biases)?,
            weights: double(&self.weights)?,
            laterals: double(&self.laterals)?,
        })
    }
}
