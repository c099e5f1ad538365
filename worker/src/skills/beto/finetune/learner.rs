//! A model that learns: batches in, gradients gathered, weights moved. All of it runs on the device's thread.

use std::{collections::HashMap, sync::Arc};

use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::adamw::AdamW;
use crate::skills::{
    beto::{
        bert::{Batch, Bert, Dropout},
        config::BertConfig,
        fault::ModelFault,
        head::Head,
        tokens::Tokens,
        weights::Weights,
    },
    torch::{Chance, copied},
};

/// What the seed is used for here.
const DROPOUT: u64 = 0;

/// A row to learn from.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its tokens.
    pub tokens: Arc<Tokens>,
    /// The number of its class.
    pub class: usize,
}

/// What a learner is made of, beside its weights.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The model's shape.
    pub config: BertConfig,
    /// What is dropped while it learns.
    pub dropout: Dropout,
    /// Number format of the forward and the backward pass. Weights, gradients and moments are `f32` whatever it is.
    pub kind: Kind,
    /// How much a row of each class counts in the loss.
    pub class_weights: Vec<f64>,
    /// Decay of all weights but biases and layer norms.
    pub weight_decay: f64,
    /// Decides what is dropped.
    pub seed: u64,
}

/// The figures of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Mean cross-entropy of the step's rows, in nats, weighted by class.
    pub loss: f64,
    /// Length of the gradient before it was cut.
    pub gradient_norm: f64,
}

/// Why a step was not taken; the weights are what they were before it.
#[derive(Debug, thiserror::Error)]
pub enum StepFault {
    /// The loss or the gradient is not a number, or is infinite.
    #[error("the loss is {loss} and the gradient's length {gradient_norm}")]
    NotFinite {
        /// The loss.
        loss: f64,
        /// The length of the gradient.
        gradient_norm: f64,
    },
    /// libtorch refused.
    #[error(transparent)]
    Torch(#[from] TchError),
}

/// Weights, the optimiser's memory, and what was gathered of the step that is under way.
#[derive(Debug)]
pub struct Learner {
    setup: Setup,
    names: Vec<String>,
    /// In `f32`, contiguous, in the order of `names`.
    weights: Vec<Tensor>,
    adamw: AdamW,
    class_weights: Tensor,
    gathered: Option<Gathered>,
    /// The weights that were best so far, on the CPU.
    best: Vec<Tensor>,
    device: Device,
}

#[derive(Debug)]
struct Gathered {
    gradients: Vec<Tensor>,
    loss: Tensor,
}

impl Learner {
    /// A learner with `weights` to begin with, by their names without `bert.`; they are copied.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn new(setup: Setup, weights: Vec<(String, Tensor)>, device: Device) -> Result<Self, TchError> {
        let (names, weights): (Vec<String>, Vec<Tensor>) = weights.into_iter().unzip();
        let own =
            |tensor: &Tensor| copied(&tensor.f_detach()?.f_to_device(device)?.f_to_kind(Kind::Float)?.f_contiguous()?);
        let weights = weights.iter().map(own).collect::<Result<Vec<_>, _>>()?;
        let decay = |name: &String| {
            if name.ends_with(".bias") || name.contains("LayerNorm") { 0.0 } else { setup.weight_decay }
        };
        let adamw = AdamW::new(weights.iter().zip(names.iter().map(decay)), device)?;
        let class_weights = Tensor::f_from_slice(&setup.class_weights)?.f_to_kind(Kind::Float)?.f_to_device(device)?;
        Ok(Self { setup, names, weights, adamw, class_weights, gathered: None, best: Vec::new(), device })
    }

    /// How much the rows count together.
    #[must_use]
    pub fn weight_of(&self, rows: &[Example]) -> f64 {
        rows.iter().map(|row| self.setup.class_weights[row.class]).sum()
    }

