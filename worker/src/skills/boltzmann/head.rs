//! A linear or logistic regression on hidden probabilities, fitted by whole passes over the rows in pieces of any size.
//!
//! Units are taken as they would be with mean 0 and variance 1. Each pass takes one Newton step, with the bound of Böhning (1992,
//! "Multinomial logistic regression algorithm") in place of the Hessian for the logistic one: `½ XᵀX` is never less curved than the
//! likelihood, so no step needs a rate, and it is factored once for as long as the hidden probabilities stay. Steps after the first begin
//! further on in the direction of the last (Nesterov 1983), unless that would lead back (O'Donoghue & Candès 2015). The bound is exact
//! for the linear regression, which one step fits.

use tch::{Device, Kind, TchError, Tensor};

/// Half of this times the squared length of the weights, as they would be for hidden probabilities of unit variance, is added to the sum
/// of the losses; biases go free. As in scikit-learn behind a `StandardScaler`, with `C = 1` and `alpha = 1`: the probabilities of a
/// machine that has learnt little differ by little, and say all the same what it knows.
const RIDGE: f64 = 1.0;
/// A unit whose variance is less does not vary as far as single precision can tell.
const LEAST_VARIANCE: f64 = 1e-9;

/// What a head tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The probabilities of so many classes.
    Classes(i64),
    /// A number.
    Number,
}

/// The regression.
#[derive(Debug)]
pub struct Head {
    task: Task,
    /// `[units + 1, outputs]` in double precision; the last row is the bias.
    weights: Tensor,
}

impl Head {
    /// One that tells nothing yet, on `units` hidden probabilities.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn new(task: Task, units: i64, device: Device) -> Result<Self, TchError> {
        let outputs = match task {
            Task::Classes(classes) => classes,
            Task::Number => 1,
        };
        Ok(Self { task, weights: Tensor::f_zeros([units + 1, outputs], (Kind::Double, device))? })
    }

    /// One whose weights are known, of the shape `[units + 1, outputs]`.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn with_weights(task: Task, weights: &Tensor, device: Device) -> Result<Self, TchError> {
        Ok(Self { task, weights: weights.f_to_device(device)?.f_to_kind(Kind::Double)? })
    }

    /// What it has learnt, `[units + 1, outputs]`.
    pub const fn weights(&self) -> &Tensor {
        &self.weights
    }

    /// What it tells of rows of hidden probabilities, `[rows, units]`: probabilities `[rows, classes]`, or numbers `[rows, 1]`.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn tell(&self, hidden: &Tensor) -> Result<Tensor, TchError> {
        let linear = with_ones(hidden)?.f_matmul(&self.weights)?;
        match self.task {
            Task::Classes(_) => linear.f_softmax(-1, Kind::Double),
            Task::Number => Ok(linear),
        }
    }

    /// The truth about rows in the form that [`Fitting::add`] takes, `[rows, outputs]`: ones at the classes, or the numbers.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn truth(task: Task, of: &[f64], device: Device) -> Result<Tensor, TchError> {
        let numbers = Tensor::f_from_slice(of)?.f_to_device(device)?;
        match task {
            Task::Classes(classes) => numbers.f_to_kind(Kind::Int64)?.f_one_hot(classes)?.f_to_kind(Kind::Double),
            Task::Number => numbers.f_unsqueeze(-1),
        }
    }

    /// The sum of the losses of rows: cross-entropies in nats, or squared errors.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn loss(&self, told: &Tensor, truth: &Tensor) -> Result<f64, TchError> {
        let losses = match self.task {
            // A probability of 0 has no logarithm.
            Task::Classes(_) => told.f_clamp_min(f64::MIN_POSITIVE)?.f_log()?.f_mul(truth)?.f_neg()?,
            Task::Number => told.f_sub(truth)?.f_square()?,
        };
        losses.f_sum(Kind::Double)?.f_double_value(&[])
    }
}

/// A head that is being fitted to rows whose hidden probabilities do not change meanwhile.
#[derive(Debug)]
pub struct Fitting {
    /// `[units + 1, units + 1]`: sums of products of the units, and of the one that stands for the bias.
    products: Tensor,
    /// Known once all rows were seen.
    scale: Option<Scale>,
    gradient: Tensor,
    loss: f64,
    /// Where the last step led, before the next was begun further on.
    reached: Tensor,
    /// Grows with the steps that led onwards.
    pace: f64,
}

/// What brings the units to mean 0 and variance 1, and how curved the bound is then. On the CPU, whose libtorch has LAPACK everywhere.
#[derive(Debug)]
struct Scale {
    /// `[units, 1]`.
    means: Tensor,
    /// `[units, 1]`: 1 over the standard deviation; 0 for a unit that does not vary, which is never used.
    factors: Tensor,
    /// `[units, units]`: Cholesky factor of the curvature with the ridge.
    factor: Tensor,
    /// The curvature of the bias, which is independent of the units.
    of_bias: f64,
}

