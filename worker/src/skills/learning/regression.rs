//! How good predicted numbers are. Pure.

use serde::{Deserialize, Serialize};

/// The usual figures of a regression, in the target's unit but `r2`, which is at most 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Mean absolute error.
    pub mae: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Share of the target's variance that is explained; 0 when the target does not vary.
    pub r2: f64,
    /// Root of the mean squared error of always telling the target's mean.
    pub baseline_rmse: f64,
}

/// Compares predictions with the truth; none of no rows.
///
/// # Panics
/// When the two are not of one length.
#[must_use]
pub fn errors(truth: &[f64], predicted: &[f64]) -> Option<Errors> {
    assert_eq!(truth.len(), predicted.len(), "one prediction for each truth");
    if truth.is_empty() {
        return None;
    }
    let rows = truth.len() as f64;
    let mean = truth.iter().sum::<f64>() / rows;
    let spread: f64 = truth.iter().map(|value| (value - mean).powi(2)).sum();
    let misses = truth.iter().zip(predicted).map(|(truth, told)| truth - told);
    let squared: f64 = misses.clone().map(|miss| miss * miss).sum();
    Some(Errors {
        mae: misses.map(f64::abs).sum::<f64>() / rows,
        rmse: (squared / rows).sqrt(),
        r2: if spread == 0.0 { 0.0 } else { 1.0 - squared / spread },
        baseline_rmse: (spread / rows).sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_scikit_learn() {
        // mean_absolute_error, root_mean_squared_error, r2_score.
        let told = errors(&[3.0, -0.5, 2.0, 7.0], &[2.5, 0.0, 2.0, 8.0]).unwrap();

        assert!((told.mae - 0.5).abs() < 1e-12 && (told.rmse - 0.375_f64.sqrt()).abs() < 1e-12, "{told:?}");
        assert!((told.r2 - 0.948_608_137_044_967_9).abs() < 1e-12, "{told:?}");
    }

    #[test]
    fn a_target_that_does_not_vary_explains_nothing() {
        assert_eq!(errors(&[1.0, 1.0], &[1.0, 1.0]).unwrap().r2, 0.0);
        assert_eq!(errors(&[], &[]), None);
    }

    #[test]
    fn golden_figures_of_scikit_learn_are_met() {
        let answers = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/scores.json")).unwrap();
        let answers: serde_json::Value = serde_json::from_slice(&answers).unwrap();
        for case in answers["numbers"].as_array().unwrap() {
            let of = |name: &str| serde_json::from_value::<Vec<f64>>(case[name].clone()).unwrap();

            let told = errors(&of("truth"), &of("told")).unwrap();

            for (name, found) in [("mae", told.mae), ("rmse", told.rmse), ("r2", told.r2)] {
                let right = case[name].as_f64().unwrap();
                assert!((found - right).abs() < 1e-9, "{name}: {found} is not {right}");
            }
        }
    }
}
