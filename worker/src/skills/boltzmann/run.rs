//! Learns epoch by epoch, tells what each was worth, and can stop and go on between any two of them.

use std::{fmt::Display, path::Path, sync::Arc, time::Instant};

use fastrand::Rng;
use serde_json::json;

use super::{
    evaluation::{Evaluation, evaluate},
    head::Task,
    machine::MachineFault,
    memory,
    parameters::Plan,
    prepared::Prepared,
    stage::{Stage, as_i64},
    standing::{Epoch, Kept, Standing, told_figures},
};
use crate::{
    context::TaskContext,
    device::Device,
    skills::{
        SkillError,
        learning::{checkpoint::Fingerprint, divergence::ran_away},
        off_the_clock,
        torch::{Packed, Room, checkpoint},
    },
};

/// Passes over the rows that a head is fitted with in each epoch, and after the last.
const PASSES: u32 = 25;
const LAST_PASSES: u32 = 200;
/// A head whose weights change by less has come to rest.
const AT_REST: f64 = 1e-6;

/// A training under way.
#[derive(Debug)]
pub struct Run {
    device: Device,
    stage: Option<Stage>,
    plan: Arc<Plan>,
    data: Arc<Prepared>,
    phases: Vec<(String, u32)>,
    /// Rows of one piece of work where rows need not be those of a batch.
    piece: usize,
    resumed_after: Option<u32>,
    /// The last epoch that a checkpoint holds.
    kept_after: Option<u32>,
    standing: Standing,
}

impl Run {
    /// Puts the data on the device and makes a machine that has learnt nothing. `room` may be for fewer rows than the plan's batches
    /// have; where memory runs out it becomes less.
    ///
    /// # Errors
    /// `ResourceExhausted` when the device has too little memory for half a batch too.
    pub async fn start(
        device: &Device,
        plan: &Arc<Plan>,
        data: &Arc<Prepared>,
        mut room: Room,
        context: &TaskContext,
    ) -> Result<Self, SkillError> {
        let stage = loop {
            let settings = plan.machine(data.preprocess.columns.len(), as_i64(room.rows));
            if !device.is_cuda() {
                memory::check(settings.parameters())?;
            }
            let prepared = Arc::clone(data);
            match device.run(move |desk| Stage::new(settings, &prepared, desk.device)).await? {
                Ok(stage) => break stage,
                Err(fault) => room = room.after(fault.into(), device, context).await?,
            }
        };
        Ok(Self {
            device: device.clone(),
            phases: stage.phases(),
            piece: stage.piece_rows(),
            resumed_after: None,
            kept_after: None,
            stage: Some(stage),
            plan: Arc::clone(plan),
            data: Arc::clone(data),
            standing: Standing { room, history: Vec::new(), best: None },
        })
    }

    /// What the epochs so far came to.
    #[must_use]
    pub fn history(&self) -> &[Epoch] {
        &self.standing.history
    }

    /// The epoch after which this run took up again what another attempt had kept.
    #[must_use]
    pub const fn resumed_after(&self) -> Option<u32> {
        self.resumed_after
    }

