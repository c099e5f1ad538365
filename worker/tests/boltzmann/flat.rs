//! What a machine is, once more and plainly: units, biases, couplings, and a loop over all states. It shares no code with the machines
//! that it judges.

use relevo_worker::skills::boltzmann::machine::Machine;
use tch::Tensor;

/// A Boltzmann machine of any kind with few units, the visible ones first, then the hidden layers from the lowest on.
pub(crate) struct Flat {
    pub(crate) visible: usize,
    pub(crate) bias: Vec<f64>,
    /// Symmetric, nothing on the diagonal.
    pub(crate) coupling: Vec<Vec<f64>>,
}

/// Means of units and of pairs of units.
pub(crate) struct Moments {
    pub(crate) single: Vec<f64>,
    pub(crate) pair: Vec<Vec<f64>>,
}

impl Flat {
    /// The same machine, from its named tensors.
    pub(crate) fn of(machine: &Machine) -> Self {
        let tensors = machine.tensors();
        let of_kind = |kind: &str| -> Vec<Tensor> {
            tensors
                .iter()
                .filter(|(name, _)| name.starts_with(kind))
                .map(|(_, tensor)| tensor.shallow_clone())
                .collect()
        };
        let biases = of_kind("bias.");
        let bias: Vec<f64> = biases.iter().flat_map(numbers).collect();
        let starts: Vec<usize> = biases
            .iter()
            .scan(0, |from, bias| {
                let start = *from;
                *from += bias.numel();
                Some(start)
            })
            .collect();
        let mut coupling = vec![vec![0.0; bias.len()]; bias.len()];
        let mut couple = |rows: usize, columns: usize, matrix: &Tensor| {
            for (i, row) in matrix_of(matrix).into_iter().enumerate() {
                for (j, weight) in row.into_iter().enumerate() {
                    coupling[rows + i][columns + j] = weight;
                    coupling[columns + j][rows + i] = weight;
                }
            }
        };
        for (layer, weight) in of_kind("weight.").iter().enumerate() {
            couple(starts[layer], starts[layer + 1], weight);
        }
        for (layer, lateral) in of_kind("lateral.").iter().enumerate() {
            couple(starts[layer], starts[layer], lateral);
        }
        Self { visible: biases[0].numel(), bias, coupling }
    }

    /// States of the visible units, then of all units, as numbers whose lowest bit is the first unit.
    fn negative_energy(&self, state: usize) -> f64 {
        let mut sum = 0.0;
        for (i, bias) in self.bias.iter().enumerate().filter(|(i, _)| state >> i & 1 == 1) {
            sum += bias;
            sum += (0..i).filter(|j| state >> j & 1 == 1).map(|j| self.coupling[i][j]).sum::<f64>();
        }
        sum
    }

    /// All states whose visible part is `row`; all states where there is no row.
    fn states(&self, row: Option<usize>) -> impl Iterator<Item = usize> {
        let mask = (1 << self.visible) - 1;
        (0..1_usize << self.bias.len()).filter(move |state| row.is_none_or(|row| state & mask == row))
    }

    /// `ln Σ exp(- E)` over these states.
    pub(crate) fn log_sum(&self, row: Option<usize>) -> f64 {
        let energies: Vec<f64> = self.states(row).map(|state| self.negative_energy(state)).collect();
        let top = energies.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        top + energies.iter().map(|energy| (energy - top).exp()).sum::<f64>().ln()
    }

    /// Means under the machine, given a row's visible states where there is one.
    pub(crate) fn moments(&self, row: Option<usize>) -> Moments {
        let total = self.log_sum(row);
        let units = self.bias.len();
        let mut moments = Moments { single: vec![0.0; units], pair: vec![vec![0.0; units]; units] };
        for state in self.states(row) {
            let chance = (self.negative_energy(state) - total).exp();
            for i in (0..units).filter(|i| state >> i & 1 == 1) {
                moments.single[i] += chance;
                for j in (0..units).filter(|j| state >> j & 1 == 1) {
                    moments.pair[i][j] += chance;
                }
            }
        }
        moments
    }

    /// Mean log-likelihood of rows, in nats.
    pub(crate) fn log_likelihood(&self, rows: &[usize]) -> f64 {
        let total = self.log_sum(None);
        rows.iter().map(|&row| self.log_sum(Some(row)) - total).sum::<f64>() / rows.len() as f64
    }
}

/// All numbers of a tensor.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(tch::Kind::Double).flatten(0, -1)).unwrap()
}

/// The rows of a matrix.
pub(crate) fn matrix_of(tensor: &Tensor) -> Vec<Vec<f64>> {
    let width = tensor.size()[1] as usize;
    numbers(tensor).chunks(width).map(<[f64]>::to_vec).collect()
}

/// Rows of visible states as a tensor, `[rows, visible]`.
pub(crate) fn rows_of(rows: &[usize], visible: usize) -> Tensor {
    let bits: Vec<f32> = rows.iter().flat_map(|row| (0..visible).map(move |i| (row >> i & 1) as f32)).collect();
    Tensor::from_slice(&bits).view([rows.len() as i64, visible as i64])
}
