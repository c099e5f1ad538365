//! Units that are tied to others of their own layer: each takes its turn, and sees what those before it have become.
//!
//! Updating tied units all at once is no Gibbs step: two units that hold each other down would flip together for ever, and the
//! chain's distribution is not the machine's. The same holds for mean field, whose bound may then fall. So units go one after
//! the other, with all rows of a batch at once. The states are turned over for it, so that a unit's states lie together, and
//! a unit costs one product of a matrix and a vector and one comparison.

use tch::{TchError, Tensor};

use crate::skills::torch::Chance;

/// One Gibbs sweep over a layer: its next states, `[rows, units]`. `inputs` is what its units get from elsewhere, biases included.
pub(super) fn sweep(
    states: &Tensor,
    inputs: &Tensor,
    lateral: &Tensor,
    chance: &mut Chance,
) -> Result<Tensor, TchError> {
    // A unit is on with probability σ(input), so when its input is above the logit of a uniform number: one pass for all units.
    let thresholds = chance.uniform_like(inputs)?.f_logit(None)?.f_sub(inputs)?.f_tr()?.f_contiguous()?;
    let turned = turn(states)?;
    let by_row = turned.f_tr()?;
    let among = thresholds.f_get(0)?.f_empty_like()?;
    for unit in 0..lateral.size()[0] {
        let _ = by_row.f_mv_out(&among, &lateral.f_get(unit)?)?;
        let _ = among.f_gt_tensor_out(&turned.f_get(unit)?, &thresholds.f_get(unit)?)?;
    }
    by_row.f_contiguous()
}

/// One sweep of mean field over a layer: means, `[rows, units]`, that are closer to the fixed point. The bound on the log-likelihood
/// never falls, because each unit in turn takes its best value given the others.
pub(super) fn settle(means: &Tensor, inputs: &Tensor, lateral: &Tensor) -> Result<Tensor, TchError> {
    let inputs = inputs.f_tr()?.f_contiguous()?;
    let turned = turn(means)?;
    let by_row = turned.f_tr()?;
    let mut among = inputs.f_get(0)?.f_empty_like()?;
    for unit in 0..lateral.size()[0] {
        let _ = by_row.f_mv_out(&among, &lateral.f_get(unit)?)?;
        let _ = among.f_add_(&inputs.f_get(unit)?)?.f_sigmoid_out(&turned.f_get(unit)?)?;
    }
    by_row.f_contiguous()
}

/// A copy with a unit's states side by side, `[units, rows]`. Always a copy: a matrix of one column is its own transpose.
fn turn(states: &Tensor) -> Result<Tensor, TchError> {
    let turned = Tensor::f_empty([states.size()[1], states.size()[0]], (states.kind(), states.device()))?;
    turned.shallow_clone().f_copy_(&states.f_tr()?)?;
    Ok(turned)
}
