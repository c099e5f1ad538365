//! The training itself: epoch by epoch, step by step on the device's thread, with a checkpoint after each epoch.

use std::{fmt::Display, sync::Arc, time::Instant};

use relevo_shared::job::LogLevel;

use super::{
    examples::Examples,
    judge::Judgement,
    learner::{Example, Learner, StepFault, StepFigures},
    parameters::Parameters,
    schedule::{Schedule, epoch},
    stored::{Checkpoint, EpochFigures, Progress},
};
use crate::{
    context::TaskContext,
    device::Device,
    skills::{
        SkillError,
        beto::batches::batches,
        learning::{
            checkpoint::{Checkpoint as Kept, Fingerprint},
            divergence::ran_away,
        },
        off_the_clock,
        torch::{Named, Room, torch_error},
    },
};

/// Steps of an epoch that are told of, about.
const TOLD_STEPS: u64 = 20;

/// What a training works with.
#[derive(Debug)]
pub(super) struct Training<'a> {
    device: &'a Device,
    context: &'a TaskContext,
    parameters: &'a Parameters,
    examples: &'a Examples,
    /// Away while it is on the device's thread.
    learner: Option<Learner>,
    progress: Progress,
    fingerprint: Fingerprint,
    /// The last epoch that the checkpoint holds.
    kept_after: Option<u32>,
    schedule: Schedule,
    /// The part of the task that is training: from and to.
    span: (f64, f64),
}

/// A training that ended.
#[derive(Debug)]
pub(super) struct Trained {
    /// The weights of the best epoch by name, on the CPU.
    pub(super) weights: Named,
    /// How it went.
    pub(super) progress: Progress,
    /// Epochs that another attempt had done already.
    pub(super) resumed_after: usize,
}

impl<'a> Training<'a> {
    /// Prepares to train `learner`; the training is the part `span` of the task.
    #[must_use]
    pub(super) fn new(
        (device, context): (&'a Device, &'a TaskContext),
        (parameters, examples): (&'a Parameters, &'a Examples),
        learner: Learner,
        fingerprint: Fingerprint,
        span: (f64, f64),
    ) -> Self {
        let rows = examples.train.len();
        let per_epoch = rows.div_ceil(parameters.batch_size * parameters.gradient_accumulation) as u64;
        let steps = per_epoch * u64::from(parameters.epochs);
        let schedule = Schedule::new(parameters.learning_rate, parameters.warmup_ratio, steps);
        let progress = Progress { history: Vec::new(), room: Room::whole(parameters.batch_size), best: None };
        Self {
            device,
            context,
            parameters,
            examples,
            learner: Some(learner),
            progress,
            fingerprint,
            kept_after: None,
            schedule,
            span,
        }
    }

    /// Trains to the end: all epochs, or until `patience` of them brought nothing.
    ///
    /// # Errors
    /// `Cancelled` when the task should stop, `InvalidInput` on `learning_rate` when the loss is no number any more,
    /// `Permanent` when the checkpoint is of another training, `ResourceExhausted` when memory runs out
    /// with half a batch too. The last checkpoint stays in each case.
    pub(super) async fn run(mut self) -> Result<Trained, SkillError> {
        let kept = Kept::of(self.context);
        let resumed_after = self.take_up(&kept).await?;
        while !self.is_over() {
            self.epoch().await?;
            self.keep(&kept).await?;
        }
        let best = |learner: &mut Learner| -> Named {
            learner.best().map(|(name, weight)| (name.to_owned(), weight.shallow_clone())).collect()
        };
        let weights = self.on_learner(best).await?;
        Ok(Trained { weights, progress: self.progress, resumed_after })
    }

    fn is_over(&self) -> bool {
        let done = self.progress.history.len() as u32;
        let best = self.progress.best.as_ref().map_or(0, |(epoch, _)| *epoch);
        self.parameters.epochs <= done || (0 < done && self.parameters.patience <= done - best)
    }