impl Fitting {
    /// Begins; [`Self::see`] must see every row before the first step.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn new(head: &Head) -> Result<Self, TchError> {
        let (size, options) = (head.weights.size()[0], (Kind::Double, head.weights.device()));
        Ok(Self {
            products: Tensor::f_zeros([size, size], options)?,
            scale: None,
            gradient: head.weights.f_zeros_like()?,
            loss: 0.0,
            reached: head.weights.f_to_device(Device::Cpu)?,
            pace: 1.0,
        })
    }

    /// Takes rows of hidden probabilities, `[rows, units]`, into the products.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn see(&mut self, hidden: &Tensor) -> Result<(), TchError> {
        let rows = with_ones(hidden)?;
        self.products = self.products.f_add(&rows.f_transpose(0, 1)?.f_matmul(&rows)?)?;
        Ok(())
    }

    /// All rows were seen.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn factor(&mut self, head: &Head) -> Result<(), TchError> {
        let share = match head.task {
            Task::Classes(_) => 0.5,
            Task::Number => 1.0,
        };
        let products = self.products.f_to_device(Device::Cpu)?;
        let units = products.size()[0] - 1;
        let rows = products.f_double_value(&[units, units])?;
        let means = products.f_narrow(0, 0, units)?.f_narrow(1, units, 1)?.f_div_scalar(rows)?;
        let squares = products.f_narrow(0, 0, units)?.f_narrow(1, 0, units)?;
        let centred = squares.f_div_scalar(rows)?.f_sub(&means.f_matmul(&means.f_tr()?)?)?;
        let variances = centred.f_diagonal(0, 0, 1)?.f_unsqueeze(-1)?;
        let varies = variances.f_gt(LEAST_VARIANCE)?.f_to_kind(Kind::Double)?;
        let factors = variances.f_clamp_min(LEAST_VARIANCE)?.f_rsqrt()?.f_mul(&varies)?;
        let correlations = centred.f_mul(&factors.f_matmul(&factors.f_tr()?)?)?;
        let ridge = Tensor::f_eye(units, (Kind::Double, Device::Cpu))?.f_mul_scalar(RIDGE)?;
        let curvature = correlations.f_mul_scalar(share * rows)?.f_add(&ridge)?;
        let factor = curvature.f_linalg_cholesky(false)?;
        self.scale = Some(Scale { means, factors, factor, of_bias: share * rows });
        Ok(())
    }

    /// Takes rows with the truth about them, as [`Head::truth`] gives it, into the step that comes.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn add(&mut self, head: &Head, hidden: &Tensor, truth: &Tensor) -> Result<(), TchError> {
        let told = head.tell(hidden)?;
        self.loss += head.loss(&told, truth)?;
        let upward = with_ones(hidden)?.f_transpose(0, 1)?.f_matmul(&truth.f_sub(&told)?)?;
        self.gradient = self.gradient.f_add(&upward)?;
        Ok(())
    }

    /// Takes the step. Answers with the largest change of what any output says of a row one deviation away, and the sum of the rows'
    /// losses before it. Until [`Self::end`] the head stands where the next step begins.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn step(&mut self, head: &mut Head) -> Result<(f64, f64), TchError> {
        let Some(scale) = &self.scale else { return Ok((0.0, 0.0)) };
        let (device, units) = (head.weights.device(), head.weights.size()[0] - 1);
        let here = head.weights.f_to_device(Device::Cpu)?;
        let parts = |whole: &Tensor| -> Result<(Tensor, Tensor), TchError> {
            Ok((whole.f_narrow(0, 0, units)?, whole.f_narrow(0, units, 1)?))
        };
        let gradient = self.gradient.f_to_device(Device::Cpu)?;
        let ((of_units, of_bias), (weights, _)) = (parts(&gradient)?, parts(&here)?);
        let uphill = of_units.f_sub(&scale.means.f_matmul(&of_bias)?)?.f_mul(&scale.factors)?;
        // A weight for a unit of variance 1 is the weight times the deviation; one that is never used is 0.
        let deviations =
            scale.factors.f_clamp_min(f64::MIN_POSITIVE)?.f_reciprocal()?.f_mul(&scale.factors.f_sign()?)?;
        let uphill = uphill.f_sub(&weights.f_mul(&deviations)?.f_mul_scalar(RIDGE)?)?;
        let step = uphill.f_cholesky_solve(&scale.factor, false)?;
        let change = step.f_abs()?.f_max()?.f_double_value(&[])?;
        let step = step.f_mul(&scale.factors)?;
        let bias = of_bias.f_div_scalar(scale.of_bias)?.f_sub(&scale.means.f_tr()?.f_matmul(&step)?)?;
        let step = Tensor::f_cat(&[step, bias], 0)?;
        let reached = here.f_add(&step)?;
        let onwards = reached.f_sub(&self.reached)?;
        if step.f_mul(&onwards)?.f_sum(Kind::Double)?.f_double_value(&[])? < 0.0 {
            self.pace = 1.0;
        }
        let pace = f64::midpoint(1.0, (1.0 + 4.0 * self.pace * self.pace).sqrt());
        let next = reached.f_add(&onwards.f_mul_scalar((self.pace - 1.0) / pace)?)?;
        (self.reached, self.pace) = (reached, pace);
        head.weights = next.f_to_device(device)?;
        self.gradient = self.gradient.f_zeros_like()?;
        Ok((change, std::mem::take(&mut self.loss)))
    }

    /// Leaves the head where the last step led.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn end(self, head: &mut Head) -> Result<(), TchError> {
        head.weights = self.reached.f_to_device(head.weights.device())?;
        Ok(())
    }
}

