//! Two layers that learn as a restricted Boltzmann machine: one batch at a time, in place, in buffers that stay.
//!
//! Hinton, "A Practical Guide to Training Restricted Boltzmann Machines" (2010); Tieleman, "Training Restricted Boltzmann
//! Machines using Approximations to the Likelihood Gradient" (2008).

use tch::{Kind, Reduction, TchError, Tensor};

use super::{
    fault::MachineFault,
    settings::{Sampler, Settings, Visible},
};
use crate::skills::torch::Chance;

/// How much of the running mean of a hidden unit's activity stays in each batch (Hinton 2010, section 11: 0.9 to 0.99).
pub(super) const ACTIVITY_KEPT: f64 = 0.9;

/// What one batch told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchFigures {
    /// Mean squared difference between the batch and its reconstruction's probabilities or means.
    pub reconstruction_error: f64,
    /// Euclidean norm of the batch's gradient of all parameters, without weight decay.
    pub gradient_norm: f64,
}

/// A lower and an upper layer. The weights are those of the machine: the same memory.
#[derive(Debug)]
pub(super) struct Pair {
    /// `[lower, upper]`.
    pub(super) weight: Tensor,
    /// `[lower]`.
    pub(super) lower: Tensor,
    /// `[upper]`.
    pub(super) upper: Tensor,
    pub(super) visible: Visible,
    /// How many times the weights count on the way up and on the way down: 2 where a layer of a DBM will get as much again
    /// from the other side (Salakhutdinov & Hinton 2009, section 3.1).
    pub(super) up: f64,
    pub(super) down: f64,
    /// The last change of weight, lower and upper bias.
    speeds: [Tensor; 3],
    /// Upper states of the persistent chains, `[n_chains, upper]`.
    chains: Option<Tensor>,
    /// Running mean activity of the upper units, where sparsity is asked for.
    activity: Option<Tensor>,
    room: Option<Room>,
}

/// Buffers for batches of one size. The data and the chains lie one below the other, so that one product takes their
/// difference. Factors of matrix products are of the kind that the settings ask for, all else is fp32.
#[derive(Debug)]
struct Room {
    rows: i64,
    /// Factors: `[rows + chains, lower]` and its two parts, the data and the chains' lower states.
    lower: Tensor,
    data: Tensor,
    chain_lower: Tensor,
    /// `[rows + chains, upper]` and its two parts, both probabilities.
    upper: Tensor,
    upper_data: Tensor,
    upper_chain: Tensor,
    /// Factors: the probabilities times the shares, `[rows + chains, upper]`.
    upper_shares: Tensor,
    /// What the chains' lower states are drawn from, `[chains, lower]`.
    lower_mean: Tensor,
    lower_noise: Tensor,
    upper_noise: Tensor,
    /// Factors: `[rows, upper]`, where the chains of contrastive divergence begin.
    upper_states: Tensor,
    /// `[rows + chains]`: what each row counts in the gradient, the learning rate included.
    shares: Tensor,
    /// `[lower, upper]`, and where the product goes that it is made of, unless that is fp32 as well.
    gradient: Tensor,
    product: Option<Tensor>,
}

impl Room {
    fn new(pair: &Pair, rows: i64, chains: i64, settings: &Settings) -> Result<Self, TchError> {
        let (lower_units, upper_units) = (pair.lower.size()[0], pair.upper.size()[0]);
        let options = (Kind::Float, pair.weight.device());
        let empty = |rows: i64, units: i64| Tensor::f_empty([rows, units], options);
        let kind = settings.dtype.kind();
        let factors = |rows: i64, units: i64| Tensor::f_empty([rows, units], (kind, options.1));
        let (lower, upper) = (factors(rows + chains, lower_units)?, empty(rows + chains, upper_units)?);
        let plus = Tensor::f_full(rows, settings.lr / rows as f64, options)?;
        let minus = Tensor::f_full(chains, -settings.lr / chains as f64, options)?;
        Ok(Self {
            rows,
            data: lower.f_narrow(0, 0, rows)?,
            chain_lower: lower.f_narrow(0, rows, chains)?,
            upper_data: upper.f_narrow(0, 0, rows)?,
            upper_chain: upper.f_narrow(0, rows, chains)?,
            // In fp32 this is the same memory.
            upper_shares: upper.f_to_kind(kind)?,
            lower,
            upper,
            lower_mean: empty(chains, lower_units)?,
            lower_noise: empty(chains, lower_units)?,
            upper_noise: empty(chains, upper_units)?,
            upper_states: factors(chains, upper_units)?,
            shares: Tensor::f_cat(&[plus, minus], 0)?,
            product: (kind != Kind::Float).then(|| factors(lower_units, upper_units)).transpose()?,
            gradient: pair.weight.f_empty_like()?,
        })
    }
}

