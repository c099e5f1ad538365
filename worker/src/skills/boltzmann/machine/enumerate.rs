//! Sums over all states of some units, where they are few enough to be counted.

use tch::{Device, Kind, TchError, Tensor};

use super::{energy::Machine, settings::Visible};

/// Patterns that are looked at in one piece.
const PIECE: i64 = 1 << 12;
/// Rows whose sums are taken in one piece.
const ROWS: i64 = 1 << 10;

/// Layers whose states are counted; every other layer is summed in closed form, because no two of its units touch.
#[derive(Debug)]
pub(super) struct Counted {
    layers: Vec<usize>,
    units: i64,
}

impl Counted {
    /// The fewest units that decide the partition function of a machine, or nothing where they are more than `at_most`.
    pub(super) fn of(machine: &Machine, at_most: i64) -> Option<Self> {
        let layers = 0..=machine.top();
        let choices: Vec<Vec<usize>> = if machine.laterals.is_empty() {
            vec![layers.clone().skip(1).step_by(2).collect(), layers.step_by(2).collect()]
        } else {
            vec![layers.collect()]
        };
        // Real-valued units have no patterns to count.
        let countable = |layers: &Vec<usize>| !(layers.contains(&0) && machine.visible == Visible::Gaussian);
        let counted = choices.into_iter().filter(countable).map(|layers| {
            let units = layers.iter().map(|&layer| machine.biases[layer].size()[0]).sum();
            Self { layers, units }
        });
        counted.min_by_key(|counted| counted.units).filter(|counted| counted.units <= at_most)
    }

    /// The number of pieces.
    pub(super) const fn pieces(&self) -> i64 {
        ((1 << self.units) + PIECE - 1) / PIECE
    }

    /// The logarithm of one piece's part of the partition function.
    pub(super) fn piece(&self, machine: &Machine, piece: i64) -> Result<Tensor, TchError> {
        let states = self.states(machine, piece)?;
        machine.log_sum_of_others(&states, &self.layers)?.f_logsumexp(0, false)
    }

    /// States of all layers: the counted ones' patterns, and nothing in the others' places.
    fn states(&self, machine: &Machine, piece: i64) -> Result<Vec<Tensor>, TchError> {
        let last = (1 << self.units).min((piece + 1) * PIECE);
        let patterns = patterns(piece * PIECE, last, self.units, (machine.biases[0].kind(), machine.device()))?;
        let mut from = 0;
        let mut states: Vec<Tensor> = (0..=machine.top()).map(|_| Tensor::new()).collect();
        for &layer in &self.layers {
            let units = machine.biases[layer].size()[0];
            states[layer] = patterns.f_narrow(1, from, units)?;
            from += units;
        }
        Ok(states)
    }
}

impl Machine {
    /// `ln Σ exp(- E)` over the states of all layers but `kept`, for each row of the kept ones' states. No two units outside `kept`
    /// may touch. An integral where the visible units are real-valued.
    pub(super) fn log_sum_of_others(&self, states: &[Tensor], kept: &[usize]) -> Result<Tensor, TchError> {
        let mut sum: Option<Tensor> = None;
        let mut add = |term: Tensor| -> Result<(), TchError> {
            sum = Some(match sum.take() {
                Some(sum) => sum.f_add(&term)?,
                None => term,
            });
            Ok(())
        };
        if kept.len() == states.len() {
            return self.negative_energy(states);
        }
        for layer in 0..=self.top() {
            add(if kept.contains(&layer) {
                self.bias_term(layer, &states[layer])?
            } else {
                self.log_sum_of_layer(layer, &self.biases[layer], &self.inflow(layer, states)?)?
            })?;
        }
        Ok(sum.expect("a machine has layers"))
    }

