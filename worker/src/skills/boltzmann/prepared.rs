//! A table as a training takes it: split, scaled, and with the truth beside each row. Pure.

use super::{
    head,
    matrix::{Table, Target},
    parameters::{HeadKind, Plan, SplitWay},
    preprocess::{Dropped, Preprocess, Why},
};
use crate::skills::{
    SkillError,
    learning::split::{self, Split},
};

/// Parts of a target's range that a stratified split keeps in proportion.
const STRATA: usize = 10;

/// Rows for the visible units.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// How many.
    pub rows: usize,
    /// `rows × visible units` numbers.
    pub visible: Vec<f32>,
    /// The number of each row's class, or the target's number; rows may lack it. Empty where there is no head.
    pub truth: Vec<Option<f64>>,
}

/// What a machine is trained and judged with.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// How rows of the table become rows of units.
    pub preprocess: Preprocess,
    /// What is learnt from.
    pub train: Part,
    /// What judges; no rows where the plan wants none.
    pub validation: Part,
    /// What the classes are called; none for numbers.
    pub labels: Vec<String>,
    /// What the head learns.
    pub task: Option<head::Task>,
}

/// Which rows train and which judge, as the plan asks.
///
/// # Errors
/// `InvalidInput` naming the parameter that leaves too few rows.
pub fn split(table: &Table, plan: &Plan) -> Result<Split, SkillError> {
    let (rows, ratio, seed) = (table.features.rows(), plan.val_ratio, plan.settings.seed);
    let split = match (plan.split, &table.times) {
        (SplitWay::Random, _) => split::random(rows, ratio, seed),
        (SplitWay::Stratified, _) => split::stratified(&strata(&table.target, rows), ratio, seed),
        (SplitWay::Temporal, times) => split::temporal(times.as_deref().unwrap_or_default(), ratio),
    };
    if ratio > 0.0 && split.validation.is_empty() {
        let reason = format!(
            "leaves no row to judge by: the table has {rows} rows; let it be 0, or so much that a row comes to judge"
        );
        return Err(SkillError::invalid("val_ratio", reason));
    }
    Ok(split)
}

/// The stratum of each row: its class, or its tenth of the target's range by rank. Rows without a target are one of their own.
#[must_use]
pub fn strata(target: &Target, rows: usize) -> Vec<usize> {
    match target {
        Target::None => vec![0; rows],
        Target::Classes { labels, of } => of.iter().map(|class| class.unwrap_or(labels.len())).collect(),
        Target::Numbers(numbers) => {
            let mut known: Vec<usize> = (0..numbers.len()).filter(|&row| numbers[row].is_some()).collect();
            known.sort_by(|&a, &b| numbers[a].unwrap_or_default().total_cmp(&numbers[b].unwrap_or_default()));
            let mut strata = vec![STRATA; numbers.len()];
            for (rank, &row) in known.iter().enumerate() {
                strata[row] = rank * STRATA / known.len();
            }
            strata
        }
    }
}

impl Prepared {
    /// Scales a table by what its training rows hold.
    ///
    /// # Errors
    /// `InvalidInput` when there is too little to learn from.
    pub fn new(table: &Table, plan: &Plan, split: &Split) -> Result<Self, SkillError> {
        let needed = usize::try_from(plan.settings.batch_size).unwrap_or(usize::MAX);
        if split.train.len() < needed {
            let reason = format!("must be at most {}, the number of rows that are learnt from", split.train.len());
            return Err(SkillError::invalid("batch_size", reason));
        }
        let mut preprocess = Preprocess::fit(&table.features, &split.train, plan.settings.visible)?;
        let texts = table.no_numbers.iter().map(|name| Dropped { name: name.clone(), reason: Why::Text });
        preprocess.dropped.extend(texts);
        let part = |rows: &[usize]| -> Result<Part, SkillError> {
            let features = rows.iter().map(|&row| (row, table.features.row(row)));
            let visible = preprocess.encode(&table.features.names, features);
            let visible = visible.map_err(|reason| SkillError::invalid("columns", reason))?;
            let truth = match (&table.target, plan.head) {
                (_, HeadKind::None) | (Target::None, _) => Vec::new(),
                (Target::Classes { of, .. }, _) => rows.iter().map(|&row| of[row].map(|class| class as f64)).collect(),
                (Target::Numbers(of), _) => rows.iter().map(|&row| of[row]).collect(),
            };
            Ok(Part { rows: rows.len(), visible, truth })
        };
        let (train, validation) = (part(&split.train)?, part(&split.validation)?);
        let (labels, task) = match (&table.target, plan.head) {
            (_, HeadKind::None) | (Target::None, _) => (Vec::new(), None),
            (Target::Classes { labels, .. }, _) => {
                #[expect(clippy::cast_possible_wrap, reason = "there are a hundred classes at most")]
                let classes = labels.len() as i64;
                (labels.clone(), Some(head::Task::Classes(classes)))
            }
            (Target::Numbers(_), _) => (Vec::new(), Some(head::Task::Number)),
        };
        let prepared = Self { preprocess, train, validation, labels, task };
        prepared.check_truth(plan)?;
        Ok(prepared)
    }

    /// The training rows must hold two different answers, the judging ones one.
    fn check_truth(&self, plan: &Plan) -> Result<(), SkillError> {
        if self.task.is_none() {
            return Ok(());
        }
        let name = plan.target.as_deref().unwrap_or_default();
        let mut known = self.train.truth.iter().flatten();
        let fault = match known.next() {
            None => Some("no row that is learnt from has a value".to_owned()),
            Some(first) if known.all(|other| other == first) => {
                let what = self.labels.get(*first as usize).cloned().unwrap_or_else(|| first.to_string());
                Some(format!("all rows that are learnt from have the same value, {what}"))
            }
            Some(_) if self.validation.rows > 0 && self.validation.truth.iter().all(Option::is_none) => {
                Some("no row that judges has a value".to_owned())
            }
            Some(_) => None,
        };
        match fault {
            None => Ok(()),
            Some(reason) => Err(SkillError::invalid("target", format!("column {name:?}: {reason}"))),
        }
    }

    /// The mean of each visible unit over the training rows.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "units are of single precision")]
    pub fn mean(&self) -> Vec<f32> {
        let width = self.preprocess.columns.len();
        let mut sums = vec![0.0_f64; width];
        for row in self.train.visible.chunks_exact(width) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += f64::from(value);
            }
        }
        sums.into_iter().map(|sum| (sum / self.train.rows.max(1) as f64) as f32).collect()
    }
}
