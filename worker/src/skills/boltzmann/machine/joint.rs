//! A whole machine that learns: mean field over the data, Gibbs chains for the machine.
//!
//! For a DBM: Salakhutdinov & Hinton, "Deep Boltzmann Machines" (2009), section 3. For a BM, whose layers have weights within:
//! Ackley, Hinton & Sejnowski, "A Learning Algorithm for Boltzmann Machines" (1985), with the mean field of Peterson & Anderson
//! (1987) in the positive phase, where it is a lower bound, and never in the negative one, where it would be none.

use tch::{Kind, Reduction, TchError, Tensor};

use super::{
    ais::draw,
    energy::Machine,
    fault::MachineFault,
    lateral::sweep,
    pair::{ACTIVITY_KEPT, BatchFigures, finite},
    settings::{Family, Sampler, Settings},
};
use crate::skills::torch::{Chance, copied};

/// Sweeps of mean field on a batch, at most: the means start close, and the bound that is climbed is one of the present weights
/// only (Salakhutdinov & Hinton 2009 use up to ten).
const SWEEPS: u32 = 10;
/// A sweep that moves no mean by more than this was the last one.
const AT_REST: f64 = 1e-3;
/// Sweeps from independent units on before new persistent chains count.
const WARM_UP: u32 = 20;

/// What belongs to learning beside the machine.
#[derive(Debug)]
pub(super) struct Joint {
    /// The last changes of biases, weights and lateral weights, in this order.
    speeds: Vec<Tensor>,
    /// States of all layers of the persistent chains, `[n_chains, units]`; nothing with contrastive divergence.
    chains: Vec<Tensor>,
    /// Running mean activity of each hidden layer, where sparsity is asked for.
    activity: Vec<Tensor>,
}