    /// Epochs of all phases.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        self.phases.iter().map(|(_, epochs)| epochs).sum()
    }

    /// Rows of a batch.
    #[must_use]
    pub const fn room(&self) -> Room {
        self.standing.room
    }

    /// The epoch whose machine is the one that counts: the best where patience was asked for, else the last.
    #[must_use]
    pub fn kept_epoch(&self) -> u32 {
        let last = self.standing.history.last().map_or(0, |epoch| epoch.epoch);
        self.standing.best.map_or(last, |(epoch, _)| epoch)
    }

    /// Whether nothing more is to be learnt: all epochs are done, or patience is at its end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let done = self.standing.history.len() as u64;
        let waited =
            |patience: u32| self.standing.best.is_some_and(|(best, _)| u64::from(best) + u64::from(patience) <= done);
        done >= u64::from(self.epochs()) || self.plan.patience.is_some_and(waited)
    }

    /// Learns for one epoch. `told` hears which one it is, from 1, and how much of it is done. Where memory runs out, the run begins
    /// anew with half the batch, once, and the epoch is its first.
    ///
    /// # Errors
    /// `Cancelled` within a batch; `InvalidInput` on `lr` when learning runs away; `ResourceExhausted`. The run cannot go on
    /// afterwards.
    pub async fn epoch(&mut self, context: &TaskContext, told: impl Fn(u32, f64)) -> Result<&Epoch, SkillError> {
        let record = loop {
            match self.learn_epoch(context, &told).await {
                Ok(record) => break record,
                Err(fault) => {
                    let room = self.standing.room.after(fault, &self.device, context).await?;
                    *self = Self::start(&self.device, &self.plan, &self.data, room, context).await?;
                }
            }
        };
        self.standing.history.push(record);
        Ok(&self.standing.history[self.standing.history.len() - 1])
    }

    async fn learn_epoch(&mut self, context: &TaskContext, told: &impl Fn(u32, f64)) -> Result<Epoch, SkillError> {
        let began = Instant::now();
        let epoch = u32::try_from(self.standing.history.len()).unwrap_or(u32::MAX) + 1;
        let (phase, is_last_phase) = self.phase_of(epoch);
        let (reconstruction_error, gradient_norm) = self.learn(epoch, context, told).await?;
        let judged = self.on_stage(|stage| stage.judge()).await?;
        let mut figures = told_figures(&judged, reconstruction_error, gradient_norm);
        if let Some(name) = figures.iter().find(|(_, value)| value.is_null()).map(|(name, _)| name.clone()) {
            let steps = self.data.train.rows.div_ceil(self.standing.room.rows) as u64;
            return Err(self.ran_away(epoch, steps, format!("{name} is no finite number")));
        }
        // Before its last phase a deep machine's top layer has learnt nothing that a head could use.
        if self.data.task.is_some() && is_last_phase {
            let loss = self.fit_head(PASSES, context).await?;
            figures.insert("train_loss".to_owned(), json!(loss));
            figures.extend(self.evaluate(context).await?.figures);
        }
        let seconds = began.elapsed().as_secs_f64();
        let record = Epoch { epoch, phase, seconds, figures };
        if self.plan.patience.is_some() && is_last_phase {
            self.compare(&record).await?;
        }
        Ok(record)
    }

    /// Ends the run: goes back to the best epoch where patience was asked for, and fits the head until it rests. Gives what the head is
    /// worth on the rows that judge.
    ///
    /// # Errors
    /// As for [`Self::epoch`].
    pub async fn finish(&mut self, context: &TaskContext) -> Result<Evaluation, SkillError> {
        if self.standing.best.is_some() {
            self.on_stage(Stage::return_to_best).await?;
        }
        if self.data.task.is_none() {
            return Ok(Evaluation::default());
        }
        self.fit_head(LAST_PASSES, context).await?;
        self.evaluate(context).await
    }

    /// The machine and the head, as they go into a model's file.
    ///
    /// # Errors
    /// `ResourceExhausted`.
    pub async fn model(&mut self) -> Result<Packed, SkillError> {
        self.on_stage(|stage| stage.model()).await
    }

    /// Writes all that [`Self::restore`] needs into a file, as the checkpoint of a training.
    ///
    /// # Errors
    /// As [`checkpoint::save`].
    pub async fn save(&mut self, path: &Path, training: &Fingerprint) -> Result<(), SkillError> {
        let state = self.on_stage(|stage| stage.state()).await?;
        let (path, training, standing) = (path.to_owned(), training.clone(), self.standing.clone());
        // No batch is learnt until the tensors, which it may share with the machine, are on disk.
        off_the_clock(move || checkpoint::save(&path, &state, &training, &standing)).await
    }

    /// Goes on where a run with batches of the same size had kept what it had.
    ///
    /// # Errors
    /// `ResourceExhausted`.
    pub async fn restore(&mut self, kept: Kept) -> Result<(), SkillError> {
        let Kept { tensors, standing } = kept;
        self.on_stage(move |stage| stage.restore(tensors)).await?;
        self.standing = standing;
        self.resumed_after = self.standing.history.last().map(|epoch| epoch.epoch);
        self.note_kept();
        Ok(())
    }

    /// Notes that the checkpoint holds what it has learnt so far.
    pub fn note_kept(&mut self) {
        self.kept_after = self.standing.history.last().map(|epoch| epoch.epoch);
    }

    /// Does something with the machine and some rows that judge it.
    pub(super) async fn with_machine<T: Send + 'static>(
        &mut self,
        rows: i64,
        work: impl FnOnce(&super::machine::Machine, &tch::Tensor) -> Result<T, MachineFault> + Send + 'static,
    ) -> Result<T, SkillError> {
        self.on_stage(move |stage| work(stage.machine(), &stage.judging_rows(rows)?)).await
    }

    /// Runs one piece of work on the device. After a fault the tensors are gone, and with them the memory that they took.
    async fn on_stage<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Stage) -> Result<T, MachineFault> + Send + 'static,
    ) -> Result<T, SkillError> {
        Ok(self.try_on_stage(work).await??)
    }

    /// The same, for work that has a fault with a meaning of its own.
    async fn try_on_stage<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Stage) -> Result<T, MachineFault> + Send + 'static,
    ) -> Result<Result<T, MachineFault>, SkillError> {
        let gone = || SkillError::Permanent("the training has ended already".to_owned());
        let mut stage = self.stage.take().ok_or_else(gone)?;
        let done = self.device.run(move |_| work(&mut stage).map(|answer| (stage, answer))).await?;
        Ok(done.map(|(stage, answer)| {
            self.stage = Some(stage);
            answer
        }))
    }

    fn ran_away(&self, epoch: u32, step: u64, what: impl Display) -> SkillError {
        ran_away(("lr", self.plan.settings.lr), (epoch, step), what, self.kept_after)
    }

    /// The phase of an epoch, and whether it is the last one.
    fn phase_of(&self, epoch: u32) -> (String, bool) {
        let mut ends = 0;
        for (number, (name, epochs)) in self.phases.iter().enumerate() {
            ends += epochs;
            if epoch <= ends {
                return (name.clone(), number + 1 == self.phases.len());
            }
        }
        (String::new(), true)
    }

    /// Goes through all batches: mean reconstruction error of a row, and mean norm of the gradient.
    async fn learn(
        &mut self,
        epoch: u32,
        context: &TaskContext,
        told: &impl Fn(u32, f64),
    ) -> Result<(f64, f64), SkillError> {
        let rows = as_i64(self.data.train.rows);
        let order = shuffled(rows, self.plan.settings.seed, epoch);
        self.on_stage(move |stage| stage.begin(epoch, &order)).await?;
        let size = as_i64(self.standing.room.rows);
        let (mut error, mut norm, mut number) = (0.0, 0.0, 0_u64);
        for from in (0..rows).step_by(self.standing.room.rows) {
            if context.is_cancelled() {
                return Err(SkillError::Cancelled);
            }
            let count = size.min(rows - from);
            let figures = match self.try_on_stage(move |stage| stage.batch(epoch, number, from, count)).await? {
                Err(fault @ MachineFault::Diverged) => return Err(self.ran_away(epoch, number + 1, fault)),
                learnt => learnt?,
            };
            error += figures.reconstruction_error * count as f64;
            norm += figures.gradient_norm;
            number += 1;
            told(epoch, (from + count) as f64 / rows as f64);
        }
        Ok((error / rows.max(1) as f64, norm / number.max(1) as f64))
    }

    /// Fits the head to the machine as it is now. Gives the mean loss over the rows that are learnt from.
    async fn fit_head(&mut self, passes: u32, context: &TaskContext) -> Result<f64, SkillError> {
        let pieces = self.on_stage(Stage::begin_head).await?;
        for piece in 0..pieces {
            self.on_stage(move |stage| stage.see(piece)).await?;
        }
        self.on_stage(Stage::factor).await?;
        // The linear head is there after one step; the second tells its loss.
        let passes = if self.data.task == Some(Task::Number) { 2 } else { passes };
        let mut loss = 0.0;
        for _ in 0..passes {
            if context.is_cancelled() {
                return Err(SkillError::Cancelled);
            }
            for piece in 0..pieces {
                self.on_stage(move |stage| stage.pass(piece)).await?;
            }
            let (change, mean) = self.on_stage(Stage::step).await?;
            loss = mean;
            if change < AT_REST {
                break;
            }
        }
        self.on_stage(Stage::end_head).await?;
        Ok(loss)
    }

    /// What the head is worth on the rows that judge, or where there are none, on those that it learnt from.
    async fn evaluate(&mut self, context: &TaskContext) -> Result<Evaluation, SkillError> {
        let data = Arc::clone(&self.data);
        let part = if data.validation.rows > 0 { &data.validation } else { &data.train };
        let mut told = Vec::new();
        let piece = self.piece;
        for from in (0..part.rows).step_by(piece) {
            if context.is_cancelled() {
                return Err(SkillError::Cancelled);
            }
            let rows = piece.min(part.rows - from);
            told.extend(self.on_stage(move |stage| stage.tell(as_i64(from), as_i64(rows))).await?);
        }
        Ok(evaluate(&data.labels, &part.truth, &told))
    }

    /// Keeps the machine if it is the best so far: by the head's loss on the rows that judge, without a head by how well it
    /// reconstructs them.
    async fn compare(&mut self, record: &Epoch) -> Result<(), SkillError> {
        let name = if self.data.task.is_some() { "loss" } else { "validation_reconstruction_error" };
        let Some(value) = record.figure(name) else { return Ok(()) };
        if self.standing.best.is_none_or(|(_, best)| value < best) {
            self.on_stage(Stage::keep_best).await?;
            self.standing.best = Some((record.epoch, value));
        }
        Ok(())
    }
}

/// The order of an epoch's rows. It depends on the seed and the epoch alone.
fn shuffled(rows: i64, seed: u64, epoch: u32) -> Vec<i64> {
    /// An odd number without a pattern: seeds that follow each other must not give the orders of epochs that do.
    const APART: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut order: Vec<i64> = (0..rows).collect();
    Rng::with_seed(seed ^ u64::from(epoch).wrapping_mul(APART)).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_has_an_order_of_its_own_that_the_seed_decides() {
        let order = shuffled(50, 42, 1);

        assert_eq!(order, shuffled(50, 42, 1));
        assert_ne!(order, shuffled(50, 42, 2));
        assert_ne!(order, shuffled(50, 43, 1));
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
}