    /// `ln Σ_x exp(b·x + x·inflow)` over the states of a layer for each row of `inflow`; of Gaussian units the integral of
    /// `exp(- ½ |x - b|² + x·inflow)`.
    pub(super) fn log_sum_of_layer(&self, layer: usize, bias: &Tensor, inflow: &Tensor) -> Result<Tensor, TchError> {
        if layer == 0 && self.visible == Visible::Gaussian {
            let units = bias.size()[0] as f64;
            let exponent = inflow.f_square()?.f_mul_scalar(0.5)?.f_add(&inflow.f_mul(bias)?)?;
            let exponent = exponent.f_sum_dim_intlist(1, false, None)?;
            return exponent.f_add_scalar(0.5 * units * std::f64::consts::TAU.ln());
        }
        inflow.f_add(bias)?.f_softplus()?.f_sum_dim_intlist(1, false, None)
    }

    /// `ln Σ_h exp(- E(row, h))` of each row, `[rows]`, by counting the states of every second hidden layer from the first on; nothing
    /// where that would be more than `at_most` terms.
    pub(super) fn counted_free_energy(&self, rows: &Tensor, at_most: i64) -> Result<Option<Tensor>, TchError> {
        let layers: Vec<usize> = (1..=self.top()).step_by(2).collect();
        let units: i64 = layers.iter().map(|&layer| self.biases[layer].size()[0]).sum();
        let fits = |terms: i64| rows.size()[0].checked_mul(terms).is_some_and(|terms| terms <= at_most);
        if 40 < units || !fits(1 << units) {
            return Ok(None);
        }
        let counted = Counted { layers, units };
        let mut sums = Vec::new();
        for rows in rows.f_split(ROWS, 0)? {
            // Only the first hidden layer touches the rows.
            let inflow = rows.f_matmul(&self.weights[0])?;
            let mut pieces = Vec::new();
            for piece in 0..counted.pieces() {
                let states = counted.states(self, piece)?;
                let alone = self.log_sum_without_visible(&states, &counted.layers)?;
                let exponents = inflow.f_matmul(&states[1].f_tr()?)?.f_add(&alone)?;
                pieces.push(exponents.f_logsumexp(1, false)?);
            }
            let mut sum = Tensor::f_stack(&pieces, 0)?.f_logsumexp(0, false)?.f_add(&self.bias_term(0, &rows)?)?;
            if let Some(lateral) = self.laterals.first() {
                let pairs = rows.f_matmul(lateral)?.f_mul(&rows)?.f_sum_dim_intlist(1, false, None)?;
                sum = sum.f_add(&pairs.f_mul_scalar(0.5)?)?;
            }
            sums.push(sum);
        }
        Tensor::f_cat(&sums, 0).map(Some)
    }

    /// What the hidden layers weigh by themselves, for patterns of those in `kept`.
    fn log_sum_without_visible(&self, states: &[Tensor], kept: &[usize]) -> Result<Tensor, TchError> {
        let mut sum = self.bias_term(1, &states[1])?;
        if let Some(lateral) = self.laterals.get(1) {
            let pairs = states[1].f_matmul(lateral)?.f_mul(&states[1])?.f_sum_dim_intlist(1, false, None)?;
            sum = sum.f_add(&pairs.f_mul_scalar(0.5)?)?;
        }
        for layer in 2..=self.top() {
            sum = sum.f_add(&if kept.contains(&layer) {
                self.bias_term(layer, &states[layer])?
            } else {
                self.log_sum_of_layer(layer, &self.biases[layer], &self.inflow(layer, states)?)?
            })?;
        }
        Ok(sum)
    }
}

/// The binary digits of the numbers from `from` up to `to`, `[to - from, units]`, the lowest digit first.
pub(super) fn patterns(from: i64, to: i64, units: i64, options: (Kind, Device)) -> Result<Tensor, TchError> {
    let whole = (Kind::Int64, options.1);
    let numbers = Tensor::f_arange_start(from, to, whole)?.f_unsqueeze(1)?;
    let places = Tensor::f_arange(units, whole)?;
    numbers.f_bitwise_right_shift(&places)?.f_bitwise_and(1)?.f_to_kind(options.0)
}
