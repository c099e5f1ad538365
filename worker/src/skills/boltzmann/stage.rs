//! All tensors of one training, which travel to the device and back as one. Every method is a short piece of work for it.

use tch::{Device, Kind, Tensor};

use super::{
    head::{Fitting, Head, Task},
    machine::{BatchFigures, EpochFigures, Machine, MachineFault, Settings, Trainer},
    prepared::{Part, Prepared},
};
use crate::skills::torch::{Named, Packed, copied};

/// Rows that an epoch's figures are computed from; drawn by chance once where there are more.
const JUDGED_ROWS: usize = 10_000;
/// Rows of one piece of work where rows need not be those of a batch.
const PIECE_ROWS: usize = 8192;
/// Numbers that one layer of such rows may take: 32 MiB in single precision. Wide layers are looked at in smaller pieces.
const PIECE_NUMBERS: usize = 1 << 23;

/// Prefixes of the tensors in a checkpoint.
const TRAINER: &str = "trainer";
const BEST: &str = "best";

/// A machine that learns, its data and its head.
#[derive(Debug)]
pub(super) struct Stage {
    trainer: Trainer,
    train: Tensor,
    validation: Tensor,
    judged: (Tensor, Option<Tensor>),
    order: Tensor,
    head: Option<Learner>,
    /// The machine as it was when it was best.
    best: Option<Named>,
    piece: usize,
}

/// The head with the rows whose truth is known.
#[derive(Debug)]
struct Learner {
    task: Task,
    units: i64,
    head: Head,
    /// Places among the training rows.
    rows: Tensor,
    truth: Tensor,
    fitting: Option<Fitting>,
    /// Hidden probabilities of those rows, piece by piece, for as long as the machine does not change.
    hidden: Vec<Tensor>,
}

impl Stage {
    /// Puts the data on the device and makes a machine that has learnt nothing.
    pub(super) fn new(settings: Settings, data: &Prepared, device: Device) -> Result<Self, MachineFault> {
        let width = settings.n_visible;
        let rows = |part: &Part| -> Result<Tensor, MachineFault> {
            Ok(Tensor::f_from_slice(&part.visible)?.f_view([-1, width])?.f_to_device(device)?)
        };
        let (train, validation) = (rows(&data.train)?, rows(&data.validation)?);
        let some = |all: &Tensor, count: usize| -> Result<Tensor, MachineFault> {
            let most = JUDGED_ROWS.min(rows_within(&settings));
            if count <= most {
                return Ok(all.shallow_clone());
            }
            let chosen = fastrand::Rng::with_seed(settings.seed).choose_multiple(0..as_i64(count), most);
            Ok(all.f_index_select(0, &Tensor::f_from_slice(&chosen)?.f_to_device(device)?)?)
        };
        let judged_train = some(&train, data.train.rows)?;
        let judges = data.validation.rows > 0;
        let judged_validation = if judges { Some(some(&validation, data.validation.rows)?) } else { None };
        let units = settings.n_hidden.last().copied().unwrap_or(1);
        let head = data.task.map(|task| Learner::new(task, &data.train.truth, units, device)).transpose()?;
        let order = Tensor::f_zeros([0], (Kind::Int64, device))?;
        let piece = PIECE_ROWS.min(rows_within(&settings));
        let trainer = Trainer::new(settings, &Tensor::f_from_slice(&data.mean())?, device)?;
        Ok(Self {
            piece,
            trainer,
            train,
            validation,
            judged: (judged_train, judged_validation),
            order,
            head,
            best: None,
        })
    }

    /// The phases of the run: their names and epochs.
    pub(super) fn phases(&self) -> Vec<(String, u32)> {
        self.trainer.phases().into_iter().map(|phase| (phase.name, phase.epochs)).collect()
    }

    /// Begins an epoch, in which the rows come in this order.
    pub(super) fn begin(&mut self, epoch: u32, order: &[i64]) -> Result<(), MachineFault> {
        self.order = Tensor::f_from_slice(order)?.f_to_device(self.train.device())?;
        self.trainer.begin_epoch(epoch)
    }

    /// Learns from the rows of one batch, which begin at a place of the order.
    pub(super) fn batch(
        &mut self,
        epoch: u32,
        number: u64,
        from: i64,
        rows: i64,
    ) -> Result<BatchFigures, MachineFault> {
        let rows = self.train.f_index_select(0, &self.order.f_narrow(0, from, rows)?)?;
        self.trainer.batch(&rows, epoch, number)
    }

