//! Runs a sentiment model over many rows: batch by batch on the device's thread, with progress and cancellation between.

use std::{sync::Arc, time::Instant};

use tch::Kind;

use super::{batches::batches, classifier::Classifier, fault::ModelFault, tokens::Tokens};
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

/// A model to run, and how.
#[derive(Debug, Clone)]
pub struct Inference {
    device: Device,
    folder: ModelFolder,
    kind: Kind,
    batch_tokens: usize,
}

impl Inference {
    /// Prepares to run a model. Without a token budget the device's own is taken.
    #[must_use]
    pub fn new(device: Device, folder: ModelFolder, kind: Kind, batch_tokens: Option<usize>) -> Self {
        let usual = if device.is_cuda() { CUDA_TOKENS } else { CPU_TOKENS };
        Self { device, folder, kind, batch_tokens: batch_tokens.unwrap_or(usual) }
    }

    /// The token budget of a batch.
    #[must_use]
    pub const fn batch_tokens(&self) -> usize {
        self.batch_tokens
    }

    /// `fp32` or `bf16`.
    #[must_use]
    pub const fn dtype(&self) -> &'static str {
        match self.kind {
            Kind::BFloat16 => "bf16",
            _ => "fp32",
        }
    }

    /// Loads the model, so that a fault in its folder shows before any row is read, and gives the longest row that it reads,
    /// in tokens.
    ///
    /// # Errors
    /// When the folder does not hold a sentiment model that fits the device.
    pub async fn load(&self) -> Result<usize, SkillError> {
        self.on_model(|model| Ok(model.longest_row())).await
    }

    /// Logits of each row, negative, neutral, positive, in the order of the rows. `told` hears after each batch how many
    /// rows are done and how many that makes per second; it answers whether to stop.
    ///
    /// # Errors
    /// `Cancelled` when told to stop; else what the model or the device fails with.
    pub async fn run(
        &self,
        rows: &[Arc<Tokens>],
        mut told: impl FnMut(usize, f64) -> bool,
    ) -> Result<Vec<[f32; 3]>, SkillError> {
        let lengths: Vec<usize> = rows.iter().map(|row| row.ids.len()).collect();
        let mut logits = vec![[0.0; 3]; rows.len()];
        let (began, mut done) = (Instant::now(), 0);
        for batch in batches(&lengths, self.batch_tokens) {
            let answers = self.logits_of(batch.iter().map(|&row| Arc::clone(&rows[row])).collect()).await?;
            for (&row, answer) in batch.iter().zip(answers) {
                logits[row] = answer;
            }
            done += batch.len();
            if told(done, done as f64 / began.elapsed().as_secs_f64().max(1e-9)) {
                return Err(SkillError::Cancelled);
            }
        }
        Ok(logits)
    }

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
        let exact = Self { kind: Kind::Float, ..self.clone() }.run(&sample, |_, _| false).await?;
        let same = logits.iter().step_by(step).zip(&exact).filter(|(a, b)| top(a) == top(b)).count();
        Ok(Some(same as f64 / sample.len() as f64))
    }

    async fn logits_of(&self, rows: Vec<Arc<Tokens>>) -> Result<Vec<[f32; 3]>, SkillError> {
        self.on_model(move |model| {
            let ids: Vec<&[u32]> = rows.iter().map(|row| row.ids.as_slice()).collect();
            model.logits(&ids)
        })
        .await
    }

    /// Works with the model on the device's thread, where it is loaded if need be.
    async fn on_model<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Classifier) -> Result<T, ModelFault> + Send + 'static,
    ) -> Result<T, SkillError> {
        let key = format!("{} {}", self.folder.content_hash, self.dtype());
        let (folder, kind) = (self.folder.clone(), self.kind);
        let work = move |desk: &mut Desk| {
            let device = desk.device;
            let model = desk.models.get(&key, &folder.name, || Classifier::load(&folder.path, device, kind))?;
            work(&model)
        };
        Ok(self.device.run(work).await??)
    }
}

fn top(logits: &[f32; 3]) -> usize {
    (1..3).fold(0, |best, i| if logits[best] < logits[i] { i } else { best })
}