impl Pair {
    pub(super) fn new(weight: Tensor, lower: Tensor, upper: Tensor, visible: Visible) -> Result<Self, TchError> {
        let speeds = [weight.f_zeros_like()?, lower.f_zeros_like()?, upper.f_zeros_like()?];
        Ok(Self { weight, lower, upper, visible, up: 1.0, down: 1.0, speeds, chains: None, activity: None, room: None })
    }

    /// Lets persistent chains begin at upper states drawn by the bias, and the activity at its target.
    pub(super) fn begin(&mut self, settings: &Settings, chance: &mut Chance) -> Result<(), TchError> {
        if settings.sampler == Sampler::Pcd {
            let chances = self.upper.f_sigmoid()?.f_expand([settings.n_chains, -1], false)?;
            let states = chances.f_empty_like()?;
            chance.flip(&states, &chances, &mut states.f_empty_like()?)?;
            self.chains = Some(states);
        }
        if let Some(sparsity) = settings.sparsity {
            self.activity = Some(self.upper.f_full_like(sparsity.target)?);
        }
        Ok(())
    }

    /// Learns from one batch, `[rows, lower]`.
    pub(super) fn learn(
        &mut self,
        rows: &Tensor,
        settings: &Settings,
        momentum: f64,
        chance: &mut Chance,
    ) -> Result<BatchFigures, MachineFault> {
        let count = rows.size()[0];
        let mut room = match self.room.take() {
            Some(room) if room.rows == count => room,
            _ => Room::new(self, count, self.chains.as_ref().map_or(count, |chains| chains.size()[0]), settings)?,
        };
        let weight = self.weight.f_to_kind(settings.dtype.kind())?;
        let up = scaled(&weight, self.up)?;
        let down = scaled(&weight, self.down)?.f_tr()?;

        room.data.f_copy_(rows)?;
        self.rise(&room.data, &up, &room.upper_data)?;
        let error = self.walk(&mut room, rows, settings, &up, &down, chance)?;
        let norm = self.change(&mut room, settings, momentum)?;

        self.room = Some(room);
        finite(&error, &norm, settings.lr)
    }

    /// Walks the chains `cd_k` steps, into `chain_lower` (states) and `upper_chain` (their probabilities), and returns the
    /// reconstruction error of the data.
    fn walk(
        &mut self,
        room: &mut Room,
        rows: &Tensor,
        settings: &Settings,
        up: &Tensor,
        down: &Tensor,
        chance: &mut Chance,
    ) -> Result<Tensor, TchError> {
        let upper_states = if let Some(chains) = &self.chains {
            chains.shallow_clone()
        } else {
            chance.flip(&room.upper_states, &room.upper_data, &mut room.upper_noise)?;
            room.upper_states.shallow_clone()
        };
        // Persistent chains tell nothing about the data: their reconstruction is one of its own.
        let mut error = None;
        if self.chains.is_some() {
            let mut mean = rows.f_empty_like()?;
            inputs(&self.lower, &room.upper_data.f_to_kind(down.kind())?, down, &mean)?;
            self.mean_of(&mut mean)?;
            error = Some(mean.f_mse_loss(rows, Reduction::Mean)?);
        }
        for step in 1..=settings.cd_k {
            inputs(&self.lower, &upper_states.f_to_kind(down.kind())?, down, &room.lower_mean)?;
            self.mean_of(&mut room.lower_mean)?;
            if error.is_none() {
                error = Some(room.lower_mean.f_mse_loss(rows, Reduction::Mean)?);
            }
            match self.visible {
                Visible::Bernoulli => chance.flip(&room.chain_lower, &room.lower_mean, &mut room.lower_noise)?,
                Visible::Gaussian => chance.jitter(&room.chain_lower, &room.lower_mean, &mut room.lower_noise)?,
            }
            self.rise(&room.chain_lower, up, &room.upper_chain)?;
            // The last states of contrastive divergence would be drawn for nothing; those of persistent chains go on.
            if step < settings.cd_k || self.chains.is_some() {
                chance.flip(&upper_states, &room.upper_chain, &mut room.upper_noise)?;
            }
        }
        Ok(error.expect("there is at least one step"))
    }

    /// Probabilities of the upper units over lower states, `[rows, upper]`.
    pub(super) fn probabilities(&self, rows: &Tensor) -> Result<Tensor, TchError> {
        self.upper.f_addmm(rows, &scaled(&self.weight, self.up)?)?.f_sigmoid()
    }

    /// Probabilities, or means, of the lower units given the upper ones' probabilities, `[rows, lower]`.
    pub(super) fn reconstruct(&self, rows: &Tensor) -> Result<Tensor, TchError> {
        let down = scaled(&self.weight, self.down)?.f_tr()?;
        let mut means = self.lower.f_addmm(&self.probabilities(rows)?, &down)?;
        self.mean_of(&mut means)?;
        Ok(means)
    }

    /// Probabilities of the upper units over lower states, into `probabilities`.
    fn rise(&self, states: &Tensor, up: &Tensor, probabilities: &Tensor) -> Result<(), TchError> {
        inputs(&self.upper, states, up, probabilities)?;
        probabilities.shallow_clone().f_sigmoid_().map(drop)
    }

