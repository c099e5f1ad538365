//! Puts the results of trials into an order. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::skills::SkillError;

/// Which end of a figure is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Max,
    Min,
}

impl Direction {
    /// Losses and errors are to be small, everything else great.
    pub(super) fn of(metric: &str) -> Self {
        let small = ["loss", "error", "mae", "rmse", "gap"];
        if small.iter().any(|word| metric.contains(word)) { Self::Min } else { Self::Max }
    }
}

/// Figures of what trials tell of the target, which is the same for all. Any other is of the rows as a trial's visible units see them:
/// a probability of bits for some and a density of numbers for others, which do not compare.
const OF_THE_TARGET: [&str; 11] =
    ["loss", "train_loss", "accuracy", "macro_f1", "precision", "recall", "mcc", "roc_auc", "mae", "rmse", "r2"];

/// The trials from the best to the worst, by a figure of their `metrics`. Those that predict one thing only come after those
/// that do not, and those without the figure last; equal ones stay in their order.
///
/// # Errors
/// No result has the figure, or it does not compare because some trials see bits and others numbers.
pub(super) fn rank(results: &[Value], metric: &str, direction: Option<Direction>) -> Result<Vec<Value>, SkillError> {
    let direction = direction.unwrap_or_else(|| Direction::of(metric));
    let figure = |result: &Value| result["metrics"][metric].as_f64();
    if results.is_empty() {
        return Err(SkillError::invalid("results", "must hold the result of a trial: none came to its end"));
    }
    if results.iter().all(|result| figure(result).is_none()) {
        let figures = results.iter().filter_map(|result| result["metrics"].as_object());
        let numbers = figures.flatten().filter(|(_, value)| value.is_number()).map(|(name, _)| name.as_str());
        let known: BTreeSet<&str> = numbers.collect();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(SkillError::invalid("metric", format!("no trial has the figure {metric:?}; they have {known}")));
    }
    let judged = results.iter().filter(|result| figure(result).is_some());
    let units: BTreeSet<&str> = judged.filter_map(|result| result["parameters"]["visible"].as_str()).collect();
    if units.len() > 1 && !OF_THE_TARGET.contains(&metric) {
        let reason = format!(
            "must be a figure of the target, such as accuracy or rmse: {metric} does not compare between trials whose visible units are {}",
            units.into_iter().collect::<Vec<_>>().join(" and ")
        );
        return Err(SkillError::invalid("metric", reason));
    }
    let mut order: Vec<&Value> = results.iter().collect();
    let worth = |result: &Value| figure(result).map(|value| if direction == Direction::Max { -value } else { value });
    let degenerate = |result: &Value| result["metrics"]["degenerate"].as_bool() == Some(true);
    order.sort_by(|a, b| {
        let (left, right) = (worth(a), worth(b));
        let known = right.is_some().cmp(&left.is_some());
        let by_worth = left.unwrap_or(0.0).total_cmp(&right.unwrap_or(0.0));
        known.then(degenerate(a).cmp(&degenerate(b))).then(by_worth)
    });
    let ranked = (1..).zip(order).map(|(place, result)| {
        json!({
            "place": place, "output_name": result["output_name"], "model_uri": result["model_uri"],
            "content_hash": result["content_hash"], "value": figure(result), "degenerate": degenerate(result),
            "parameters": result["parameters"], "metrics": result["metrics"],
        })
    });
    Ok(ranked.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(name: &str, metrics: &Value) -> Value {
        json!({ "output_name": name, "model_uri": format!("s3://b/{name}"), "metrics": metrics })
    }

    fn names(ranked: &[Value]) -> Vec<&str> {
        ranked.iter().map(|trial| trial["output_name"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_best_comes_first_and_a_constant_predictor_behind_every_other() {
        let results = [
            trial("low", &json!({ "macro_f1": 0.3, "loss": 0.1 })),
            trial("none", &json!({})),
            trial("constant", &json!({ "macro_f1": 0.9, "degenerate": true, "loss": 0.0 })),
            trial("high", &json!({ "macro_f1": 0.6, "loss": 0.2 })),
        ];

        let ranked = rank(&results, "macro_f1", None).unwrap();

        assert_eq!(names(&ranked), ["high", "low", "constant", "none"]);
        assert_eq!((&ranked[0]["place"], &ranked[0]["model_uri"]), (&json!(1), &json!("s3://b/high")));
        assert_eq!(names(&rank(&results, "loss", None).unwrap()), ["low", "high", "constant", "none"]);
        assert_eq!(names(&rank(&results, "macro_f1", Some(Direction::Min)).unwrap())[0], "low");
    }

    #[test]
    fn likelihoods_of_bits_and_of_numbers_are_not_put_into_one_order() {
        let of = |visible: &str| json!({ "parameters": { "visible": visible }, "metrics": { "log_likelihood": -3.0, "accuracy": 0.5 } });
        let (mixed, alike) = ([of("bernoulli"), of("gaussian")], [of("gaussian"), of("gaussian")]);

        let told = rank(&mixed, "log_likelihood", None).unwrap_err().to_string();

        assert!(told.starts_with("metric: must be a figure of the target"), "{told}");
        assert!(told.ends_with("visible units are bernoulli and gaussian"), "{told}");
        assert!(rank(&mixed, "accuracy", None).is_ok() && rank(&alike, "log_likelihood", None).is_ok());
    }

    #[test]
    fn a_figure_that_no_trial_has_is_answered_with_those_there_are() {
        let results = [trial("a", &json!({ "accuracy": 0.5, "degenerate": false }))];

        let told = rank(&results, "r2", None).unwrap_err().to_string();

        assert!(told.contains("\"r2\"") && told.ends_with("they have accuracy"), "{told}");
        assert_eq!(rank(&[], "r2", None).unwrap_err().code(), "INVALID_INPUT");
    }
}
