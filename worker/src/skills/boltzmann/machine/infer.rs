//! What a machine makes of rows: hidden probabilities, reconstructions, free energies.

use tch::{TchError, Tensor, no_grad};

use super::{energy::Machine, fault::MachineFault, lateral::settle, settings::Visible};

/// Sweeps of mean field where rows are judged or transformed; it is at rest long before.
const SWEEPS: u32 = 50;
/// A sweep that moves no mean by more than this was the last one.
const AT_REST: f64 = 1e-5;

impl Machine {
    /// Probabilities of the last hidden layer's units, `[rows, units]`, over rows `[rows, n_visible]`. Exact for an RBM; by mean
    /// field for a BM and a DBM.
    ///
    /// # Errors
    /// When the rows have another width.
    pub fn hidden(&self, visible: &Tensor) -> Result<Tensor, MachineFault> {
        let visible = self.rows(visible)?;
        let mut states = no_grad(|| self.mean_field(&visible, SWEEPS, AT_REST))?;
        Ok(states.pop().expect("a machine has a hidden layer"))
    }

    /// Probabilities of the visible units, or their means, `[rows, n_visible]`, given the hidden probabilities. A visible unit of a
    /// BM also sees the row's other visible units.
    ///
    /// # Errors
    /// As [`Self::hidden`].
    pub fn reconstruct(&self, visible: &Tensor) -> Result<Tensor, MachineFault> {
        let visible = self.rows(visible)?;
        Ok(no_grad(|| self.expected_visible(&self.mean_field(&visible, SWEEPS, AT_REST)?))?)
    }

    /// Free energy of each row, `[rows]` in nats: `- ln Σ_h exp(- E(row, h))`. A BM and a DBM have no closed form for it; what
    /// is returned is the variational bound, which is never less.
    ///
    /// # Errors
    /// As [`Self::hidden`].
    pub fn free_energy(&self, visible: &Tensor) -> Result<Tensor, MachineFault> {
        let visible = self.rows(visible)?;
        Ok(no_grad(|| self.free_energy_of(&visible))?)
    }

    pub(super) fn free_energy_of(&self, visible: &Tensor) -> Result<Tensor, TchError> {
        if self.has_closed_form() {
            let hidden = self.biases[1].f_addmm(visible, &self.weights[0])?.f_softplus()?;
            let hidden = hidden.f_sum_dim_intlist(1, false, None)?;
            return self.bias_term(0, visible)?.f_add(&hidden)?.f_neg();
        }
        self.bound(&self.mean_field(visible, SWEEPS, AT_REST)?)?.f_neg()
    }

    /// The visible units' probabilities or means given all layers' states.
    pub(super) fn expected_visible(&self, states: &[Tensor]) -> Result<Tensor, TchError> {
        let mut inputs = self.inflow(0, states)?.f_add(&self.biases[0])?;
        if let Some(lateral) = self.laterals.first() {
            inputs = inputs.f_add(&states[0].f_matmul(lateral)?)?;
        }
        match self.visible {
            Visible::Bernoulli => inputs.f_sigmoid(),
            Visible::Gaussian => Ok(inputs),
        }
    }

    /// The rows and each hidden layer's means over them, at most `sweeps` sweeps after a first pass upwards. Exact for an RBM, where
    /// the first pass is all there is.
    pub(super) fn mean_field(&self, visible: &Tensor, sweeps: u32, at_rest: f64) -> Result<Vec<Tensor>, TchError> {
        let mut states = vec![visible.shallow_clone()];
        for layer in 1..=self.top() {
            let inputs = states[layer - 1].f_matmul(&self.weights[layer - 1])?;
            // Nothing comes from above yet: what comes from below stands for it (Salakhutdinov & Hinton 2009, section 3.1).
            let inputs = if layer < self.top() { inputs.f_mul_scalar(2.0)? } else { inputs };
            states.push(inputs.f_add(&self.biases[layer])?.f_sigmoid()?);
        }
        if self.has_closed_form() {
            return Ok(states);
        }
        for _ in 0..sweeps {
            let before: Vec<Tensor> = states[1..].iter().map(Tensor::shallow_clone).collect();
            self.mean_field_sweep(&mut states)?;
            let mut moved = 0.0_f64;
            for (before, after) in before.iter().zip(&states[1..]) {
                moved = moved.max(f64::try_from(before.f_sub(after)?.f_abs()?.f_max()?)?);
            }
            if moved <= at_rest {
                break;
            }
        }
        Ok(states)
    }

    /// Odd layers, then even ones: those of one kind do not touch, so each step raises the bound.
    pub(super) fn mean_field_sweep(&self, states: &mut [Tensor]) -> Result<(), TchError> {
        for layer in (1..=self.top()).step_by(2).chain((2..=self.top()).step_by(2)) {
            let inputs = self.inflow(layer, states)?.f_add(&self.biases[layer])?;
            states[layer] = match self.laterals.get(layer) {
                Some(lateral) => settle(&states[layer], &inputs, lateral)?,
                None => inputs.f_sigmoid()?,
            };
        }
        Ok(())
    }

