//! Runs a model over many rows: batch by batch on the device's thread, with progress and cancellation between.

use std::{marker::PhantomData, path::Path, sync::Arc, time::Instant};

use tch::Kind;

use super::{batches::batches, classifier::Classifier, fault::ModelFault, request::dtype_name, tokens::Tokens};
use crate::{
    device::{Desk, Device},
    models::ModelFolder,
    skills::SkillError,
};

/// Tokens per batch where none are asked for. A CPU gains nothing from larger batches, only padding; a GPU wants to be full.
const CPU_TOKENS: usize = 1024;
const CUDA_TOKENS: usize = 32_768;
/// Rows that are judged twice to tell how many labels agree between two number formats.
const AGREEMENT_ROWS: usize = 64;

/// A model that is loaded on the device and kept there.
pub trait Model: Sized + 'static {
    /// Tells it on the device from another model of the same folder.
    const WHAT: &'static str;

    /// Loads a model folder, and says how many bytes its tensors take.
    ///
    /// # Errors
    /// When the folder does not hold such a model, or libtorch refuses for want of memory.
    fn load(folder: &Path, device: tch::Device, kind: Kind) -> Result<(Self, u64), ModelFault>;

    /// The longest row that it reads, in tokens.
    fn longest_row(&self) -> usize;
}

/// A model to run, and how.
#[derive(Debug)]
pub struct Inference<M> {
    device: Device,
    folder: ModelFolder,
    kind: Kind,
    batch_tokens: usize,
    model: PhantomData<fn() -> M>,
}

impl<M: Model> Inference<M> {
    /// Prepares to run a model. Without a token budget the device's own is taken.
    #[must_use]
    pub fn new(device: Device, folder: ModelFolder, kind: Kind, batch_tokens: Option<usize>) -> Self {
        let usual = if device.is_cuda() { CUDA_TOKENS } else { CPU_TOKENS };
        Self { device, folder, kind, batch_tokens: batch_tokens.unwrap_or(usual), model: PhantomData }
    }

    /// The token budget of a batch.
    #[must_use]
    pub const fn batch_tokens(&self) -> usize {
        self.batch_tokens
    }

    /// `fp32` or `bf16`.
    #[must_use]
    pub const fn dtype(&self) -> &'static str {
        dtype_name(self.kind)
    }

    /// Loads the model, so that a fault in its folder shows before any row is read, and gives the longest row that it reads,
    /// in tokens.
    ///
    /// # Errors
    /// When the folder does not hold such a model, or it does not fit the device.
    pub async fn load(&self) -> Result<usize, SkillError> {
        self.on_model(|model| Ok(model.longest_row())).await
    }

    /// What `work` answers for each row, in the order of the rows; it is given batch by batch. `told` hears after each batch how
    /// many rows are done and how many that makes per second; it says whether to stop.
    ///
    /// # Errors
    /// `Cancelled` when told to stop; else what the model or the device fails with.
    pub async fn run<T: Clone + Default + Send + 'static>(
        &self,
        rows: &[Arc<Tokens>],
        work: impl Fn(&M, &[&[u32]]) -> Result<Vec<T>, ModelFault> + Copy + Send + 'static,
        mut told: impl FnMut(usize, f64) -> bool,
    ) -> Result<Vec<T>, SkillError> {
        let lengths: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
        let mut all = vec![T::default(); rows.len()];
        let (began, mut done) = (Instant::now(), 0);
        for batch in batches(&lengths, self.batch_tokens) {
            let chosen: Vec<Arc<Tokens>> = batch.iter().map(|&row| Arc::clone(&rows[row])).collect();
            let answers = self.on_model(move |model| {
                let ids: Vec<&[u32]> = chosen.iter().map(|row| row.ids.as_slice()).collect();
                work(model, &ids)
            });
            for (&row, answer) in batch.iter().zip(answers.await?) {
                all[row] = answer;
            }
            done += batch.len();
            if told(done, done as f64 / began.elapsed().as_secs_f64().max(1e-9)) {
                return Err(SkillError::Cancelled);
            }
        }
        Ok(all)
    }

    /// Works with the model on the device's thread, where it is loaded if need be.
    async fn on_model<T: Send + 'static>(
        &self,
        work: impl FnOnce(&M) -> Result<T, ModelFault> + Send + 'static,
    ) -> Result<T, SkillError> {
        let key = format!("{} {} {}", self.folder.content_hash, M::WHAT, self.dtype());
        let (folder, kind) = (self.folder.clone(), self.kind);
        let work = move |desk: &mut Desk| {
            let device = desk.device;
            let model = desk.models.get(&key, &folder.name, || M::load(&folder.path, device, kind))?;
            work(&model)
        };
        Ok(self.device.run(work).await??)
    }
}

impl Inference<Classifier> {
    /// The share of a sample's labels that stay the same in `fp32`; `None` when that is what the model runs in, or there
    /// is no row.
    ///
    /// # Errors
    /// As [`Inference::run`].
    pub async fn agreement_with_fp32(
        &self,
        rows: &[Arc<Tokens>],
        logits: &[[f32; 3]],
    ) -> Result<Option<f64>, SkillError> {
        if self.kind == Kind::Float || rows.is_empty() {
            return Ok(None);
        }
        let step = rows.len().div_ceil(AGREEMENT_ROWS);
        let sample: Vec<Arc<Tokens>> = rows.iter().step_by(step).cloned().collect();
        let exact = Self::new(self.device.clone(), self.folder.clone(), Kind::Float, Some(self.batch_tokens));
        let exact = exact.run(&sample, Classifier::logits, |_, _| false).await?;
        let same = logits.iter().step_by(step).zip(&exact).filter(|(a, b)| top(a) == top(b)).count();
        Ok(Some(same as f64 / sample.len() as f64))
    }
}

fn top(logits: &[f32; 3]) -> usize {
    (1..3).fold(0, |best, i| if logits[best] < logits[i] { i } else { best })
}
