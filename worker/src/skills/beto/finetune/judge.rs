//! What a model's answers are worth. Pure.

use serde::{Deserialize, Serialize};

use super::labels::Labels;
use crate::skills::learning::classes::Confusion;

/// How a model did on the rows that judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Mean cross-entropy in nats, weighted by class as in training.
    pub loss: f64,
    /// Which class was taken for which.
    pub confusion: Confusion,
}

impl Judgement {
    /// Judges logits, one row each, by the classes that are right. The first of equal logits counts as told.
    #[must_use]
    pub fn of(labels: &Labels, truth: &[usize], logits: &[Vec<f32>], class_weights: &[f64]) -> Self {
        let (mut loss, mut whole) = (0.0, 0.0);
        for (&class, row) in truth.iter().zip(logits) {
            loss += class_weights[class] * cross_entropy(row, class);
            whole += class_weights[class];
        }
        let told: Vec<usize> = logits.iter().map(|row| top(row)).collect();
        Self { loss: loss / whole, confusion: Confusion::count(labels.0.clone(), truth, &told) }
    }
}

fn cross_entropy(logits: &[f32], class: usize) -> f64 {
    let highest = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - highest).exp()).sum();
    highest + sum.ln() - f64::from(logits[class])
}

fn top(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, class| if logits[best] < logits[class] { class } else { best })
}

/// How much a row of each class counts so that all classes count the same: rows / (classes × rows of the class). A class without rows
/// counts nothing.
#[must_use]
pub fn balanced(classes: usize, truth: impl IntoIterator<Item = usize>) -> Vec<f64> {
    let mut counts = vec![0_u64; classes];
    for class in truth {
        counts[class] += 1;
    }
    let rows: u64 = counts.iter().sum();
    let weight = |&count: &u64| if count == 0 { 0.0 } else { rows as f64 / (classes as f64 * count as f64) };
    counts.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_is_the_mean_surprise() {
        let labels = Labels(vec!["a".to_owned(), "b".to_owned()]);
        let logits = [vec![0.0, 0.0], vec![1000.0, 0.0], vec![0.0, 3.0_f32.ln()]];

        let judged = Judgement::of(&labels, &[0, 0, 1], &logits, &[1.0, 1.0]);
        let heavy = Judgement::of(&labels, &[0, 0, 1], &logits, &[0.0, 2.0]);

        assert!((judged.loss - (2.0_f64.ln() + (4.0_f64 / 3.0).ln()) / 3.0).abs() < 1e-7);
        assert!((heavy.loss - (4.0_f64 / 3.0).ln()).abs() < 1e-7);
        assert_eq!(judged.confusion.counts, [[2, 0], [0, 1]]);
    }

    #[test]
    fn balanced_classes_count_the_same_together() {
        assert_eq!(balanced(3, [0, 0, 0, 1]), [4.0 / 9.0, 4.0 / 3.0, 0.0]);
    }
}