    async fn epoch(&mut self) -> Result<(), SkillError> {
        let (began, number) = (Instant::now(), self.progress.history.len() as u32 + 1);
        let train = Arc::clone(&self.examples.train);
        let lengths: Vec<usize> = train.iter().map(|example| example.tokens.ids.len()).collect();
        let parameters = self.parameters;
        let batches =
            epoch(&lengths, parameters.batch_size, parameters.group_by_length, u64::from(parameters.seed), number);
        let steps: Vec<Vec<Example>> = batches
            .chunks(parameters.gradient_accumulation)
            .map(|step| step.iter().flatten().map(|&row| train[row].clone()).collect())
            .collect();
        let count = steps.len() as u64;
        let (mut sum, mut whole) = (0.0, 0.0);
        for (place, rows) in (0..).zip(steps) {
            let step = u64::from(number - 1) * count + place;
            let weight: f64 = rows.iter().map(|row| self.examples.class_weights[row.class]).sum();
            let figures = self.step(rows, step, (number, place + 1)).await?;
            sum += figures.loss * weight;
            whole += weight;
            self.tell_step(step, (place, count), figures);
        }
        let judgement = self.judge().await?;
        if !judgement.loss.is_finite() {
            let what = format!("the loss of the rows that judge is {}", judgement.loss);
            return Err(self.ran_away((number, count), what));
        }
        self.end_epoch(number, (count, sum / whole), judgement, began).await
    }

    /// One step of the optimiser. Where memory runs out, half as many rows go through the model at once from then on, which changes
    /// neither the gradient nor the number of steps.
    async fn step(&mut self, rows: Vec<Example>, step: u64, place: (u32, u64)) -> Result<StepFigures, SkillError> {
        let rows = Arc::new(rows);
        while let Err(fault) = self.gather(&rows, step).await {
            self.on_learner(Learner::forget).await?;
            self.progress.room = self.progress.room.after(fault, self.device, self.context).await?;
        }
        let (rate, max_norm) = (self.schedule.at(step), self.parameters.max_grad_norm);
        match self.on_learner(move |learner| learner.step(rate, max_norm)).await? {
            Ok(figures) => Ok(figures),
            Err(StepFault::Torch(error)) => Err(torch_error(&error)),
            Err(fault @ StepFault::NotFinite { .. }) => Err(self.ran_away(place, fault)),
        }
    }

    /// `place` is the epoch and the step within it.
    fn ran_away(&self, place: (u32, u64), what: impl Display) -> SkillError {
        ran_away(("learning_rate", self.parameters.learning_rate), place, what, self.kept_after)
    }

    async fn gather(&mut self, rows: &Arc<Vec<Example>>, step: u64) -> Result<(), SkillError> {
        let micro = self.progress.room.rows;
        for from in (0..rows.len()).step_by(micro) {
            if self.context.is_cancelled() {
                return Err(SkillError::Cancelled);
            }
            let rows = Arc::clone(rows);
            let gathered = self.on_learner(move |learner| {
                let part = &rows[from..rows.len().min(from + micro)];
                // A step has fewer rows than 2²⁰, by the limits of its parameters: no two calls have one number.
                learner.gather(part, learner.weight_of(&rows), (step << 20) + from as u64)
            });
            gathered.await??;
        }
        Ok(())
    }

