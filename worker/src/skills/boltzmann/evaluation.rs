//! What predictions are worth, and whether they say more than always the same. Pure.

use serde_json::{Map, Value, json};

use crate::skills::learning::{
    classes::{Confusion, roc_auc_one_vs_rest},
    regression,
};

/// Predictions that differ by less than this share of the target's spread say the same of every row.
const SAME: f64 = 1e-6;

/// Figures of a head's predictions, and how classes were told apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluation {
    /// By name; one that has no meaning is null.
    pub figures: Map<String, Value>,
    /// Of a classifier.
    pub confusion: Option<Confusion>,
}

/// Judges predictions: `told` has for each row as many numbers as there are labels, its probabilities, or one number where there
/// are no labels. Rows without a truth judge nothing.
#[must_use]
pub fn evaluate(labels: &[String], truth: &[Option<f64>], told: &[f64]) -> Evaluation {
    let outputs = labels.len().max(1);
    let judged = || truth.iter().zip(told.chunks_exact(outputs)).filter_map(|(truth, told)| Some(((*truth)?, told)));
    if judged().next().is_none() {
        return Evaluation::default();
    }
    if labels.is_empty() { numbers(judged) } else { classes(labels, judged) }
}

fn classes<'t, I: Iterator<Item = (f64, &'t [f64])>>(labels: &[String], judged: impl Fn() -> I) -> Evaluation {
    let truth: Vec<usize> = judged().map(|(truth, _)| truth as usize).collect();
    let probabilities: Vec<Vec<f64>> = judged().map(|(_, told)| told.to_vec()).collect();
    let predicted: Vec<usize> = judged().map(|(_, told)| most_probable(told)).collect();
    let losses = truth.iter().zip(&probabilities).map(|(&truth, told)| -told[truth].max(f64::MIN_POSITIVE).ln());
    let loss = losses.sum::<f64>() / truth.len() as f64;
    let confusion = Confusion::count(labels.to_vec(), &truth, &predicted);
    let (scores, roc_auc) = (confusion.scores(), roc_auc_one_vs_rest(&truth, &probabilities, labels.len()));
    let figures = json!({
        "judged_rows": truth.len(), "loss": loss, "accuracy": scores.accuracy, "macro_f1": scores.macro_f1,
        "precision": scores.precision, "recall": scores.recall, "mcc": scores.mcc, "roc_auc": roc_auc,
        "majority_baseline": confusion.majority_baseline(), "degenerate": confusion.is_constant(),
    });
    Evaluation { figures: object(figures), confusion: Some(confusion) }
}

fn numbers<'t, I: Iterator<Item = (f64, &'t [f64])>>(judged: impl Fn() -> I) -> Evaluation {
    let (truth, predicted): (Vec<f64>, Vec<f64>) = judged().map(|(truth, told)| (truth, told[0])).unzip();
    let Some(errors) = regression::errors(&truth, &predicted) else { return Evaluation::default() };
    let range = |numbers: &[f64]| {
        let (low, high) =
            numbers.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)));
        high - low
    };
    let constant = range(&predicted) <= SAME * range(&truth) && range(&truth) > 0.0;
    let figures = json!({
        "judged_rows": truth.len(), "loss": errors.rmse.powi(2), "mae": errors.mae, "rmse": errors.rmse, "r2": errors.r2,
        "baseline_rmse": errors.baseline_rmse, "degenerate": constant,
    });
    Evaluation { figures: object(figures), confusion: None }
}

/// The place of the greatest probability, the first of equal ones.
#[must_use]
pub fn most_probable(told: &[f64]) -> usize {
    told.iter().enumerate().fold(0, |best, (place, &value)| if value > told[best] { place } else { best })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<String> {
        ["a", "b"].map(str::to_owned).to_vec()
    }

    #[test]
    fn rows_without_a_truth_judge_nothing() {
        let told = [0.9, 0.1, 0.2, 0.8, 0.6, 0.4];

        let all = evaluate(&labels(), &[Some(0.0), None, Some(1.0)], &told);

        assert_eq!((&all.figures["judged_rows"], &all.figures["accuracy"]), (&json!(2), &json!(0.5)));
        let loss = -(0.9_f64.ln() + 0.4_f64.ln()) / 2.0;
        assert!((all.figures["loss"].as_f64().unwrap() - loss).abs() < 1e-12);
        assert_eq!(evaluate(&labels(), &[None, None, None], &told), Evaluation::default());
    }

    #[test]
    fn one_that_always_says_the_same_is_called_degenerate() {
        let constant = evaluate(&labels(), &[Some(0.0), Some(0.0), Some(1.0)], &[0.7, 0.3, 0.8, 0.2, 0.6, 0.4]);
        let number = evaluate(&[], &[Some(1.0), Some(3.0)], &[2.0, 2.0]);
        let better = evaluate(&[], &[Some(1.0), Some(3.0)], &[1.5, 2.5]);

        assert_eq!(constant.figures["degenerate"], true);
        assert_eq!(constant.figures["accuracy"], constant.figures["majority_baseline"]);
        assert_eq!((&number.figures["degenerate"], &number.figures["r2"]), (&json!(true), &json!(0.0)));
        assert_eq!((&better.figures["degenerate"], &better.figures["mae"]), (&json!(false), &json!(0.5)));
    }
}