    /// Figures of the machine as it is now.
    pub(super) fn judge(&self) -> Result<EpochFigures, MachineFault> {
        self.trainer.judge(&self.judged.0, self.judged.1.as_ref())
    }

    /// The machine as it is now.
    pub(super) const fn machine(&self) -> &Machine {
        self.trainer.machine()
    }

    /// Rows that judge the machine, at most so many: those that it did not learn from, where there are any.
    pub(super) fn judging_rows(&self, most: i64) -> Result<Tensor, MachineFault> {
        let rows = self.judged.1.as_ref().unwrap_or(&self.judged.0);
        Ok(rows.f_narrow(0, 0, rows.size()[0].min(most))?)
    }

    /// Begins to fit the head to the machine as it is now: gives the number of pieces for [`Self::see`] and [`Self::pass`].
    pub(super) fn begin_head(&mut self) -> Result<usize, MachineFault> {
        let Some(learner) = &mut self.head else { return Ok(0) };
        // From nothing: units of little variance have large weights, which a small change of the machine makes wrong by far.
        learner.head = Head::new(learner.task, learner.units, self.train.device())?;
        learner.fitting = Some(Fitting::new(&learner.head)?);
        learner.hidden.clear();
        Ok(usize::try_from(learner.rows.size()[0]).unwrap_or(0).div_ceil(self.piece))
    }

    /// Looks at one piece of the rows.
    pub(super) fn see(&mut self, piece: usize) -> Result<(), MachineFault> {
        let Some(learner) = &mut self.head else { return Ok(()) };
        let places = piece_of(&learner.rows, piece, self.piece)?;
        let hidden = self.trainer.machine().hidden(&self.train.f_index_select(0, &places)?)?;
        if let Some(fitting) = &mut learner.fitting {
            fitting.see(&hidden)?;
        }
        learner.hidden.push(hidden);
        Ok(())
    }

    /// All pieces were seen.
    pub(super) fn factor(&mut self) -> Result<(), MachineFault> {
        if let Some(Learner { fitting: Some(fitting), head, .. }) = &mut self.head {
            fitting.factor(head)?;
        }
        Ok(())
    }

    /// Takes one piece of the rows into the step that comes.
    pub(super) fn pass(&mut self, piece: usize) -> Result<(), MachineFault> {
        if let Some(Learner { fitting: Some(fitting), head, truth, hidden, .. }) = &mut self.head {
            fitting.add(head, &hidden[piece], &piece_of(truth, piece, self.piece)?)?;
        }
        Ok(())
    }

    /// Takes the step: gives the largest change of a weight, and the mean loss before it.
    pub(super) fn step(&mut self) -> Result<(f64, f64), MachineFault> {
        let Some(Learner { fitting: Some(fitting), head, rows, .. }) = &mut self.head else { return Ok((0.0, 0.0)) };
        let (change, loss) = fitting.step(head)?;
        Ok((change, loss / rows.size()[0].max(1) as f64))
    }

    /// Leaves the head where the last step led, and lets go of what only its fitting needs.
    pub(super) fn end_head(&mut self) -> Result<(), MachineFault> {
        let Some(learner) = &mut self.head else { return Ok(()) };
        learner.hidden.clear();
        if let Some(fitting) = learner.fitting.take() {
            fitting.end(&mut learner.head)?;
        }
        Ok(())
    }

    /// What the head tells of some rows that judge (or, where none do, of training rows): as many numbers for each as it has outputs.
    pub(super) fn tell(&self, from: i64, rows: i64) -> Result<Vec<f64>, MachineFault> {
        let Some(learner) = &self.head else { return Ok(Vec::new()) };
        let all = if self.judged.1.is_some() { &self.validation } else { &self.train };
        let hidden = self.machine().hidden(&all.f_narrow(0, from, rows)?)?;
        let told = learner.head.tell(&hidden)?.f_to_device(Device::Cpu)?.f_flatten(0, -1)?;
        Ok(Vec::<f64>::try_from(told)?)
    }

