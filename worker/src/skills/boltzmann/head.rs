//! A linear or logistic regression on hidden probabilities, fitted by whole passes over the rows in pieces of any size.
//!
//! Each pass takes one Newton step, with the bound of Böhning (1992, "Multinomial logistic regression algorithm") in place of the
//! Hessian for the logistic one: `½ XᵀX` is never less curved than the likelihood, so no step overshoots and none needs a rate, and it
//! is factored once for as long as the hidden probabilities stay. The bound is exact for the linear one, which one pass fits.

use tch::{Device, Kind, TchError, Tensor};

/// Half of this times the squared length of the weights is added to the sum of the losses; biases go free. As in scikit-learn
/// with `C = 1` and `alpha = 1`.
const RIDGE: f64 = 1.0;

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
    /// `[units + 1, units + 1]`: the curvature of the bound, and once it is factored, its Cholesky factor.
    curvature: Tensor,
    gradient: Tensor,
    loss: f64,
}

impl Fitting {
    /// Begins; [`Self::see`] must see every row before the first step.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn new(head: &Head) -> Result<Self, TchError> {
        let (size, options) = (head.weights.size()[0], (Kind::Double, head.weights.device()));
        Ok(Self {
            curvature: Tensor::f_zeros([size, size], options)?,
            gradient: head.weights.f_zeros_like()?,
            loss: 0.0,
        })
    }

    /// Takes rows of hidden probabilities, `[rows, units]`, into the curvature.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn see(&mut self, hidden: &Tensor) -> Result<(), TchError> {
        let rows = with_ones(hidden)?;
        self.curvature = self.curvature.f_add(&rows.f_transpose(0, 1)?.f_matmul(&rows)?)?;
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
        let curvature = self.curvature.f_mul_scalar(share)?.f_add(&self.ridge()?.f_diag(0)?)?;
        // Small, and solved on the CPU, whose libtorch has LAPACK everywhere.
        let factor = curvature.f_to_device(Device::Cpu)?.f_linalg_cholesky(false)?;
        self.curvature = factor;
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

    /// Takes the step. Answers with the largest change of a weight, and the sum of the rows' losses before it.
    ///
    /// # Errors
    /// When libtorch refuses.
    pub fn step(&mut self, head: &mut Head) -> Result<(f64, f64), TchError> {
        let pulled = head.weights.f_mul(&self.ridge()?.f_unsqueeze(-1)?)?;
        let gradient = self.gradient.f_sub(&pulled)?.f_to_device(Device::Cpu)?;
        let step = gradient.f_cholesky_solve(&self.curvature, false)?.f_to_device(head.weights.device())?;
        head.weights = head.weights.f_add(&step)?;
        self.gradient = self.gradient.f_zeros_like()?;
        Ok((step.f_abs()?.f_max()?.f_double_value(&[])?, std::mem::take(&mut self.loss)))
    }

    /// How strongly each weight is pulled to 0, `[units + 1]`; the bias is not.
    fn ridge(&self) -> Result<Tensor, TchError> {
        let size = self.gradient.size()[0];
        let ridge = Tensor::f_full([size], RIDGE, (Kind::Double, self.gradient.device()))?;
        let _ = ridge.f_narrow(0, size - 1, 1)?.f_zero_()?;
        Ok(ridge)
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
        let (mut loss, mut before) = (0.0, f64::MAX);
        for _ in 0..passes {
            pieces.iter().for_each(|(hidden, truth)| fitting.add(&head, hidden, truth).unwrap());
            let weights = head.weights().narrow(0, 0, hidden.size()[1]);
            let ridge = RIDGE / 2.0 * weights.square().sum(Kind::Double).double_value(&[]);
            (_, loss) = fitting.step(&mut head).unwrap();
            // What the bound promises of a logistic head.
            assert!(loss + ridge <= before + 1e-9, "{} is more than {before}", loss + ridge);
            before = loss + ridge;
        }
        (head, loss / hidden.size()[0] as f64)
    }

    fn furthest(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn a_logistic_head_learns_what_scikit_learn_does() {
        let answers = golden();
        let hidden = matrix(&answers["hidden"]).to_kind(Kind::Float);
        let classes: Vec<f64> = serde_json::from_value(answers["classes"].clone()).unwrap();

        let (head, loss) = fitted(Task::Classes(3), &hidden, &classes, 400);

        let away = furthest(&head.tell(&hidden).unwrap(), &matrix(&answers["probabilities"]));
        assert!(away < 1e-4, "a probability is {away} away");
        assert!((loss - answers["loss"].as_f64().unwrap()).abs() < 1e-4);
    }

    #[test]
    fn a_linear_head_is_there_after_one_step() {
        let answers = golden();
        let hidden = matrix(&answers["hidden"]).to_kind(Kind::Float);
        let numbers: Vec<f64> = serde_json::from_value(answers["numbers"].clone()).unwrap();
        let predicted: Vec<f64> = serde_json::from_value(answers["predicted"].clone()).unwrap();

        let (head, _) = fitted(Task::Number, &hidden, &numbers, 1);

        let away = furthest(&head.tell(&hidden).unwrap().squeeze(), &Tensor::from_slice(&predicted));
        assert!(away < 1e-6, "a prediction is {away} away");
    }
}
