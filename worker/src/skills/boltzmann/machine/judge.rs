//! What an epoch is judged by.

use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, TchError, Tensor};

use super::{energy::Machine, fault::MachineFault, settings::Visible};
use crate::skills::torch::Chance;

/// Every bit is flipped where that takes no more than this many hidden units to be looked at; one in 30 million is a fraction of a second.
const EVERY_BIT_UP_TO: i64 = 1 << 25;

/// How a pseudo-log-likelihood was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PseudoMethod {
    /// Every bit of every row is flipped in turn.
    EveryBit,
    /// One bit of each row, drawn by chance, stands for all (the estimate of scikit-learn's `BernoulliRBM.score_samples`).
    OneBit,
}

/// Figures of a machine after an epoch.
///
/// While a layer of a DBM is pre-trained they are those of that layer on its own input, and the ones that need an energy are absent:
/// a layer whose weights count twice in one direction only has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochFigures {
    /// Mean squared difference between the training rows and their reconstruction.
    pub reconstruction_error: f64,
    /// The same of the validation rows.
    pub validation_reconstruction_error: Option<f64>,
    /// Mean pseudo-log-likelihood of a training row in nats: the sum over its bits of `ln p(bit | the others)`. Absent for Gaussian
    /// visible units, which have no closed form of it. For a BM and a DBM it is made of variational free energies.
    pub pseudo_log_likelihood: Option<f64>,
    /// The same of the validation rows.
    pub validation_pseudo_log_likelihood: Option<f64>,
    /// How the two were computed.
    pub pseudo_method: Option<PseudoMethod>,
    /// Mean free energy of the validation rows less that of the training rows; it grows where a machine learns by heart
    /// (Hinton 2010, section 6).
    pub free_energy_gap: Option<f64>,
    /// Mean of the weights that learn, lateral ones included.
    pub weight_mean: f64,
    /// Their standard deviation.
    pub weight_std: f64,
    /// The largest of their absolute values.
    pub weight_max: f64,
    /// Mean probability of being on of the last hidden layer that has begun to learn, over the training rows.
    pub hidden_mean: f64,
}

/// Mean, standard deviation and largest absolute value of all entries of the tensors.
pub(super) fn spread(tensors: &[Tensor]) -> Result<[f64; 3], TchError> {
    let flat = tensors.iter().map(|tensor| tensor.f_flatten(0, -1)).collect::<Result<Vec<_>, _>>()?;
    let all = Tensor::f_cat(&flat, 0)?.f_to_kind(Kind::Double)?;
    Ok([number(&all.f_mean(None)?)?, number(&all.f_std(false)?)?, number(&all.f_abs()?.f_max()?)?])
}

/// Mean squared difference of two tensors of one shape.
pub(super) fn squared_error(found: &Tensor, expected: &Tensor) -> Result<f64, TchError> {
    number(&found.f_mse_loss(expected, Reduction::Mean)?)
}

/// The one number of a tensor.
pub(super) fn number(tensor: &Tensor) -> Result<f64, TchError> {
    f64::try_from(tensor)
}

impl Machine {
    /// Figures over training and validation rows, `[rows, n_visible]` on the machine's device.
    pub(super) fn figures(
        &self,
        train: &Tensor,
        validation: Option<&Tensor>,
        chance: &mut Chance,
    ) -> Result<EpochFigures, MachineFault> {
        let of_rows = |rows: &Tensor| squared_error(&self.reconstruct(rows)?, rows).map_err(MachineFault::from);
        let free = |rows: &Tensor| number(&self.free_energy_of(rows)?.f_mean(Kind::Double)?);
        let learning: Vec<Tensor> = self.weights.iter().chain(&self.laterals).map(Tensor::shallow_clone).collect();
        let [weight_mean, weight_std, weight_max] = spread(&learning)?;
        let pseudo = self.pseudo_log_likelihood(train, chance)?;
        let validation_pseudo = validation.map(|rows| self.pseudo_log_likelihood(rows, chance)).transpose()?.flatten();
        Ok(EpochFigures {
            reconstruction_error: of_rows(train)?,
            validation_reconstruction_error: validation.map(of_rows).transpose()?,
            pseudo_log_likelihood: pseudo.map(|(mean, _)| mean),
            validation_pseudo_log_likelihood: validation_pseudo.map(|(mean, _)| mean),
            pseudo_method: pseudo.map(|(_, method)| method),
            free_energy_gap: validation.map(|rows| Ok::<_, TchError>(free(rows)? - free(train)?)).transpose()?,
            weight_mean,
            weight_std,
            weight_max,
            hidden_mean: number(&self.hidden(train)?.f_mean(Kind::Double)?)?,
        })
    }

    /// Mean over the rows of `Σ_i ln p(v_i | the other bits)` in nats, and how it was computed; nothing for Gaussian units. A value
    /// between 0 and 1 is flipped to 1 less it, as scikit-learn's `BernoulliRBM` does.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn pseudo_log_likelihood(
        &self,
        rows: &Tensor,
        chance: &mut Chance,
    ) -> Result<Option<(f64, PseudoMethod)>, MachineFault> {
        if self.visible == Visible::Gaussian {
            return Ok(None);
        }
        let rows = self.rows(rows)?;
        let units = self.biases[1].size()[0];
        let looks = i64::try_from(rows.numel()).unwrap_or(i64::MAX).saturating_mul(units);
        if self.has_closed_form() && looks <= EVERY_BIT_UP_TO {
            return Ok(Some((self.every_bit(&rows)?, PseudoMethod::EveryBit)));
        }
        Ok(Some((self.one_bit(&rows, chance)?, PseudoMethod::OneBit)))
    }

    fn every_bit(&self, rows: &Tensor) -> Result<f64, TchError> {
        let hidden = |inputs: &Tensor| inputs.f_softplus()?.f_sum_dim_intlist(1, false, None);
        let inputs = self.biases[1].f_addmm(rows, &self.weights[0])?;
        let before = hidden(&inputs)?;
        let turns = rows.f_mul_scalar(-2.0)?.f_add_scalar(1.0)?;
        let mut total = 0.0;
        for unit in 0..rows.size()[1] {
            let turn = turns.f_narrow(1, unit, 1)?;
            let flipped = inputs.f_add(&turn.f_matmul(&self.weights[0].f_narrow(0, unit, 1)?)?)?;
            let gain = hidden(&flipped)?
                .f_sub(&before)?
                .f_add(&turn.f_squeeze_dim(1)?.f_mul(&self.biases[0].f_get(unit)?)?)?;
            // The flipped row's log-probability is above the row's own by `gain`.
            total += number(&gain.f_neg()?.f_log_sigmoid()?.f_sum(Kind::Double)?)?;
        }
        Ok(total / rows.size()[0] as f64)
    }

    fn one_bit(&self, rows: &Tensor, chance: &mut Chance) -> Result<f64, TchError> {
        let units = rows.size()[1];
        let spots = chance.uniform_like(&rows.f_narrow(1, 0, 1)?)?.f_mul_scalar(units as f64)?;
        let spots = spots.f_to_kind(Kind::Int64)?.f_clamp_max(units - 1)?;
        let turned = rows.f_gather(1, &spots, false)?.f_neg()?.f_add_scalar(1.0)?;
        let flipped = rows.f_scatter(1, &spots, &turned)?;
        let gain = self.free_energy_of(&flipped)?.f_sub(&self.free_energy_of(rows)?)?;
        Ok(units as f64 * number(&gain.f_log_sigmoid()?.f_mean(Kind::Double)?)?)
    }
}