    /// Keeps the machine as it is now as the best so far.
    pub(super) fn keep_best(&mut self) -> Result<(), MachineFault> {
        let machine = self.trainer.machine().tensors().into_iter();
        let kept = machine.map(|(name, tensor)| Ok((name, copied(&tensor)?)));
        self.best = Some(kept.collect::<Result<_, MachineFault>>()?);
        Ok(())
    }

    /// Goes back to the best machine, where one was kept. The head is to be fitted to it.
    pub(super) fn return_to_best(&mut self) -> Result<(), MachineFault> {
        for ((_, mut now), (_, then)) in self.trainer.machine().tensors().into_iter().zip(self.best.iter().flatten()) {
            now.f_copy_(then)?;
        }
        Ok(())
    }

    /// The machine and the head, as they go into a model's file.
    pub(super) fn model(&self) -> Result<Packed, MachineFault> {
        let mut tensors = self.machine().tensors();
        tensors
            .extend(self.head.iter().map(|learner| (HEAD_TENSOR.to_owned(), learner.head.weights().shallow_clone())));
        Ok(Packed::of(tensors)?)
    }

    /// Everything that a run needs to go on from here. The head is not among it: it is fitted anew to each machine.
    pub(super) fn state(&self) -> Result<Packed, MachineFault> {
        let mut tensors = prefixed(TRAINER, self.trainer.state()?);
        let best = self.best.iter().flatten().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        tensors.extend(prefixed(BEST, best.collect()));
        Ok(Packed::of(tensors)?)
    }

    /// Goes on from a state.
    pub(super) fn restore(&mut self, mut tensors: Named) -> Result<(), MachineFault> {
        self.trainer.restore(take(TRAINER, &mut tensors))?;
        let best = take(BEST, &mut tensors);
        if !best.is_empty() {
            // In the order in which the machine names them.
            let named = self.trainer.machine().tensors().into_iter().map(|(name, now)| {
                let found = best.iter().find(|(known, _)| *known == name);
                let missing = || MachineFault::MissingTensor { name: name.clone(), expected: now.size() };
                let (_, tensor) = found.ok_or_else(missing)?;
                Ok((name, tensor.f_to_device(self.train.device())?))
            });
            self.best = Some(named.collect::<Result<_, MachineFault>>()?);
        }
        Ok(())
    }

    /// Rows of one piece of work where rows need not be those of a batch.
    pub(super) const fn piece_rows(&self) -> usize {
        self.piece
    }
}

/// Puts a word before the names of tensors, so that several sets fit into one file.
fn prefixed(prefix: &str, tensors: Named) -> Named {
    tensors.into_iter().map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)).collect()
}

/// Takes out the tensors with such a word before their names, without it.
fn take(prefix: &str, tensors: &mut Named) -> Named {
    let of = |name: &str| name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).map(str::to_owned);
    let (taken, left): (Named, Named) = std::mem::take(tensors).into_iter().partition(|(name, _)| of(name).is_some());
    *tensors = left;
    taken.into_iter().filter_map(|(name, tensor)| of(&name).map(|name| (name, tensor))).collect()
}

/// What the head's weights are called in a model's file.
pub(super) const HEAD_TENSOR: &str = "head.weights";

impl Learner {
    fn new(task: Task, truth: &[Option<f64>], units: i64, device: Device) -> Result<Self, MachineFault> {
        let known = truth.iter().enumerate().filter_map(|(row, truth)| truth.map(|truth| (as_i64(row), truth)));
        let (rows, known): (Vec<i64>, Vec<f64>) = known.unzip();
        Ok(Self {
            task,
            units,
            head: Head::new(task, units, device)?,
            rows: Tensor::f_from_slice(&rows)?.f_to_device(device)?,
            truth: Head::truth(task, &known, device)?,
            fitting: None,
            hidden: Vec::new(),
        })
    }
}

/// Rows whose widest layer is no larger than a piece of work may be.
fn rows_within(settings: &Settings) -> usize {
    let widest = settings.widths().into_iter().max().unwrap_or(1);
    (PIECE_NUMBERS / usize::try_from(widest).unwrap_or(1).max(1)).max(1)
}

fn piece_of(all: &Tensor, piece: usize, rows: usize) -> Result<Tensor, MachineFault> {
    let (from, size) = (as_i64(piece * rows), all.size()[0]);
    Ok(all.f_narrow(0, from, (size - from).min(as_i64(rows)))?)
}

/// A number of rows, as libtorch counts.
pub(super) fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
