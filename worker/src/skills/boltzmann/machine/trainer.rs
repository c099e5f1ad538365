//! A machine that learns: phases, batches, figures, and what a resumed run needs.

use std::collections::HashMap;

use tch::{Device, Tensor, no_grad};

use super::{
    chance::Chance,
    energy::{Machine, copied},
    fault::MachineFault,
    judge::EpochFigures,
    pair::{BatchFigures, Pair},
    settings::{Family, Settings},
};

/// What a seed is used for, beside the batches of an epoch.
const MAKING: u64 = 0;
const BATCH: u64 = 1;
const PHASE: u64 = 2;
const JUDGING: u64 = 3;

/// A stretch of a run in which the same parameters learn in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// For people: `train`, `pretrain layer 1`, `joint`.
    pub name: String,
    /// How many epochs it has.
    pub epochs: u32,
}

/// A machine with all that belongs to learning. It may move between threads.
#[derive(Debug)]
pub struct Trainer {
    settings: Settings,
    machine: Machine,
    phase: usize,
    learner: Pair,
}

impl Trainer {
    /// A machine that has learnt nothing, on `device`. `train_mean`, `[n_visible]`, is what the visible biases begin at.
    ///
    /// # Errors
    /// When a setting is wrong, or `train_mean` has another width.
    pub fn new(settings: Settings, train_mean: &Tensor, device: Device) -> Result<Self, MachineFault> {
        settings.check()?;
        if settings.family != Family::Rbm {
            return Err(MachineFault::setting("family", "must be rbm"));
        }
        no_grad(|| {
            let mut chance = Chance::seeded(settings.seed, [MAKING, 0, 0]);
            let machine = Machine::fresh(&settings, train_mean, device, &mut chance)?;
            let learner = learner(&settings, &machine, &mut chance)?;
            Ok(Self { settings, machine, phase: 0, learner })
        })
    }

    /// The phases of the run, in order. Epochs are counted from 1 through all of them.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        vec![Phase { name: "train".to_owned(), epochs: self.settings.epochs }]
    }

    /// Makes ready for an epoch, counted from 1 through all phases. The first epoch of a phase changes what learns; any other does
    /// nothing.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn begin_epoch(&mut self, epoch: u32) -> Result<(), MachineFault> {
        let _ = epoch;
        Ok(())
    }

    /// Learns from one batch, `[rows, n_visible]`. The random numbers depend on the seed, the epoch and the batch's number alone, so
    /// a resumed run draws the same.
    ///
    /// # Errors
    /// When the rows have another width, or learning has run away ([`MachineFault::Diverged`]).
    pub fn batch(&mut self, rows: &Tensor, epoch: u32, number: u64) -> Result<BatchFigures, MachineFault> {
        self.begin_epoch(epoch)?;
        let rows = self.machine.rows(rows)?;
        let momentum = self.settings.momentum_of(epoch);
        let mut chance = Chance::seeded(self.settings.seed, [BATCH, epoch.into(), number]);
        no_grad(|| self.learner.learn(&rows, &self.settings, momentum, &mut chance))
    }

    /// Figures over training and validation rows, `[rows, n_visible]`: all of them or a sample, as the caller likes.
    ///
    /// # Errors
    /// When the rows have another width.
    pub fn judge(&self, train: &Tensor, validation: Option<&Tensor>) -> Result<EpochFigures, MachineFault> {
        let train = self.machine.rows(train)?;
        let validation = validation.map(|rows| self.machine.rows(rows)).transpose()?;
        let mut chance = Chance::seeded(self.settings.seed, [JUDGING, 0, 0]);
        no_grad(|| self.machine.figures(&train, validation.as_ref(), &mut chance))
    }

    /// Everything that a resumed run needs, by name, as copies: the machine's tensors as [`Machine::tensors`] names them, and more.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>, MachineFault> {
        let copy = |(name, tensor): (String, Tensor)| Ok((name, copied(&tensor)?));
        let mut state = self.live().into_iter().map(copy).collect::<Result<Vec<_>, MachineFault>>()?;
        state.push(("phase".to_owned(), Tensor::f_from_slice(&[i64::try_from(self.phase).unwrap_or(i64::MAX)])?));
        Ok(state)
    }

    /// Goes on from a state that [`Self::state`] gave, of a run with the same settings.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn restore(&mut self, state: impl IntoIterator<Item = (String, Tensor)>) -> Result<(), MachineFault> {
        let mut state: HashMap<String, Tensor> = state.into_iter().collect();
        for (name, mut tensor) in self.live() {
            let expected = tensor.size();
            let Some(kept) = state.remove(&name) else { return Err(MachineFault::MissingTensor { name, expected }) };
            let found = kept.size();
            if found != expected {
                return Err(MachineFault::WrongShape { name, expected, found });
            }
            no_grad(|| tensor.f_copy_(&kept))?;
        }
        Ok(())
    }

    /// The machine as it is now.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// All tensors that learning changes, sharing memory.
    fn live(&self) -> Vec<(String, Tensor)> {
        let mut live = self.machine.tensors();
        live.extend(self.learner.state());
        live
    }
}

fn learner(settings: &Settings, machine: &Machine, chance: &mut Chance) -> Result<Pair, MachineFault> {
    let shared = |tensor: &Tensor| tensor.shallow_clone();
    let (weight, lower, upper) = (&machine.weights[0], &machine.biases[0], &machine.biases[1]);
    let mut pair = Pair::new(shared(weight), shared(lower), shared(upper), settings.visible)?;
    pair.begin(settings, chance)?;
    Ok(pair)
}
