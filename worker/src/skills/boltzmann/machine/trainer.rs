//! A machine that learns: phases, batches, figures, and what a resumed run needs.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor, no_grad};

use super::{
    energy::Machine,
    fault::MachineFault,
    joint::Joint,
    judge::{EpochFigures, number, spread, squared_error},
    pair::{BatchFigures, Pair},
    settings::{Family, Settings, Visible},
};
use crate::skills::torch::{Chance, copied};

/// What a seed is used for.
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
    /// Lower biases of the pairs of a DBM from the second on: a layer has one as the upper of a pair and one as the lower of the next.
    lower_biases: Vec<Tensor>,
    phase: usize,
    learner: Learner,
}

/// What learns in a phase.
#[derive(Debug)]
enum Learner {
    /// Two neighbouring layers alone.
    Pair(Box<Pair>),
    /// All layers.
    Joint(Joint),
}

impl Trainer {
    /// A machine that has learnt nothing, on `device`. `train_mean`, `[n_visible]`, is what the visible biases begin at.
    ///
    /// # Errors
    /// When a setting is wrong, or `train_mean` has another width.
    pub fn new(settings: Settings, train_mean: &Tensor, device: Device) -> Result<Self, MachineFault> {
        settings.check()?;
        no_grad(|| {
            let mut chance = Chance::seeded(settings.seed, [MAKING, 0, 0]);
            let machine = Machine::fresh(&settings, train_mean, device, &mut chance)?;
            let inner = 1..machine.top();
            let lower_biases = inner.map(|layer| copied(&machine.biases[layer])).collect::<Result<Vec<_>, _>>()?;
            let learner = learner(&settings, &machine, &lower_biases, 0, &mut chance)?;
            Ok(Self { settings, machine, lower_biases, phase: 0, learner })
        })
    }