impl Joint {
    pub(super) fn begin(machine: &Machine, settings: &Settings, chance: &mut Chance) -> Result<Self, TchError> {
        let speeds = parameters(machine).iter().map(Tensor::f_zeros_like).collect::<Result<_, _>>()?;
        let mut chains = Vec::new();
        if is_persistent(settings) {
            for (layer, bias) in machine.biases.iter().enumerate() {
                let inputs = bias.f_expand([settings.n_chains, -1], false)?.f_contiguous()?;
                chains.push(draw(machine, layer, &inputs, chance)?);
            }
            for _ in 0..WARM_UP {
                gibbs(machine, &mut chains, chance)?;
            }
        }
        let activity = match settings.sparsity {
            Some(sparsity) => {
                machine.biases[1..].iter().map(|bias| bias.f_full_like(sparsity.target)).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        Ok(Self { speeds, chains, activity })
    }

    /// Learns from one batch, `[rows, n_visible]`.
    pub(super) fn learn(
        &mut self,
        machine: &Machine,
        rows: &Tensor,
        settings: &Settings,
        momentum: f64,
        chance: &mut Chance,
    ) -> Result<BatchFigures, MachineFault> {
        let data = machine.mean_field(rows, SWEEPS, AT_REST)?;
        let error = machine.expected_visible(&data)?.f_mse_loss(rows, Reduction::Mean)?;
        let model = self.walk(machine, &data, settings, chance)?;
        let penalties = self.penalties(&data, settings)?;
        let gradients = gradients(machine, &data, &model, &penalties, settings.lr)?;
        let norms = gradients.iter().map(Tensor::f_norm).collect::<Result<Vec<_>, _>>()?;
        let norm = Tensor::f_stack(&norms, 0)?.f_norm()?;

        let biases = machine.biases.len();
        for (place, mut parameter) in parameters(machine).into_iter().enumerate() {
            let speed = &mut self.speeds[place];
            let _ = speed.f_mul_scalar_(momentum)?.f_add_(&gradients[place])?;
            if biases <= place && 0.0 < settings.weight_decay {
                let _ = speed.f_sub_(&parameter.f_mul_scalar(settings.lr * settings.weight_decay)?)?;
            }
            let _ = parameter.f_add_(speed)?;
        }
        finite(&error, &norm, settings.lr)
    }

    /// States of all layers as the machine would have them: the chains' after `cd_k` sweeps. Where a layer's units do not touch, the odd
    /// layers have their probabilities given the even ones: the same on average, with less noise.
    fn walk(
        &mut self,
        machine: &Machine,
        data: &[Tensor],
        settings: &Settings,
        chance: &mut Chance,
    ) -> Result<Vec<Tensor>, TchError> {
        let mut states = if self.chains.is_empty() {
            let mut states = vec![copied(&data[0])?];
            for means in &data[1..] {
                let drawn = means.f_empty_like()?;
                chance.flip(&drawn, means, &mut means.f_empty_like()?)?;
                states.push(drawn);
            }
            states
        } else {
            std::mem::take(&mut self.chains)
        };
        for _ in 0..settings.cd_k {
            gibbs(machine, &mut states, chance)?;
        }
        let mut model: Vec<Tensor> = states.iter().map(Tensor::shallow_clone).collect();
        if is_persistent(settings) {
            self.chains = states;
        }
        if machine.laterals.is_empty() {
            for layer in (1..=machine.top()).step_by(2) {
                model[layer] = machine.inflow(layer, &model)?.f_add(&machine.biases[layer])?.f_sigmoid()?;
            }
        }
        Ok(model)
    }

    /// What is taken off the data's hidden means for the sake of sparsity, for each hidden layer; nothing where none is asked for.
    fn penalties(&mut self, data: &[Tensor], settings: &Settings) -> Result<Vec<Tensor>, TchError> {
        let Some(sparsity) = settings.sparsity else { return Ok(Vec::new()) };
        let mut penalties = Vec::with_capacity(self.activity.len());
        for (activity, means) in self.activity.iter_mut().zip(&data[1..]) {
            let _ = activity.f_lerp_(&means.f_mean_dim(0, false, None)?, 1.0 - ACTIVITY_KEPT)?;
            penalties.push(activity.f_sub_scalar(sparsity.target)?.f_mul_scalar(sparsity.cost)?);
        }
        Ok(penalties)
    }

    /// Everything but the parameters that a resumed run needs.
    pub(super) fn state(&self) -> Vec<(String, Tensor)> {
        let kinds = [("speed", &self.speeds), ("chains", &self.chains), ("activity", &self.activity)];
        let of_kind = |(name, tensors): (&'static str, &Vec<Tensor>)| {
            let named = |(place, tensor): (usize, &Tensor)| (format!("joint.{name}.{place}"), tensor.shallow_clone());
            tensors.iter().enumerate().map(named).collect::<Vec<_>>()
        };
        kinds.into_iter().flat_map(of_kind).collect()
    }
}

/// Whether chains go on from batch to batch: in the joint training of a DBM always.
fn is_persistent(settings: &Settings) -> bool {
    settings.family == Family::Dbm || settings.sampler == Sampler::Pcd
}

/// One Gibbs sweep: every layer in turn, odd ones first, given those beside it; units of a layer with weights within one after
/// the other.
fn gibbs(machine: &Machine, states: &mut [Tensor], chance: &mut Chance) -> Result<(), TchError> {
    let layers = 0..=machine.top();
    for layer in layers.clone().skip(1).step_by(2).chain(layers.step_by(2)) {
        let inputs = machine.inflow(layer, states)?.f_add(&machine.biases[layer])?;
        states[layer] = match machine.laterals.get(layer) {
            Some(lateral) => sweep(&states[layer], &inputs, lateral, chance)?,
            None => draw(machine, layer, &inputs, chance)?,
        };
    }
    Ok(())
}

/// Biases, weights and lateral weights, sharing memory.
fn parameters(machine: &Machine) -> Vec<Tensor> {
    let all = machine.biases.iter().chain(&machine.weights).chain(&machine.laterals);
    all.map(Tensor::shallow_clone).collect()
}

/// What each parameter should change by, the learning rate included: the data's statistics less the machine's.
fn gradients(
    machine: &Machine,
    data: &[Tensor],
    model: &[Tensor],
    penalties: &[Tensor],
    lr: f64,
) -> Result<Vec<Tensor>, TchError> {
    let options = (Kind::Float, machine.device());
    let share = |states: &Tensor, sign: f64| {
        let count = states.size()[0];
        Tensor::f_full([count, 1], sign * lr / count as f64, options)
    };
    let shares = Tensor::f_cat(&[share(&data[0], 1.0)?, share(&model[0], -1.0)?], 0)?;
    let mut stacked = Vec::with_capacity(data.len());
    let mut shared = Vec::with_capacity(data.len());
    for (layer, (data, model)) in data.iter().zip(model).enumerate() {
        stacked.push(Tensor::f_cat(&[data, model], 0)?);
        shared.push(match layer.checked_sub(1).and_then(|hidden| penalties.get(hidden)) {
            Some(penalty) => Tensor::f_cat(&[&data.f_sub(penalty)?, model], 0)?.f_mul(&shares)?,
            None => stacked[layer].f_mul(&shares)?,
        });
    }
    let mut gradients = Vec::new();
    for shared in &shared {
        gradients.push(shared.f_sum_dim_intlist(0, false, None)?);
    }
    for layer in 0..machine.weights.len() {
        gradients.push(stacked[layer].f_tr()?.f_matmul(&shared[layer + 1])?);
    }
    for stacked in &stacked[..machine.laterals.len()] {
        // One half and its mirror image: symmetric to the last bit, and nothing on the diagonal.
        let half = stacked.f_tr()?.f_matmul(&stacked.f_mul(&shares)?)?.f_tril(-1)?;
        gradients.push(half.f_add(&half.f_tr()?)?);
    }
    Ok(gradients)
}