    /// Probabilities, or means, of the lower units, in place of their inputs.
    fn mean_of(&self, inputs: &mut Tensor) -> Result<(), TchError> {
        match self.visible {
            Visible::Bernoulli => inputs.f_sigmoid_().map(drop),
            Visible::Gaussian => Ok(()),
        }
    }

    /// Takes the gradient from the states in `room` and changes the parameters by it; returns the norm of the gradient times
    /// the learning rate.
    fn change(&mut self, room: &mut Room, settings: &Settings, momentum: f64) -> Result<Tensor, TchError> {
        if let (Some(sparsity), Some(activity)) = (settings.sparsity, &mut self.activity) {
            let now = room.upper_data.f_mean_dim(0, false, None)?;
            let _ = activity.f_lerp_(&now, 1.0 - ACTIVITY_KEPT)?;
            // The cross-entropy's derivative by a unit's input is its activity's deviation (Hinton 2010, section 11). Taken
            // off the data's probabilities it reaches the unit's weights and its bias.
            let _ = room.upper_data.f_sub_(&activity.f_sub_scalar(sparsity.target)?.f_mul_scalar(sparsity.cost)?)?;
        }
        let _ = room.upper.f_mul_out(&room.upper_shares, &room.shares.f_unsqueeze(1)?)?;
        let transposed = room.lower.f_tr()?;
        let _ = transposed.f_mm_out(room.product.as_ref().unwrap_or(&room.gradient), &room.upper_shares)?;
        if let Some(product) = &room.product {
            room.gradient.f_copy_(product)?;
        }
        let mut gradients = [
            std::mem::replace(&mut room.gradient, Tensor::new()),
            transposed.f_to_kind(Kind::Float)?.f_mv(&room.shares)?,
            room.upper_shares.f_sum_dim_intlist(0, false, Kind::Float)?,
        ];
        let norms = gradients.iter().map(Tensor::f_norm).collect::<Result<Vec<_>, _>>()?;
        let norm = Tensor::f_stack(&norms, 0)?.f_norm()?;

        if 0.0 < settings.weight_decay {
            let pull = Tensor::f_full([], -settings.lr * settings.weight_decay, (Kind::Float, self.weight.device()))?;
            let _ = gradients[0].f_addcmul_(&self.weight, &pull)?;
        }
        let parameters = [&mut self.weight, &mut self.lower, &mut self.upper];
        for ((parameter, speed), gradient) in parameters.into_iter().zip(&mut self.speeds).zip(&mut gradients) {
            if momentum == 0.0 {
                // The gradient is the change; the change before it is room for the next gradient.
                std::mem::swap(speed, gradient);
            } else {
                let _ = speed.f_mul_scalar_(momentum)?.f_add_(gradient)?;
            }
            let _ = parameter.f_add_(speed)?;
        }
        let [spare, ..] = gradients;
        room.gradient = spare;
        Ok(norm)
    }

    /// Everything but the parameters that a resumed run needs.
    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        let speeds = ["weight", "lower", "upper"].map(|name| format!("speed.{name}")).into_iter();
        let mut state: Vec<_> = speeds.zip(self.speeds.iter().map(Tensor::shallow_clone)).collect();
        state.extend(self.chains.iter().map(|chains| ("chains".to_owned(), chains.shallow_clone())));
        state.extend(self.activity.iter().map(|activity| ("activity".to_owned(), activity.shallow_clone())));
        state
    }
}

/// What units get from the states of the other layer, `states · weights + biases`, in fp32 into `inputs`. A product in bf16 is, on a
/// CPU, summed up in fp32 by libtorch and rounded once; the biases are not.
fn inputs(biases: &Tensor, states: &Tensor, weights: &Tensor, inputs: &Tensor) -> Result<(), TchError> {
    if states.kind() == inputs.kind() {
        biases.f_addmm_out(inputs, states, weights).map(drop)
    } else {
        states.f_mm(weights)?.f_add_out(inputs, biases).map(drop)
    }
}

/// A batch's figures in one transfer: on a GPU each one waits for all that was asked of it before. `norm` has the learning rate in it.
pub(super) fn finite(error: &Tensor, norm: &Tensor, lr: f64) -> Result<BatchFigures, MachineFault> {
    let figures = Vec::<f64>::try_from(Tensor::f_stack(&[error, norm], 0)?.f_to_kind(Kind::Double)?)?;
    let (reconstruction_error, gradient_norm) = (figures[0], figures[1] / lr);
    if !(reconstruction_error.is_finite() && gradient_norm.is_finite()) {
        return Err(MachineFault::Diverged);
    }
    Ok(BatchFigures { reconstruction_error, gradient_norm })
}

/// The weights `times` over; the weights themselves where that is once.
fn scaled(weight: &Tensor, times: f64) -> Result<Tensor, TchError> {
    if times == 1.0 { Ok(weight.shallow_clone()) } else { weight.f_mul_scalar(times) }
}
