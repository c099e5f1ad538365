//! Random numbers of libtorch from a known seed, and cheap draws from them.

use std::{
    cell::Cell,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tch::{TchError, Tensor};

/// libtorch has one generator for the whole process.
static GENERATOR: Mutex<()> = Mutex::new(());

thread_local! {
    /// Whether this thread has the generator to itself already.
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// The right to draw. While it lives no other thread draws through this type, so that what is drawn depends on the seed alone.
///
/// A second one on the same thread seeds the generator anew for both: still the same numbers each time, and nobody waits for itself.
#[derive(Debug)]
pub struct Chance {
    alone: Option<MutexGuard<'static, ()>>,
}

impl Drop for Chance {
    fn drop(&mut self) {
        if self.alone.is_some() {
            HELD.set(false);
        }
    }
}

impl Chance {
    /// Seeds libtorch's generators, of all devices, from `seed` and what the numbers are for.
    #[must_use]
    pub fn seeded(seed: u64, purpose: [u64; 3]) -> Self {
        let alone = (!HELD.replace(true)).then(|| GENERATOR.lock().unwrap_or_else(PoisonError::into_inner));
        let seed = purpose.iter().fold(seed, |seed, &part| mix(seed ^ mix(part)));
        // The bits decide, not the sign.
        tch::manual_seed(seed.cast_signed());
        Self { alone }
    }

    /// Makes each entry of `states` 1 with the probability in `probabilities`, else 0; `uniform` is room of the same shape.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn flip(&mut self, states: &Tensor, probabilities: &Tensor, uniform: &mut Tensor) -> Result<(), TchError> {
        let _ = uniform.f_uniform_(0.0, 1.0)?;
        uniform.f_lt_tensor_out(states, probabilities).map(drop)
    }

    /// Makes each entry of `states` a draw of the normal distribution with the mean in `means` and unit variance; `noise` is
    /// room of the same shape.
    ///
    /// # Errors
    /// When the shapes differ.
    pub fn jitter(&mut self, states: &Tensor, means: &Tensor, noise: &mut Tensor) -> Result<(), TchError> {
        means.f_add_out(states, &noise.f_normal_(0.0, 1.0)?).map(drop)
    }

    /// New numbers of the standard normal distribution, in the shape of `like`.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn normal_like(&mut self, like: &Tensor) -> Result<Tensor, TchError> {
        like.f_empty_like()?.f_normal_(0.0, 1.0)
    }

    /// New numbers between 0 and 1, in the shape of `like`.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn uniform_like(&mut self, like: &Tensor) -> Result<Tensor, TchError> {
        like.f_empty_like()?.f_uniform_(0.0, 1.0)
    }
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014), after one step of its counter.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
