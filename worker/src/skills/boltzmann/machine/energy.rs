//! A machine's parameters, and what follows from them alone: energies, the inputs of units, tensors by name.

use std::collections::HashMap;

use tch::{Device, Kind, TchError, Tensor};

use super::{
    fault::MachineFault,
    settings::{Family, Settings, Visible},
};
use crate::skills::torch::{Chance, copied};

/// Standard deviation of new weights (Hinton 2010, section 8).
const FIRST_WEIGHTS: f64 = 0.01;

/// Layers of units, layer 0 being the visible one, and the weights between them, all fp32 and on one device.
///
/// The energy of the states `x_0 … x_L` is `- Σ b_l·x_l - Σ x_l·W_l·x_(l+1) - ½ Σ x_l·M_l·x_l`, where the last sum has a part
/// in a BM only; of Gaussian visible units `½ |x_0 - b_0|²` stands for `- b_0·x_0`.
#[derive(Debug)]
pub struct Machine {
    pub(super) family: Family,
    pub(super) visible: Visible,
    /// `b_l`, `[units of l]`.
    pub(super) biases: Vec<Tensor>,
    /// `W_l`, `[units of l, units of l + 1]`.
    pub(super) weights: Vec<Tensor>,
    /// `M_l`, `[units of l, units of l]`, symmetric with a zero diagonal; none but in a BM.
    pub(super) laterals: Vec<Tensor>,
}

impl Machine {
    /// A machine that has learnt nothing: small random weights, visible biases that give `train_mean`, `[n_visible]`, no
    /// lateral weights yet.
    pub(super) fn fresh(
        settings: &Settings,
        train_mean: &Tensor,
        device: Device,
        chance: &mut Chance,
    ) -> Result<Self, MachineFault> {
        if train_mean.size() != [settings.n_visible] {
            return Err(MachineFault::WrongWidth { expected: settings.n_visible, found: train_mean.size() });
        }
        let options = (Kind::Float, device);
        let widths = settings.widths();
        let mean = train_mean.f_to_device(device)?.f_to_kind(Kind::Float)?;
        let mut biases = vec![match settings.visible {
            // Hinton 2010, section 8. A column that is always on or always off would want an infinite bias.
            Visible::Bernoulli => mean.f_logit(0.01)?,
            Visible::Gaussian => copied(&mean)?,
        }];
        for &units in &settings.n_hidden {
            biases.push(Tensor::f_zeros(units, options)?);
        }
        let mut weights = Vec::with_capacity(settings.n_hidden.len());
        for pair in widths.windows(2) {
            let room = Tensor::f_empty([pair[0], pair[1]], options)?;
            weights.push(chance.normal_like(&room)?.f_mul_scalar(FIRST_WEIGHTS)?);
        }
        let laterals = match settings.family {
            Family::Bm => {
                widths.iter().map(|&units| Tensor::f_zeros([units, units], options)).collect::<Result<_, _>>()?
            }
            Family::Rbm | Family::Dbm => Vec::new(),
        };
        Ok(Self { family: settings.family, visible: settings.visible, biases, weights, laterals })
    }

