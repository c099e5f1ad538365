//! Annealed importance sampling of a partition function.
//!
//! Neal, "Annealed Importance Sampling" (2001); Salakhutdinov & Murray, "On the Quantitative Analysis of Deep Belief Networks"
//! (2008). Chains walk from a machine without weights, whose partition function is known, to the machine itself, in steps of
//! `β` from 0 to 1: biases are mixed, weights count `β` times. What the steps change in the chains' weights adds up
//! to an estimate of the ratio of the two partition functions.

use tch::{Kind, TchError, Tensor};

use super::{energy::Machine, judge::number, lateral::sweep, settings::Visible};
use crate::skills::torch::Chance;

/// A walk that is under way.
#[derive(Debug)]
pub(super) struct Walk {
    /// Biases of the machine without weights: those that give the rows' means.
    base: Vec<Tensor>,
    /// Layers whose states the chains hold; the others are summed in closed form.
    kept: Vec<usize>,
    /// States of all layers, `[chains, units]`.
    states: Vec<Tensor>,
    /// Logarithms of the chains' weights, `[chains]`.
    weights: Tensor,
}

/// A partition function's logarithm in nats, and an interval around it of three standard errors to each side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    pub(super) middle: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Walk {
    /// Chains at `β = 0`. `means`: each layer's mean over the rows, the visible one first.
    pub(super) fn begin(
        machine: &Machine,
        means: &[Tensor],
        chains: i64,
        chance: &mut Chance,
    ) -> Result<Self, TchError> {
        let mut base = Vec::with_capacity(means.len());
        let mut states = Vec::with_capacity(means.len());
        for (layer, mean) in means.iter().enumerate() {
            let room = mean.f_expand([chains, -1], false)?.f_contiguous()?;
            if layer == 0 && machine.visible == Visible::Gaussian {
                base.push(mean.shallow_clone());
                states.push(room.f_add(&chance.normal_like(&room)?)?);
            } else {
                // A unit that is hardly ever on in the rows may be on often in the machine: chains must be able to get there.
                base.push(mean.f_logit(0.05)?);
                let chances = base[layer].f_sigmoid()?;
                states.push(chance.uniform_like(&room)?.f_lt_tensor(&chances)?.f_to_kind(room.kind())?);
            }
        }
        let layers = 0..=machine.top();
        let kept = if machine.laterals.is_empty() { layers.step_by(2).collect() } else { layers.collect() };
        let weights = Tensor::f_zeros(chains, (Kind::Double, machine.device()))?;
        Ok(Self { base, kept, states, weights })
    }

    /// One step, from `from` to `to`.
    pub(super) fn step(&mut self, machine: &Machine, from: f64, to: f64, chance: &mut Chance) -> Result<(), TchError> {
        let others: Vec<usize> = (0..self.states.len()).filter(|layer| !self.kept.contains(layer)).collect();
        let inflows = others.iter().map(|&layer| machine.inflow(layer, &self.states)).collect::<Result<Vec<_>, _>>()?;
        let (before, after) = (self.biases(machine, from)?, self.biases(machine, to)?);
        let change = if others.is_empty() {
            self.change_with_laterals(machine, to - from)?
        } else {
            let weigh = |biases: &[Tensor], beta| self.log_weight(machine, biases, beta, &others, &inflows);
            weigh(&after, to)?.f_sub(&weigh(&before, from)?)?
        };
        let _ = self.weights.f_add_(&change)?;
        for (&layer, inflow) in others.iter().zip(&inflows) {
            self.states[layer] = draw(machine, layer, &after[layer].f_add(&inflow.f_mul_scalar(to)?)?, chance)?;
        }
        for &layer in &self.kept {
            let inputs = after[layer].f_add(&machine.inflow(layer, &self.states)?.f_mul_scalar(to)?)?;
            self.states[layer] = match machine.laterals.get(layer) {
                Some(lateral) => sweep(&self.states[layer], &inputs, &lateral.f_mul_scalar(to)?, chance)?,
                None => draw(machine, layer, &inputs, chance)?,
            };
        }
        Ok(())
    }

    /// The estimate after the last step.
    pub(super) fn end(&self, machine: &Machine) -> Result<Interval, TchError> {
        let mut start = 0.0;
        for (layer, bias) in self.base.iter().enumerate() {
            let nothing = bias.f_zeros_like()?.f_unsqueeze(0)?;
            start += number(&machine.log_sum_of_layer(layer, bias, &nothing)?)?;
        }
        let chains = self.weights.size()[0] as f64;
        let mean = number(&self.weights.f_logsumexp(0, false)?)? - chains.ln();
        // The standard error of the mean weight, as a share of it: that is the logarithm's own, to first order.
        let shares = self.weights.f_sub_scalar(mean)?.f_exp()?;
        let error = number(&shares.f_std(chains > 1.0)?)? / chains.sqrt();
        let middle = start + mean;
        Ok(Interval { middle, low: middle - 3.0 * error, high: middle + 3.0 * error })
    }

    fn biases(&self, machine: &Machine, beta: f64) -> Result<Vec<Tensor>, TchError> {
        self.base.iter().zip(&machine.biases).map(|(base, own)| base.f_lerp(own, beta)).collect()
    }

    /// The logarithm of the unnormalised probability of the kept layers' states.
    fn log_weight(
        &self,
        machine: &Machine,
        biases: &[Tensor],
        beta: f64,
        others: &[usize],
        inflows: &[Tensor],
    ) -> Result<Tensor, TchError> {
        let mut sum = self.weights.f_zeros_like()?;
        for &layer in &self.kept {
            sum = sum.f_add(&machine.bias_term_by(layer, &biases[layer], &self.states[layer])?)?;
        }
        for (&layer, inflow) in others.iter().zip(inflows) {
            sum = sum.f_add(&machine.log_sum_of_layer(layer, &biases[layer], &inflow.f_mul_scalar(beta)?)?)?;
        }
        Ok(sum)
    }

    /// How much the weights change where every layer is kept: the energy is linear in `β`.
    fn change_with_laterals(&self, machine: &Machine, step: f64) -> Result<Tensor, TchError> {
        let mut sum = machine.negative_energy(&self.states)?;
        for (base, states) in self.base.iter().zip(&self.states) {
            sum = sum.f_sub(&states.f_mv(base)?)?;
        }
        sum.f_mul_scalar(step)
    }
}

/// New states of a layer that has no weights within, from its units' inputs.
pub(super) fn draw(machine: &Machine, layer: usize, inputs: &Tensor, chance: &mut Chance) -> Result<Tensor, TchError> {
    if layer == 0 && machine.visible == Visible::Gaussian {
        return inputs.f_add(&chance.normal_like(inputs)?);
    }
    let states = inputs.f_empty_like()?;
    chance.flip(&states, &inputs.f_sigmoid()?, &mut inputs.f_empty_like()?)?;
    Ok(states)
}
