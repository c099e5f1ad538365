//! From a labelled table to rows that a model can learn from.

use std::{path::PathBuf, sync::Arc};

use relevo_shared::job::LogLevel;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    judge::balanced,
    labels::{self, Labels},
    learner::Example,
    parameters::{ClassWeights, Parameters},
};
use crate::{
    context::TaskContext,
    skills::{
        SkillError,
        beto::{
            reading::{Table, prepare},
            table::Rows,
        },
        learning::split::stratified,
        off_the_clock,
    },
};

/// The rows of a labelled table, parted.
#[derive(Debug)]
pub(super) struct Examples {
    /// The classes.
    pub(super) labels: Labels,
    /// Rows to learn from.
    pub(super) train: Arc<Vec<Example>>,
    /// Rows to judge by.
    pub(super) validation: Arc<Vec<Example>>,
    /// How much a row of each class counts.
    pub(super) class_weights: Vec<f64>,
    /// Rows of the table.
    pub(super) rows: usize,
    /// Rows left out because they have no text.
    pub(super) without_text: usize,
    /// Rows with text that were left out because they have no label.
    pub(super) without_label: usize,
    /// Rows that were cut to the longest length.
    pub(super) truncated: usize,
}

impl Examples {
    /// Cleans, tokenises and labels the rows of a table, and splits them by class.
    ///
    /// # Errors
    /// `InvalidInput` when the labels are no classes, or there are too few rows.
    pub(super) async fn read(
        parameters: &Parameters,
        (table, rows): (Table, Rows),
        model: PathBuf,
        max_length: usize,
        context: &TaskContext,
    ) -> Result<Self, SkillError> {
        let (column, texts) = (parameters.label_col.clone(), rows.text_columns);
        let names = off_the_clock(move || labels::read(&table.path, &table.description, &column, &texts)).await?;
        let (comments, tokens) = prepare(&parameters.request, rows.texts, model, max_length).await?;
        if names.len() != tokens.len() {
            return Err(SkillError::Transient("the table changed while it was read".to_owned()));
        }
        let labels =
            Labels::of(names.iter().zip(&tokens).filter_map(|(name, row)| name.as_deref().filter(|_| row.is_some())))?;
        let without_text = comments.iter().filter(|comment| !comment.has_text).count();
        let examples: Vec<Example> = names
            .iter()
            .zip(&tokens)
            .filter_map(|(name, row)| {
                Some(Example { tokens: Arc::clone(row.as_ref()?), class: labels.number(name.as_deref()?)? })
            })
            .collect();
        let classes: Vec<usize> = examples.iter().map(|example| example.class).collect();
        let split = stratified(&classes, parameters.val_ratio, u64::from(parameters.seed));
        let of = |rows: &[usize]| Arc::new(rows.iter().map(|&row| examples[row].clone()).collect::<Vec<_>>());
        let (train, validation) = (of(&split.train), of(&split.validation));
        enough(parameters, train.len(), validation.len())?;
        let count = labels.0.len();
        let class_weights = match parameters.class_weights {
            ClassWeights::None => vec![1.0; count],
            ClassWeights::Balanced => balanced(count, train.iter().map(|example| example.class)),
        };
        let found = Self {
            rows: tokens.len(),
            without_text,
            without_label: tokens.len() - without_text - examples.len(),
            truncated: examples.iter().filter(|example| example.tokens.truncated).count(),
            labels,
            train,
            validation,
            class_weights,
        };
        found.tell(context);
        Ok(found)
    }

    fn tell(&self, context: &TaskContext) {
        let facts = json!({
            "classes": self.labels, "train_rows": self.train.len(), "val_rows": self.validation.len(),
            "without_text": self.without_text, "without_label": self.without_label, "truncated": self.truncated,
        });
        let message = format!("{} rows to learn from, {} to judge by", self.train.len(), self.validation.len());
        context.log(LogLevel::Info, message, Some(facts));
    }

    /// Of everything that the rows are: two tables that train alike have one.
    #[must_use]
    pub(super) fn digest(&self) -> Vec<u8> {
        let mut whole = Sha256::new();
        for name in &self.labels.0 {
            whole.update(format!("{}:{name}", name.len()));
        }
        for example in self.train.iter().chain(self.validation.iter()) {
            whole.update(example.class.to_le_bytes());
            whole.update(example.tokens.ids.len().to_le_bytes());
            for id in &example.tokens.ids {
                whole.update(id.to_le_bytes());
            }
        }
        whole.finalize().to_vec()
    }
}

fn enough(parameters: &Parameters, train: usize, validation: usize) -> Result<(), SkillError> {
    if train < parameters.batch_size {
        let reason = format!("must be at most {train}, as that many rows are there to learn from");
        return Err(SkillError::invalid("batch_size", reason));
    }
    if validation == 0 {
        let reason = "must leave rows to judge by; no class has rows enough for that share";
        return Err(SkillError::invalid("val_ratio", reason));
    }
    Ok(())
}
