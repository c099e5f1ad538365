//! AdamW: Loshchilov & Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2, as PyTorch computes it.
//!
//! libtorch's own optimisers keep their moments to themselves, so that a run could not take up again where it was; here they
//! are plain tensors.

use tch::{Device, Kind, TchError, Tensor};

/// Decay of the first moment.
const BETA1: f64 = 0.9;
/// Decay of the second moment.
const BETA2: f64 = 0.999;
/// Keeps the denominator above zero.
const EPSILON: f64 = 1e-8;
/// Numbers that are updated at once on a CPU: what all steps of the update need of them fits into its cache.
const PIECE: i64 = 32_768;

/// The optimiser's memory of the gradients, for parameters that it is given in the same order each time.
#[derive(Debug)]
pub struct AdamW {
    /// First and second moment of each parameter, flat.
    moments: Vec<(Tensor, Tensor)>,
    /// Weight decay of each parameter.
    decay: Vec<f64>,
    steps: i32,
    scratch: Tensor,
}

impl AdamW {
    /// Starts without memory. `parameters` come with their weight decay.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn new<'a>(parameters: impl IntoIterator<Item = (&'a Tensor, f64)>, device: Device) -> Result<Self, TchError> {
        let (mut moments, mut decay, mut longest) = (Vec::new(), Vec::new(), 0);
        for (parameter, its) in parameters {
            let length = parameter.numel() as i64;
            let zeros = || Tensor::f_zeros([length], (Kind::Float, device));
            moments.push((zeros()?, zeros()?));
            decay.push(its);
            longest = longest.max(length);
        }
        let length = if device.is_cuda() { longest } else { longest.min(PIECE) };
        Ok(Self { moments, decay, steps: 0, scratch: Tensor::f_zeros([length], (Kind::Float, device))? })
    }

    /// Moves each parameter against its gradient, times `scale`. Parameters are contiguous and in `f32`.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn step(&mut self, parameters: &[Tensor], gradients: &[Tensor], rate: f64, scale: f64) -> Result<(), TchError> {
        self.steps += 1;
        // Both corrections of the bias towards zero, drawn together: m̂ / (√v̂ + ε) = m / (√v + ε·√c₂) · √c₂ / c₁.
        let second = (1.0 - BETA2.powi(self.steps)).sqrt();
        let pace = rate * second / (1.0 - BETA1.powi(self.steps));
        let piece = self.scratch.numel() as i64;
        for (number, (parameter, gradient)) in parameters.iter().zip(gradients).enumerate() {
            let (mean, square) = &self.moments[number];
            let kept = 1.0 - rate * self.decay[number];
            let (parameter, gradient) = (parameter.f_view(-1)?, gradient.f_reshape([-1])?);
            let length = parameter.numel() as i64;
            for from in (0..length).step_by(piece as usize) {
                let count = piece.min(length - from);
                let part = |whole: &Tensor| whole.f_narrow(0, from, count);
                let (mut parameter, mut gradient) = (part(&parameter)?, part(&gradient)?);
                let (mut mean, mut square) = (part(mean)?, part(square)?);
                let mut scratch = self.scratch.f_narrow(0, 0, count)?;
                if scale < 1.0 {
                    let _ = gradient.f_mul_scalar_(scale)?;
                }
                if kept < 1.0 {
                    let _ = parameter.f_mul_scalar_(kept)?;
                }
                let _ = mean.f_lerp_(&gradient, 1.0 - BETA1)?;
                let _ = gradient.f_mul_out(&scratch, &gradient)?;
                let _ = square.f_lerp_(&scratch, 1.0 - BETA2)?;
                // At a rate of zero only the moments change.
                if pace > 0.0 {
                    let _ = square.f_sqrt_out(&scratch)?;
                    let _ = scratch.f_add_scalar_(EPSILON * second)?;
                    let _ = scratch.f_mul_scalar_(-1.0 / pace)?;
                    let _ = parameter.f_addcdiv_(&mean, &scratch)?;
                }
            }
        }
        Ok(())
    }

    /// First and second moment of each parameter, and how many steps they remember.
    pub fn memory(&self) -> (&[(Tensor, Tensor)], i32) {
        (&self.moments, self.steps)
    }

    /// Takes up the memory of another run over the same parameters.
    ///
    /// # Errors
    /// When a moment has another length than its parameter.
    pub fn remember(&mut self, moments: &[(Tensor, Tensor)], steps: i32) -> Result<(), TchError> {
        for (mine, theirs) in self.moments.iter_mut().zip(moments) {
            mine.0.f_copy_(&theirs.0)?;
            mine.1.f_copy_(&theirs.1)?;
        }
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The algorithm by the letter, number by number, in 64 bits.
    fn by_the_letter(start: &[f64], gradients: &[Vec<f64>], rate: f64, decay: f64) -> Vec<f64> {
        let mut x = start.to_vec();
        let (mut m, mut v) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        for (t, g) in (1..).zip(gradients) {
            for i in 0..x.len() {
                x[i] -= rate * decay * x[i];
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let (mean, square) = (m[i] / (1.0 - 0.9_f64.powi(t)), v[i] / (1.0 - 0.999_f64.powi(t)));
                x[i] -= rate * mean / (square.sqrt() + 1e-8);
            }
        }
        x
    }

    #[test]
    fn parameters_move_as_the_paper_says() {
        let start = [0.5, -1.0, 2.0, 0.0];
        let gradients: Vec<Vec<f64>> =
            (0..20).map(|t| (0..4).map(|i| (f64::from(t * 7 + i) * 0.37).sin() * 0.1).collect()).collect();
        for decay in [0.0, 0.1] {
            let parameter = Tensor::from_slice(&start).to_kind(Kind::Float).view([2, 2]);
            let mut adamw = AdamW::new([(&parameter, decay)], Device::Cpu).unwrap();

            for gradient in &gradients {
                let gradient = Tensor::from_slice(gradient).to_kind(Kind::Float).view([2, 2]);
                adamw.step(&[parameter.shallow_clone()], &[gradient], 0.01, 1.0).unwrap();
            }

            let found = Vec::<f64>::try_from(parameter.to_kind(Kind::Double).view(-1)).unwrap();
            for (a, b) in found.iter().zip(by_the_letter(&start, &gradients, 0.01, decay)) {
                assert!((a - b).abs() < 1e-5, "{a} is not {b}");
            }
        }
    }

    #[test]
    fn long_parameters_are_updated_to_their_ends() {
        let parameter = Tensor::zeros([3, PIECE / 2 + 1], (Kind::Float, Device::Cpu));
        let mut adamw = AdamW::new([(&parameter, 0.0)], Device::Cpu).unwrap();

        // A transposed gradient, as libtorch's own multiplications give it.
        let gradient = Tensor::ones([PIECE / 2 + 1, 3], (Kind::Float, Device::Cpu)).transpose(0, 1);
        adamw.step(&[parameter.shallow_clone()], &[gradient], 0.5, 1.0).unwrap();

        let (low, high) = (parameter.min().double_value(&[]), parameter.max().double_value(&[]));
        assert!((low + 0.5).abs() < 1e-6 && (high + 0.5).abs() < 1e-6, "{low} to {high}");
    }

    #[test]
    fn at_a_rate_of_zero_only_the_moments_change() {
        let parameter = Tensor::ones([3], (Kind::Float, Device::Cpu));
        let mut adamw = AdamW::new([(&parameter, 0.1)], Device::Cpu).unwrap();

        adamw.step(&[parameter.shallow_clone()], &[Tensor::ones([3], (Kind::Float, Device::Cpu))], 0.0, 1.0).unwrap();

        assert_eq!(Vec::<f32>::try_from(&parameter).unwrap(), [1.0; 3]);
        assert!((adamw.memory().0[0].0.double_value(&[0]) - 0.1).abs() < 1e-7);
    }
}