    /// Adds the gradient of some of a step's rows. `whole` is how much all rows of the step count together; `draw` tells this call
    /// from all others of the training, and decides what is dropped.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory. What was gathered before stays: [`Self::forget`] drops it.
    pub fn gather(&mut self, rows: &[Example], whole: f64, draw: u64) -> Result<(), ModelFault> {
        let _chance = Chance::seeded(self.setup.seed, [DROPOUT, draw, 0]);
        let leaves: Vec<Tensor> = self
            .weights
            .iter()
            .map(|weight| Ok(weight.f_detach()?.set_requires_grad(true)))
            .collect::<Result<_, TchError>>()?;
        let (loss, gradients) = tch::with_grad(|| -> Result<_, ModelFault> {
            let ids: Vec<&[u32]> = rows.iter().map(|row| row.tokens.ids.as_slice()).collect();
            let logits = self.forward(&leaves, &ids, self.setup.dropout)?;
            let classes: Vec<i64> = rows.iter().map(|row| row.class as i64).collect();
            let classes = Tensor::f_from_slice(&classes)?.f_to_device(self.device)?;
            let loss = logits.f_cross_entropy_loss(&classes, Some(&self.class_weights), Reduction::Sum, -100, 0.0)?;
            let loss = loss.f_div_scalar(whole)?;
            let gradients = Tensor::f_run_backward(&[&loss], &leaves, false, false)?;
            Ok((loss.f_detach()?, gradients))
        })?;
        match &mut self.gathered {
            None => self.gathered = Some(Gathered { gradients, loss }),
            Some(gathered) => {
                for (sum, more) in gathered.gradients.iter_mut().zip(&gradients) {
                    let _ = sum.f_add_(more)?;
                }
                let _ = gathered.loss.f_add_(&loss)?;
            }
        }
        Ok(())
    }

    /// Drops what was gathered of a step.
    pub fn forget(&mut self) {
        self.gathered = None;
    }