    /// The phases of the run, in order; each has the settings' number of epochs. Epochs are counted from 1 through all of them.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        let phase = |name: String| Phase { name, epochs: self.settings.epochs };
        if self.settings.family != Family::Dbm {
            return vec![phase("train".to_owned())];
        }
        let layers = (1..=self.settings.n_hidden.len()).map(|layer| phase(format!("pretrain layer {layer}")));
        layers.chain([phase("joint".to_owned())]).collect()
    }

    /// Makes ready for an epoch, counted from 1 through all phases. The first epoch of a phase ends the phase before; any other does
    /// nothing. [`Self::batch`] does it too where it has been left out.
    ///
    /// # Errors
    /// When there is no such epoch, or it belongs to a phase that is over.
    pub fn begin_epoch(&mut self, epoch: u32) -> Result<(), MachineFault> {
        let (phase, _) = self.place(epoch)?;
        if phase < self.phase {
            return Err(MachineFault::setting("epoch", format!("epoch {epoch} belongs to a phase that is over")));
        }
        while self.phase < phase {
            no_grad(|| self.next_phase())?;
        }
        Ok(())
    }

    /// Learns from one batch, `[rows, n_visible]`. The random numbers depend on the seed, the epoch and the batch's number alone, so
    /// a resumed run draws the same.
    ///
    /// # Errors
    /// When the rows have another width or there are none, or learning has run away ([`MachineFault::Diverged`]).
    pub fn batch(&mut self, rows: &Tensor, epoch: u32, number: u64) -> Result<BatchFigures, MachineFault> {
        self.begin_epoch(epoch)?;
        let (_, epoch_of_phase) = self.place(epoch)?;
        let rows = self.machine.rows(rows)?;
        if rows.size()[0] == 0 {
            return Err(MachineFault::WrongWidth { expected: self.settings.n_visible, found: rows.size() });
        }
        let momentum = self.settings.momentum_of(epoch_of_phase);
        let mut chance = Chance::seeded(self.settings.seed, [BATCH, epoch.into(), number]);
        no_grad(|| {
            let input = self.input(&rows, Some(&mut chance))?;
            match &mut self.learner {
                Learner::Pair(pair) => pair.learn(&input, &self.settings, momentum, &mut chance),
                Learner::Joint(joint) => joint.learn(&self.machine, &input, &self.settings, momentum, &mut chance),
            }
        })
    }

    /// Figures over training and validation rows, `[rows, n_visible]`: all of them or a sample, as the caller likes.
    ///
    /// # Errors
    /// When the rows have another width.
    pub fn judge(&self, train: &Tensor, validation: Option<&Tensor>) -> Result<EpochFigures, MachineFault> {
        let train = self.machine.rows(train)?;
        let validation = validation.map(|rows| self.machine.rows(rows)).transpose()?;
        let mut chance = Chance::seeded(self.settings.seed, [JUDGING, 0, 0]);
        no_grad(|| match &self.learner {
            Learner::Pair(pair) if self.settings.family == Family::Dbm => {
                let train = self.input(&train, None)?;
                let validation = validation.map(|rows| self.input(&rows, None)).transpose()?;
                pair_figures(pair, &train, validation.as_ref())
            }
            _ => self.machine.figures(&train, validation.as_ref(), &mut chance),
        })
    }

    /// Everything that a resumed run needs, by name, as copies: the machine's tensors as [`Machine::tensors`] names them, and more.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>, MachineFault> {
        let copy = |(name, tensor): (String, Tensor)| Ok((name, copied(&tensor)?));
        let mut state = self.live().into_iter().map(copy).collect::<Result<Vec<_>, MachineFault>>()?;
        let phase = i64::try_from(self.phase).expect("a machine has few layers");
        state.push(("phase".to_owned(), Tensor::f_from_slice(&[phase])?));
        Ok(state)
    }

    /// Goes on from a state that [`Self::state`] gave, of a run with the same settings: the rest of the run comes out the same bit for
    /// bit on the same CPU.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn restore(&mut self, state: impl IntoIterator<Item = (String, Tensor)>) -> Result<(), MachineFault> {
        let mut state: HashMap<String, Tensor> = state.into_iter().collect();
        let missing = |name: &str, expected: Vec<i64>| MachineFault::MissingTensor { name: name.to_owned(), expected };
        let phase = state.remove("phase").ok_or_else(|| missing("phase", vec![1]))?;
        let phase = usize::try_from(i64::try_from(phase.f_reshape([-1])?.f_get(0)?)?).unwrap_or(usize::MAX);
        if self.phases().len() <= phase {
            return Err(MachineFault::setting("phase", "the state is one of a run with more phases"));
        }
        no_grad(|| {
            let mut chance = Chance::seeded(self.settings.seed, [MAKING, 1, 0]);
            self.learner = learner(&self.settings, &self.machine, &self.lower_biases, phase, &mut chance)?;
            self.phase = phase;
            for (name, mut tensor) in self.live() {
                let expected = tensor.size();
                let kept = state.remove(&name).ok_or_else(|| missing(&name, expected.clone()))?;
                let found = kept.size();
                if found != expected {
                    return Err(MachineFault::WrongShape { name, expected, found });
                }
                tensor.f_copy_(&kept)?;
            }
            Ok(())
        })
    }

    /// The machine as it is now.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The phase of an epoch, and the epoch's number within it, from 1.
    fn place(&self, epoch: u32) -> Result<(usize, u32), MachineFault> {
        let (before, phases) = (epoch.wrapping_sub(1), self.phases().len());
        let phase = (before / self.settings.epochs) as usize;
        if phases <= phase {
            let last = u64::from(self.settings.epochs) * phases as u64;
            return Err(MachineFault::setting("epoch", format!("must be 1 to {last}")));
        }
        Ok((phase, before % self.settings.epochs + 1))
    }

    fn next_phase(&mut self) -> Result<(), MachineFault> {
        let next = self.phase + 1;
        let mut chance = Chance::seeded(self.settings.seed, [PHASE, next as u64, 0]);
        if next == self.machine.top() {
            // A layer in the middle got its input once from each side, doubled, and a bias each time. Now it gets both at once: half of
            // the sum of both inputs, so half of the sum of both biases.
            for (bias, lower) in self.machine.biases[1..].iter_mut().zip(&self.lower_biases) {
                let _ = bias.f_lerp_(lower, 0.5)?;
            }
        }
        self.learner = learner(&self.settings, &self.machine, &self.lower_biases, next, &mut chance)?;
        self.phase = next;
        Ok(())
    }

    /// What the learner gets for these rows: the rows, or what the layers below it make of them, drawn by chance or as probabilities.
    fn input(&self, rows: &Tensor, mut chance: Option<&mut Chance>) -> Result<Tensor, MachineFault> {
        let mut input = rows.shallow_clone();
        if let Learner::Joint(_) = self.learner {
            return Ok(input);
        }
        for layer in 0..self.phase {
            // None of these is the last layer, so each is doubled on the way up.
            let inputs = input.f_matmul(&self.machine.weights[layer])?.f_mul_scalar(2.0)?;
            let mut probabilities = inputs.f_add(&self.machine.biases[layer + 1])?.f_sigmoid()?;
            if let Some(chance) = &mut chance {
                let states = probabilities.f_empty_like()?;
                chance.flip(&states, &probabilities, &mut probabilities.f_empty_like()?)?;
                probabilities = states;
            }
            input = probabilities;
        }
        Ok(input)
    }

    /// All tensors that learning changes, sharing memory.
    fn live(&self) -> Vec<(String, Tensor)> {
        let mut live = self.machine.tensors();
        for (place, bias) in self.lower_biases.iter().enumerate() {
            live.push((format!("lower_bias.{}", place + 1), bias.shallow_clone()));
        }
        live.extend(match &self.learner {
            Learner::Pair(pair) => pair.state(),
            Learner::Joint(joint) => joint.state(),
        });
        live
    }
}

