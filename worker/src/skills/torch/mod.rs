//! What every skill on libtorch shares: random numbers from a seed, what its errors mean for a task, tensors in files.
//!
//! Knows nothing of models: whatever is so of one family only stands with that family.

mod chance;
pub mod checkpoint;
mod fault;
mod packed;
mod room;

use tch::{TchError, Tensor};

pub use self::{
    chance::Chance,
    fault::torch_error,
    packed::{Named, Packed, Unread},
    room::Room,
};

/// A copy in memory of its own.
///
/// # Errors
/// When libtorch refuses, for want of memory.
pub fn copied(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}