    /// The parameters by name: `bias.0` is the visible layer's, `weight.0` stands between layers 0 and 1, `lateral.0` within
    /// layer 0. They share memory with the machine.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let kinds = [("bias", &self.biases), ("weight", &self.weights), ("lateral", &self.laterals)];
        let of_kind = |(name, tensors): (&'static str, &Vec<Tensor>)| {
            let named = |(layer, tensor): (usize, &Tensor)| (format!("{name}.{layer}"), tensor.shallow_clone());
            tensors.iter().enumerate().map(named).collect::<Vec<_>>()
        };
        kinds.into_iter().flat_map(of_kind).collect()
    }

    /// The machine that [`Self::tensors`] came from. Other names among `named` are left alone.
    ///
    /// # Errors
    /// When the settings are wrong, or a tensor is missing or has another shape than they say.
    pub fn from_tensors(
        settings: &Settings,
        named: impl IntoIterator<Item = (String, Tensor)>,
        device: Device,
    ) -> Result<Self, MachineFault> {
        settings.check()?;
        let mut named: HashMap<String, Tensor> = named.into_iter().collect();
        let mut take = |name: String, expected: Vec<i64>| -> Result<Tensor, MachineFault> {
            let Some(tensor) = named.remove(&name) else { return Err(MachineFault::MissingTensor { name, expected }) };
            let found = tensor.size();
            if found != expected {
                return Err(MachineFault::WrongShape { name, expected, found });
            }
            // A copy: the caller's tensor may be written to afterwards, and may not lie contiguously.
            Ok(copied(&tensor.f_to_kind(Kind::Float)?.f_to_device(device)?.f_contiguous()?)?)
        };
        let widths = settings.widths();
        let laterals = if settings.family == Family::Bm { widths.as_slice() } else { &[] };
        let taken = |name: &str, layer: usize| format!("{name}.{layer}");
        Ok(Self {
            family: settings.family,
            visible: settings.visible,
            biases: (0..).zip(&widths).map(|(l, &n)| take(taken("bias", l), vec![n])).collect::<Result<_, _>>()?,
            weights: (0..)
                .zip(widths.windows(2))
                .map(|(l, pair)| take(taken("weight", l), pair.to_vec()))
                .collect::<Result<_, _>>()?,
            laterals: (0..)
                .zip(laterals)
                .map(|(l, &n)| take(taken("lateral", l), vec![n, n]))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Where the parameters are.
    #[must_use]
    pub fn device(&self) -> Device {
        self.biases[0].device()
    }

    /// The number of the last layer.
    pub(super) fn top(&self) -> usize {
        self.weights.len()
    }

    /// Refuses rows that are not `[rows, n_visible]`, and brings them to the machine's device and precision.
    pub(super) fn rows(&self, rows: &Tensor) -> Result<Tensor, MachineFault> {
        let (expected, found) = (self.biases[0].size()[0], rows.size());
        if found.len() != 2 || found[1] != expected {
            return Err(MachineFault::WrongWidth { expected, found });
        }
        Ok(rows.f_to_device(self.device())?.f_to_kind(self.biases[0].kind())?)
    }

    /// What a layer's units get from the layers beside it, `[rows, units of the layer]`: without bias and lateral weights.
    pub(super) fn inflow(&self, layer: usize, states: &[Tensor]) -> Result<Tensor, TchError> {
        let from_below = |layer: usize| states[layer - 1].f_matmul(&self.weights[layer - 1]);
        let from_above = |layer: usize| states[layer + 1].f_matmul(&self.weights[layer].f_tr()?);
        if layer == 0 {
            from_above(0)
        } else if layer == self.top() {
            from_below(layer)
        } else {
            from_below(layer)?.f_add(&from_above(layer)?)
        }
    }

    /// `Σ b·x` of a layer for each row; of Gaussian visible units `- ½ |x - b|²`.
    pub(super) fn bias_term(&self, layer: usize, states: &Tensor) -> Result<Tensor, TchError> {
        self.bias_term_by(layer, &self.biases[layer], states)
    }

    /// The same with another bias in the place of the layer's own.
    pub(super) fn bias_term_by(&self, layer: usize, bias: &Tensor, states: &Tensor) -> Result<Tensor, TchError> {
        if layer == 0 && self.visible == Visible::Gaussian {
            let squares = states.f_sub(bias)?.f_square()?;
            return squares.f_sum_dim_intlist(1, false, None)?.f_mul_scalar(-0.5);
        }
        states.f_mv(bias)
    }

    /// Whether hidden units are independent given a row: in an RBM, and in a DBM of one hidden layer.
    pub(super) fn has_closed_form(&self) -> bool {
        self.top() == 1 && self.laterals.is_empty()
    }
}