    /// How the rows that judge are told, in batches of like length.
    async fn judge(&mut self) -> Result<Judgement, SkillError> {
        let rows = Arc::clone(&self.examples.validation);
        let lengths: Vec<usize> = rows.iter().map(|row| row.tokens.ids.len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(1);
        let mut logits = vec![Vec::new(); rows.len()];
        for batch in batches(&lengths, longest * self.progress.room.rows) {
            if self.context.is_cancelled() {
                return Err(SkillError::Cancelled);
            }
            let (shared, chosen) = (Arc::clone(&rows), batch.clone());
            let answers = self.on_learner(move |learner| {
                let ids: Vec<&[u32]> = chosen.iter().map(|&row| shared[row].tokens.ids.as_slice()).collect();
                learner.logits(&ids)
            });
            for (row, answer) in batch.into_iter().zip(answers.await??) {
                logits[row] = answer;
            }
        }
        let truth: Vec<usize> = rows.iter().map(|row| row.class).collect();
        Ok(Judgement::of(&self.examples.labels, &truth, &logits, &self.examples.class_weights))
    }

    async fn end_epoch(
        &mut self,
        number: u32,
        (steps, train_loss): (u64, f64),
        judgement: Judgement,
        began: Instant,
    ) -> Result<(), SkillError> {
        let scores = judgement.confusion.scores();
        let figures = EpochFigures {
            epoch: number,
            step: u64::from(number) * steps,
            train_loss,
            val_loss: judgement.loss,
            val_accuracy: scores.accuracy,
            val_macro_f1: scores.macro_f1,
            seconds: began.elapsed().as_secs_f64(),
        };
        let told = [
            ("train_loss", figures.train_loss),
            ("val_loss", figures.val_loss),
            ("val_accuracy", figures.val_accuracy),
            ("val_macro_f1", figures.val_macro_f1),
        ];
        self.context.metrics(u64::from(number), told);
        let message = format!(
            "epoch {number}: loss {:.4}, on the rows that judge {:.4}, accuracy {:.3}, macro-F1 {:.3}",
            figures.train_loss, figures.val_loss, figures.val_accuracy, figures.val_macro_f1
        );
        self.context.log(LogLevel::Info, message, None);
        let best_f1 = self.progress.best.as_ref().map(|(_, best)| best.confusion.scores().macro_f1);
        if best_f1.is_none_or(|best| best < scores.macro_f1) {
            self.progress.best = Some((number, judgement));
            self.on_learner(Learner::keep_best).await?.map_err(|error| torch_error(&error))?;
        }
        self.progress.history.push(figures);
        Ok(())
    }

    /// Writes the checkpoint.
    async fn keep(&mut self, kept: &Kept<'_>) -> Result<(), SkillError> {
        let progress = self.progress.clone();
        let state = self.on_learner(move |learner| Checkpoint::of(learner, progress));
        let state = state.await?.map_err(|error| torch_error(&error))?;
        let path = self.context.work_dir().join("checkpoint.safetensors");
        let (file, training) = (path.clone(), self.fingerprint.clone());
        // No step is taken until the weights, which it shares with the learner, are on disk.
        off_the_clock(move || state.save(&file, &training)).await?;
        if kept.keep(&path).await? {
            self.kept_after = self.progress.history.last().map(|epoch| epoch.epoch);
        }
        Ok(())
    }

    /// Takes up the last checkpoint, if there is one; says how many epochs are done.
    async fn take_up(&mut self, kept: &Kept<'_>) -> Result<usize, SkillError> {
        let path = self.context.work_dir().join("restored.safetensors");
        if !kept.restore(&path).await? {
            return Ok(0);
        }
        let training = self.fingerprint.clone();
        let state = off_the_clock(move || Checkpoint::load(&path, &training)).await?;
        let progress =
            self.on_learner(move |learner| state.restore(learner)).await?.map_err(|error| torch_error(&error))?;
        let done = progress.history.len();
        self.context.log(LogLevel::Info, format!("goes on after epoch {done}"), None);
        self.kept_after = progress.history.last().map(|epoch| epoch.epoch);
        self.progress = progress;
        Ok(done)
    }

    fn tell_step(&self, step: u64, (place, count): (u64, u64), figures: StepFigures) {
        let (from, to) = self.span;
        let part = (step + 1) as f64 / self.schedule.steps as f64;
        self.context.stage_progress("train", part);
        let message = format!(
            "epoch {} of {}, step {} of {count}, loss {:.4}",
            step / count + 1,
            self.parameters.epochs,
            place + 1,
            figures.loss
        );
        self.context.progress(from + (to - from) * part, message);
        if (place + 1).is_multiple_of(count.div_ceil(TOLD_STEPS)) {
            let told = [
                ("loss", figures.loss),
                ("gradient_norm", figures.gradient_norm),
                ("learning_rate", self.schedule.at(step)),
            ];
            self.context.metrics(step + 1, told);
        }
    }

    /// Works with the learner on the device's thread.
    async fn on_learner<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Learner) -> T + Send + 'static,
    ) -> Result<T, SkillError> {
        let mut learner = self.learner.take().expect("it comes back from every piece of work");
        let work = move |_: &mut crate::device::Desk| {
            let answer = work(&mut learner);
            (learner, answer)
        };
        let (learner, answer) = self.device.run(work).await?;
        self.learner = Some(learner);
        Ok(answer)
    }
}