    /// Moves the weights by what was gathered, at a learning rate, the gradient cut to the length `max_norm`.
    ///
    /// # Errors
    /// When the loss or the gradient is no number: nothing is moved then.
    ///
    /// # Panics
    /// When nothing was gathered.
    pub fn step(&mut self, rate: f64, max_norm: f64) -> Result<StepFigures, StepFault> {
        let Gathered { gradients, loss } = self.gathered.take().expect("a step follows what was gathered for it");
        let norms = gradients.iter().map(Tensor::f_norm).collect::<Result<Vec<_>, _>>()?;
        let gradient_norm = Tensor::f_stack(&norms, 0)?.f_norm()?.f_double_value(&[])?;
        let loss = loss.f_double_value(&[])?;
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Err(StepFault::NotFinite { loss, gradient_norm });
        }
        // As torch.nn.utils.clip_grad_norm_ has it.
        let scale = (max_norm / (gradient_norm + 1e-6)).min(1.0);
        self.adamw.step(&self.weights, &gradients, rate, scale)?;
        Ok(StepFigures { loss, gradient_norm })
    }

    /// Logits of each row, `[rows][classes]`; nothing is dropped.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn logits(&self, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>, ModelFault> {
        let logits = self.forward(&self.weights, rows, Dropout::NONE)?;
        let classes = self.setup.class_weights.len();
        let mut flat = vec![0_f32; rows.len() * classes];
        let count = flat.len();
        logits.f_to_device(Device::Cpu)?.f_contiguous()?.f_copy_data(&mut flat, count)?;
        Ok(flat.chunks_exact(classes).map(<[f32]>::to_vec).collect())
    }

    /// The forward pass that inference has, over a model that is made of `weights` for this batch alone: gradients go to them.
    fn forward(&self, weights: &[Tensor], rows: &[&[u32]], dropout: Dropout) -> Result<Tensor, ModelFault> {
        let Setup { config, kind, class_weights, .. } = &self.setup;
        let named = self.names.iter().cloned().zip(weights.iter().map(Tensor::shallow_clone));
        let mut weights = Weights::of(named.collect::<HashMap<_, _>>(), self.device, *kind);
        let bert = Bert::new(&mut weights, config, dropout)?;
        let head = Head::new(&mut weights, config, class_weights.len() as i64, dropout)?;
        let batch = Batch::new(rows, config.pad_token_id, self.device)?;
        Ok(head.logits(&bert.first(&batch)?)?.f_to_kind(Kind::Float)?)
    }

    /// The weights by name. They share their memory with the learner's.
    pub fn weights(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.names.iter().map(String::as_str).zip(&self.weights)
    }

    /// Keeps a copy of the weights, in place of an earlier one.
    ///
    /// # Errors
    /// When libtorch refuses, for want of memory.
    pub fn keep_best(&mut self) -> Result<(), TchError> {
        let best = self.weights.iter().map(|weight| copied(weight)?.f_to_device(Device::Cpu));
        self.best = best.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The weights that were kept by name, on the CPU; none where none were.
    pub fn best(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.names.iter().map(String::as_str).zip(&self.best)
    }

    /// The optimiser.
    #[must_use]
    pub const fn optimizer(&self) -> &AdamW {
        &self.adamw
    }

    /// Takes up the weights and the optimiser's memory of another run, in the order of [`Self::weights`], and its best weights where
    /// those are not the last ones.
    ///
    /// # Errors
    /// When a tensor has another shape.
    pub fn take_up(
        &mut self,
        weights: &[Tensor],
        best: Option<Vec<Tensor>>,
        moments: &[(Tensor, Tensor)],
        steps: i32,
    ) -> Result<(), TchError> {
        for (mine, theirs) in self.weights.iter_mut().zip(weights) {
            mine.f_copy_(theirs)?;
        }
        self.adamw.remember(moments, steps)?;
        match best {
            Some(best) => self.best = best,
            None => self.keep_best()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde::Deserialize;

    use super::*;
    use crate::skills::beto::finetune::{labels::Labels, schedule::Schedule, start};

    #[derive(Deserialize)]
    struct Golden {
        learning_rate: f64,
        weight_decay: f64,
        warm_up: u64,
        max_grad_norm: f64,
        rows: Vec<Row>,
        cases: HashMap<String, Case>,
    }

    #[derive(Deserialize)]
    struct Row {
        ids: Vec<u32>,
        class: usize,
    }

    #[derive(Deserialize)]
    struct Case {
        class_weights: Vec<f64>,
        steps: Vec<Vec<Vec<usize>>>,
        losses: Vec<f64>,
        gradient_norms: Vec<f64>,
    }

    fn folder(name: &str) -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden")).join(name)
    }

    fn golden() -> Golden {
        serde_json::from_slice(&std::fs::read(folder("beto_finetune.json")).unwrap()).unwrap()
    }

    fn learner(dropout: Dropout, kind: Kind, class_weights: &[f64]) -> Learner {
        let config = BertConfig::read(&folder("beto")).unwrap();
        let labels = Labels(["NEG", "NEU", "POS"].map(str::to_owned).to_vec());
        let (weights, _) = start::weights(&folder("beto"), &config, &labels, 1).unwrap();
        let class_weights = class_weights.to_vec();
        let setup = Setup { config, dropout, kind, class_weights, weight_decay: golden().weight_decay, seed: 1 };
        Learner::new(setup, weights, Device::Cpu).unwrap()
    }

    fn examples(rows: &[Row], batch: &[usize]) -> Vec<Example> {
        let example = |&row: &usize| {
            let Row { ids, class } = &rows[row];
            Example { tokens: Arc::new(Tokens { ids: ids.clone(), truncated: false }), class: *class }
        };
        batch.iter().map(example).collect()
    }

    /// The figures of each step of a golden case.
    fn train(learner: &mut Learner, golden: &Golden, case: &Case) -> Vec<StepFigures> {
        let steps = case.steps.len() as u64;
        let schedule = Schedule { rate: golden.learning_rate, warm_up: golden.warm_up, steps };
        let step = |(step, batches): (u64, &Vec<Vec<usize>>)| {
            let whole = learner.weight_of(&examples(&golden.rows, &batches.concat()));
            for (number, batch) in (0..).zip(batches) {
                learner.gather(&examples(&golden.rows, batch), whole, (step << 20) + number).unwrap();
            }
            learner.step(schedule.at(step), golden.max_grad_norm).unwrap()
        };
        (0..).zip(&case.steps).map(step).collect()
    }

    fn bytes(learner: &Learner) -> Vec<Vec<f32>> {
        learner.weights().map(|(_, weight)| Vec::<f32>::try_from(weight.view(-1)).unwrap()).collect()
    }

    #[test]
    fn losses_are_those_of_a_transformers_training() {
        let _no_grad = tch::no_grad_guard();
        let golden = golden();
        for (name, case) in &golden.cases {
            let figures = train(&mut learner(Dropout::NONE, Kind::Float, &case.class_weights), &golden, case);

            let far = |of: fn(&StepFigures) -> f64, right: &[f64]| {
                figures.iter().zip(right).map(|(told, right)| (of(told) - right).abs()).fold(0.0, f64::max)
            };
            let loss = far(|step| step.loss, &case.losses);
            let norm = far(|step| step.gradient_norm, &case.gradient_norms);
            assert_eq!((figures.len(), case.losses.len()), (50, 50));
            println!("{name}: the losses differ by {loss:e} at most, the gradients' lengths by {norm:e}");
            assert!(loss <= 1e-3, "{name}: {loss}");
            assert!(norm <= 1e-2, "{name}: {norm}");
        }
    }

    #[test]
    fn bf16_learns_the_same_within_its_precision() {
        let _no_grad = tch::no_grad_guard();
        let golden = golden();
        let case = &golden.cases["plain"];

        let figures = train(&mut learner(Dropout::NONE, Kind::BFloat16, &case.class_weights), &golden, case);

        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let told: Vec<f64> = figures.iter().map(|step| step.loss).collect();
        assert!((mean(&told[..10]) - mean(&case.losses[..10])).abs() < 0.05, "{told:?}");
        assert!(mean(&told[40..]) < 0.7 * mean(&told[..10]), "{told:?}");
    }

    #[test]
    fn a_step_in_halves_has_the_gradient_of_the_whole() {
        let _no_grad = tch::no_grad_guard();
        let golden = golden();
        let rows = examples(&golden.rows, &[0, 7, 14, 22, 30, 41]);
        let step = |size: usize| {
            let mut learner = learner(Dropout::NONE, Kind::Float, &[0.5, 1.0, 2.0]);
            let whole = learner.weight_of(&rows);
            rows.chunks(size).for_each(|part| learner.gather(part, whole, 0).unwrap());
            learner.step(1e-3, 1.0).unwrap()
        };

        let (whole, halves) = (step(6), step(3));

        assert!((whole.loss - halves.loss).abs() < 1e-5, "{whole:?} {halves:?}");
        assert!((whole.gradient_norm / halves.gradient_norm - 1.0).abs() < 1e-4, "{whole:?} {halves:?}");
    }

    #[test]
    fn two_that_learn_at_once_drop_what_each_would_alone() {
        let golden = golden();
        let losses = || -> Vec<f64> {
            let _no_grad = tch::no_grad_guard();
            let dropout = Dropout { hidden: 0.3, attention: 0.3, head: 0.3 };
            let mut learner = learner(dropout, Kind::Float, &[1.0; 3]);
            let rows = examples(&golden.rows, &[0, 7, 14]);
            let step = |draw| {
                learner.gather(&rows, 3.0, draw).unwrap();
                learner.step(1e-3, 1.0).unwrap().loss
            };
            (0..20).map(step).collect()
        };
        let alone = losses();

        let both =
            std::thread::scope(|scope| [scope.spawn(losses), scope.spawn(losses)].map(|one| one.join().unwrap()));

        assert_eq!(both, [alone.clone(), alone]);
    }

    #[test]
    fn a_loss_that_is_no_number_moves_nothing() {
        let _no_grad = tch::no_grad_guard();
        let golden = golden();
        let rows = examples(&golden.rows, &[0, 1]);
        let mut learner = learner(Dropout::NONE, Kind::Float, &[1.0; 3]);
        let before = bytes(&learner);

        learner.gather(&rows, f64::NAN, 0).unwrap();
        let fault = learner.step(1e-3, 1.0).unwrap_err();

        assert!(matches!(fault, StepFault::NotFinite { .. }), "{fault}");
        assert_eq!(bytes(&learner), before);
    }

    #[test]
    fn answers_are_those_of_inference() {
        let _no_grad = tch::no_grad_guard();
        use crate::skills::beto::{classifier::Classifier, inference::Model};
        let golden = golden();
        let rows: Vec<&[u32]> = golden.rows.iter().map(|row| row.ids.as_slice()).collect();
        let (model, _) = Classifier::load(&folder("beto"), Device::Cpu, Kind::Float).unwrap();

        let found = learner(Dropout::NONE, Kind::Float, &[1.0; 3]).logits(&rows).unwrap();

        let expected: Vec<Vec<f32>> = model.logits(&rows).unwrap().into_iter().map(Vec::from).collect();
        assert_eq!(found, expected);
    }
}