/// Hidden probabilities with a column of ones for the bias, in double precision.
fn with_ones(hidden: &Tensor) -> Result<Tensor, TchError> {
    let hidden = hidden.f_to_kind(Kind::Double)?;
    let ones = Tensor::f_ones([hidden.size()[0], 1], (Kind::Double, hidden.device()))?;
    Tensor::f_cat(&[hidden, ones], 1)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn golden() -> Value {
        let answers = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/scores.json")).unwrap();
        serde_json::from_slice::<Value>(&answers).unwrap()["heads"].clone()
    }

    fn matrix(of: &Value) -> Tensor {
        let rows: Vec<Vec<f64>> = serde_json::from_value(of.clone()).unwrap();
        let width = rows[0].len() as i64;
        Tensor::from_slice(&rows.concat()).view([-1, width])
    }

    /// Fits a head to rows in pieces, as a run does. Gives the mean loss before the last step.
    fn fitted(task: Task, hidden: &Tensor, truth: &[f64], passes: u32) -> (Head, f64) {
        let mut head = Head::new(task, hidden.size()[1], Device::Cpu).unwrap();
        let truth = Head::truth(task, truth, Device::Cpu).unwrap();
        let pieces: Vec<(Tensor, Tensor)> = hidden.split(50, 0).into_iter().zip(truth.split(50, 0)).collect();
        let mut fitting = Fitting::new(&head).unwrap();
        pieces.iter().for_each(|(hidden, _)| fitting.see(hidden).unwrap());
        fitting.factor(&head).unwrap();
        let mut loss = 0.0;
        for _ in 0..passes {
            pieces.iter().for_each(|(hidden, truth)| fitting.add(&head, hidden, truth).unwrap());
            (_, loss) = fitting.step(&mut head).unwrap();
        }
        fitting.end(&mut head).unwrap();
        (head, loss / hidden.size()[0] as f64)
    }

    fn furthest(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn a_logistic_head_learns_what_scikit_learn_does() {
        let answers = golden();
        let hidden = matrix(&answers["hidden"]);
        let classes: Vec<f64> = serde_json::from_value(answers["classes"].clone()).unwrap();

        let (head, loss) = fitted(Task::Classes(3), &hidden, &classes, 200);

        let away = furthest(&head.tell(&hidden).unwrap(), &matrix(&answers["probabilities"]));
        assert!(away < 1e-4, "a probability is {away} away");
        assert!((loss - answers["loss"].as_f64().unwrap()).abs() < 1e-4);
    }

    #[test]
    fn a_linear_head_is_there_after_one_step() {
        let answers = golden();
        let hidden = matrix(&answers["hidden"]);
        let numbers: Vec<f64> = serde_json::from_value(answers["numbers"].clone()).unwrap();
        let predicted: Vec<f64> = serde_json::from_value(answers["predicted"].clone()).unwrap();

        let (head, _) = fitted(Task::Number, &hidden, &numbers, 1);

        let away = furthest(&head.tell(&hidden).unwrap().squeeze(), &Tensor::from_slice(&predicted));
        assert!(away < 1e-6, "a prediction is {away} away");
    }

    #[test]
    fn units_that_do_not_vary_are_not_used_and_do_no_harm() {
        let answers = golden();
        let hidden = matrix(&answers["hidden"]);
        let classes: Vec<f64> = serde_json::from_value(answers["classes"].clone()).unwrap();
        // As single precision leaves them: the same but for its last digit.
        let still = Tensor::full([120, 3], 0.3, (Kind::Double, Device::Cpu)) + &hidden.narrow(1, 0, 3) * 1e-8;

        let (head, loss) = fitted(Task::Classes(3), &Tensor::cat(&[hidden, still.shallow_clone()], 1), &classes, 200);
        let (_, alone) = fitted(Task::Classes(3), &still, &classes, 200);

        assert!((loss - answers["loss"].as_f64().unwrap()).abs() < 1e-4);
        assert_eq!(head.weights().narrow(0, 6, 3).abs().max().double_value(&[]), 0.0);
        let counts = [0.0, 1.0, 2.0].map(|class| classes.iter().filter(|of| **of == class).count() as f64 / 120.0);
        let entropy: f64 = counts.iter().map(|share| -share * share.ln()).sum();
        assert!((alone - entropy).abs() < 1e-6, "{alone} is not {entropy}");
    }
}