    /// The variational lower bound of `ln Σ_h exp(- E(row, h))` at the hidden means in `states`, `[rows]`: expected negative energy
    /// plus entropy.
    pub(super) fn bound(&self, states: &[Tensor]) -> Result<Tensor, TchError> {
        let mut bound = self.negative_energy(states)?;
        for means in &states[1..] {
            let entropy = means.f_special_entr()?.f_add(&means.f_neg()?.f_add_scalar(1.0)?.f_special_entr()?)?;
            bound = bound.f_add(&entropy.f_sum_dim_intlist(1, false, None)?)?;
        }
        Ok(bound)
    }

    /// `- E` of each row of states, `[rows]`.
    pub(super) fn negative_energy(&self, states: &[Tensor]) -> Result<Tensor, TchError> {
        let rows_sum = |left: &Tensor, right: &Tensor| left.f_mul(right)?.f_sum_dim_intlist(1, false, None);
        let mut sum = self.bias_term(0, &states[0])?;
        for (layer, weight) in self.weights.iter().enumerate() {
            sum = sum.f_add(&self.bias_term(layer + 1, &states[layer + 1])?)?;
            sum = sum.f_add(&rows_sum(&states[layer].f_matmul(weight)?, &states[layer + 1])?)?;
        }
        for (states, lateral) in states.iter().zip(&self.laterals) {
            sum = sum.f_add(&rows_sum(&states.f_matmul(lateral)?, states)?.f_mul_scalar(0.5)?)?;
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::skills::{boltzmann::machine::settings::Family, torch::Chance};

    const OPTIONS: (Kind, Device) = (Kind::Double, Device::Cpu);

    fn machine(family: Family, widths: &[i64], spread: f64) -> Machine {
        let mut chance = Chance::seeded(1, [0, 0, 0]);
        let mut draw = |shape: &[i64]| chance.normal_like(&Tensor::empty(shape, OPTIONS)).unwrap() * spread;
        let biases = widths.iter().map(|&units| draw(&[units])).collect();
        let weights = widths.windows(2).map(&mut draw).collect();
        let laterals = if family == Family::Bm { widths } else { &[] };
        let symmetric = |half: Tensor| &half + half.tr();
        let laterals = laterals.iter().map(|&units| symmetric(draw(&[units, units]).tril(-1))).collect();
        Machine { family, visible: Visible::Bernoulli, biases, weights, laterals }
    }

    /// Strong couplings, where updates of all units at once would swing to and fro.
    fn strong() -> [Machine; 3] {
        // Threads would only wait for each other over matrices of this size.
        tch::set_num_threads(1);
        [
            machine(Family::Bm, &[6, 9], 2.0),
            machine(Family::Dbm, &[6, 5, 4], 2.0),
            machine(Family::Dbm, &[6, 5, 4, 3], 2.0),
        ]
    }

    fn rows() -> Tensor {
        let mut chance = Chance::seeded(2, [0, 0, 0]);
        chance.uniform_like(&Tensor::empty([40, 6], OPTIONS)).unwrap().lt(0.5).to_kind(Kind::Double)
    }

    #[test]
    fn each_sweep_of_mean_field_raises_the_bound_of_every_row_until_it_rests_below_the_exact_value() {
        for machine in strong() {
            let exact = machine.counted_free_energy(&rows(), 1 << 20).unwrap().unwrap();
            let mut states = machine.mean_field(&rows(), 0, 0.0).unwrap();
            let mut bound = machine.bound(&states).unwrap();
            let first = bound.shallow_clone();
            for _ in 0..200 {
                machine.mean_field_sweep(&mut states).unwrap();
                let next = machine.bound(&states).unwrap();
                let fallen = f64::try_from((&bound - &next).max()).unwrap();
                assert!(fallen < 1e-12, "the bound fell by {fallen}");
                bound = next;
            }
            let mut again = states.iter().map(Tensor::shallow_clone).collect::<Vec<_>>();
            machine.mean_field_sweep(&mut again).unwrap();

            let moved = f64::try_from((&again[1] - &states[1]).abs().max()).unwrap();
            assert!(moved < 1e-6, "still moving by {moved}");
            assert!(f64::try_from((&bound - &exact).max()).unwrap() < 1e-12, "a bound above what it bounds");
            assert!(0.01 < f64::try_from((&bound - &first).max()).unwrap(), "nothing was gained");
        }
    }

    #[test]
    fn mean_field_stops_where_it_rests() {
        for machine in strong() {
            let few = machine.mean_field(&rows(), 50, 1e9).unwrap();
            let mut one = machine.mean_field(&rows(), 0, 0.0).unwrap();
            machine.mean_field_sweep(&mut one).unwrap();

            assert_eq!(few, one);
        }
    }
}