/// What learns in phase number `phase` of a machine.
fn learner(
    settings: &Settings,
    machine: &Machine,
    lower_biases: &[Tensor],
    phase: usize,
    chance: &mut Chance,
) -> Result<Learner, MachineFault> {
    let deep = settings.family == Family::Dbm;
    if settings.family == Family::Bm || (deep && phase == machine.top()) {
        return Ok(Learner::Joint(Joint::begin(machine, settings, chance)?));
    }
    let shared = |tensor: &Tensor| tensor.shallow_clone();
    let (lower, visible) = match phase.checked_sub(1) {
        None => (&machine.biases[0], settings.visible),
        Some(below) => (&lower_biases[below], Visible::Bernoulli),
    };
    let mut pair =
        Pair::new(shared(&machine.weights[phase]), shared(lower), shared(&machine.biases[phase + 1]), visible)?;
    // A layer that will have another one beside it gets from this pair alone what it will get from both.
    pair.up = if phase + 1 < machine.top() { 2.0 } else { 1.0 };
    pair.down = if 0 < phase { 2.0 } else { 1.0 };
    pair.begin(settings, chance)?;
    Ok(Learner::Pair(Box::new(pair)))
}

fn pair_figures(pair: &Pair, train: &Tensor, validation: Option<&Tensor>) -> Result<EpochFigures, MachineFault> {
    let error = |rows: &Tensor| squared_error(&pair.reconstruct(rows)?, rows);
    let [weight_mean, weight_std, weight_max] = spread(&[pair.weight.shallow_clone()])?;
    Ok(EpochFigures {
        reconstruction_error: error(train)?,
        validation_reconstruction_error: validation.map(error).transpose()?,
        pseudo_log_likelihood: None,
        validation_pseudo_log_likelihood: None,
        pseudo_method: None,
        free_energy_gap: None,
        weight_mean,
        weight_std,
        weight_max,
        hidden_mean: number(&pair.probabilities(train)?.f_mean(Kind::Double)?)?,
    })
}
