//! Whether there is memory for a machine, asked before it is made: Linux promises memory that it does not have, and ends the whole worker
//! when that is used.

use crate::{host, skills::SkillError};

/// How many times the parameters are there while a machine learns: themselves, their last change, the gradient, the machine that counts,
/// and a checkpoint on its way to the disk, once as tensors and once as bytes.
const TIMES: u64 = 6;

/// Refuses a machine with so many parameters where main memory would not take its training.
///
/// # Errors
/// `ResourceExhausted`, which says how much is needed and how much there is.
pub(super) fn check(parameters: u64) -> Result<(), SkillError> {
    host::memory_left().map_or(Ok(()), |left| fits(parameters, left))
}

fn fits(parameters: u64, left: u64) -> Result<(), SkillError> {
    let needed = parameters.saturating_mul(TIMES * 4);
    if needed <= left {
        return Ok(());
    }
    let gib = |bytes: u64| bytes.div_ceil(1 << 30);
    let reason = format!(
        "n_hidden makes a machine of {parameters} parameters, which takes about {} GiB to train; this worker has {} GiB left",
        gib(needed),
        left >> 30
    );
    Err(SkillError::ResourceExhausted(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_would_not_fit_is_refused_with_both_sizes() {
        let (parameters, gib) = (1_900_000_000, 1 << 30);

        let SkillError::ResourceExhausted(told) = fits(parameters, 22 * gib).unwrap_err() else {
            panic!("another fault")
        };

        assert!(told.contains("about 43 GiB") && told.contains("22 GiB left"), "{told}");
        assert_eq!(fits(parameters, 43 * gib), Ok(()));
    }
}
