//! How good predicted classes are. Pure.
//!
//! Definitions as in scikit-learn 1.7 (`sklearn.metrics`), which the golden figures come from. A ratio of nothing is 0.

use serde::{Deserialize, Serialize};

/// How often each class was taken for which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// What the classes are called.
    pub labels: Vec<String>,
    /// `counts[truth][predicted]`, in rows.
    pub counts: Vec<Vec<u64>>,
}

/// The usual figures of a classifier, each from 0 to 1 but `mcc`, which is from −1 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Share of rows that were told right.
    pub accuracy: f64,
    /// Mean over the classes of the harmonic mean of precision and recall.
    pub macro_f1: f64,
    /// Mean precision over the classes.
    pub precision: f64,
    /// Mean recall over the classes.
    pub recall: f64,
    /// Matthews' correlation, for several classes (Gorodkin 2004).
    pub mcc: f64,
}

impl Confusion {
    /// Counts pairs of class numbers, each below the number of labels.
    ///
    /// # Panics
    /// When the two are not of one length, or a number is no class.
    #[must_use]
    pub fn count(labels: Vec<String>, truth: &[usize], predicted: &[usize]) -> Self {
        assert_eq!(truth.len(), predicted.len(), "one prediction for each truth");
        let mut counts = vec![vec![0; labels.len()]; labels.len()];
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            counts[truth][predicted] += 1;
        }
        Self { labels, counts }
    }

    /// Rows in all.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// The figures.
    #[must_use]
    pub fn scores(&self) -> Scores {
        let classes = self.counts.len();
        let (mut precision, mut recall, mut f1) = (0.0, 0.0, 0.0);
        // As in scikit-learn, a class that is neither in the truth nor predicted is left out of the means.
        let mut seen = 0_usize;
        for class in 0..classes {
            let (hits, truth, told) = (self.counts[class][class], self.of_truth(class), self.of_prediction(class));
            if truth + told == 0 {
                continue;
            }
            seen += 1;
            precision += ratio(hits, told);
            recall += ratio(hits, truth);
            f1 += ratio(2 * hits, truth + told);
        }
        let seen = seen.max(1) as f64;
        let accuracy = ratio(self.hits(), self.rows());
        Scores { accuracy, macro_f1: f1 / seen, precision: precision / seen, recall: recall / seen, mcc: self.mcc() }
    }

    /// The accuracy of always telling the most frequent class.
    #[must_use]
    pub fn majority_baseline(&self) -> f64 {
        let most = (0..self.counts.len()).map(|class| self.of_truth(class)).max().unwrap_or_default();
        ratio(most, self.rows())
    }

    /// Whether one class was told of every row, though there are several.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        let told = (0..self.counts.len()).filter(|&class| self.of_prediction(class) > 0).count();
        let true_classes = (0..self.counts.len()).filter(|&class| self.of_truth(class) > 0).count();
        told == 1 && true_classes > 1
    }

    fn hits(&self) -> u64 {
        (0..self.counts.len()).map(|class| self.counts[class][class]).sum()
    }

    fn of_truth(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    fn of_prediction(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    fn mcc(&self) -> f64 {
        let (rows, hits) = (self.rows() as f64, self.hits() as f64);
        let (mut both, mut truths, mut tolds) = (0.0, 0.0, 0.0);
        for class in 0..self.counts.len() {
            let (truth, told) = (self.of_truth(class) as f64, self.of_prediction(class) as f64);
            both += truth * told;
            truths += truth * truth;
            tolds += told * told;
        }
        let spread = ((rows * rows - tolds) * (rows * rows - truths)).sqrt();
        if spread == 0.0 { 0.0 } else { (hits * rows - both) / spread }
    }
}

/// Area under the ROC curve of each class against the rest, averaged over the classes; ties count half. None when some class
/// has all rows or none.
///
/// `probabilities[row][class]`.
#[must_use]
pub fn roc_auc_one_vs_rest(truth: &[usize], probabilities: &[Vec<f64>], classes: usize) -> Option<f64> {
    let areas = (0..classes).map(|class| {
        let scored = truth.iter().zip(probabilities).map(|(&truth, row)| (row[class], truth == class));
        roc_auc(scored.collect())
    });
    let areas = areas.collect::<Option<Vec<f64>>>()?;
    (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
}

/// By the ranks of the scores (Mann & Whitney 1947).
fn roc_auc(mut scored: Vec<(f64, bool)>) -> Option<f64> {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scored.iter().filter(|(_, positive)| *positive).count();
    let negatives = scored.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (mut ranks, mut from) = (0.0, 0);
    while from < scored.len() {
        // A score that is no number equals nothing, not even itself.
        let ties = scored[from..].iter().take_while(|(score, _)| *score == scored[from].0).count().max(1);
        // Ranks count from 1; tied scores share the mean of theirs.
        let mean_rank = from as f64 + (ties as f64 + 1.0) / 2.0;
        ranks += mean_rank * scored[from..from + ties].iter().filter(|(_, positive)| *positive).count() as f64;
        from += ties;
    }
    let (positives, negatives) = (positives as f64, negatives as f64);
    Some((ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(truth: &[usize], predicted: &[usize]) -> Confusion {
        Confusion::count(["a", "b", "c"].map(str::to_owned).to_vec(), truth, predicted)
    }

    #[test]
    fn figures_are_those_of_scikit_learn() {
        // sklearn.metrics on the same rows: accuracy_score, f1_score, precision_score, recall_score (macro), matthews_corrcoef.
        let scores = confusion(&[0, 0, 0, 1, 1, 2, 2, 2, 2, 0], &[0, 1, 0, 1, 2, 2, 2, 0, 2, 0]).scores();

        for (told, right) in [
            (scores.accuracy, 0.7),
            (scores.precision, 2.0 / 3.0),
            (scores.recall, 2.0 / 3.0),
            (scores.macro_f1, 2.0 / 3.0),
            (scores.mcc, 0.531_25),
        ] {
            assert!((told - right).abs() < 1e-12, "{scores:?}");
        }
    }

    #[test]
    fn a_constant_prediction_is_called_one_and_is_as_good_as_the_baseline() {
        let told = confusion(&[0, 0, 1, 2], &[0, 0, 0, 0]);

        assert!(told.is_constant());
        assert_eq!((told.scores().accuracy, told.majority_baseline(), told.scores().mcc), (0.5, 0.5, 0.0));
        assert!(!confusion(&[0, 0], &[0, 0]).is_constant());
    }

    #[test]
    fn a_tie_counts_half_in_the_roc_area() {
        let half = roc_auc(vec![(0.5, true), (0.5, false)]);
        let whole = roc_auc(vec![(0.9, true), (0.1, false), (0.8, true), (0.2, false)]);

        assert_eq!((half, whole, roc_auc(vec![(0.5, true)])), (Some(0.5), Some(1.0), None));
        assert!(roc_auc(vec![(f64::NAN, true), (0.5, false)]).is_some());
    }

    #[test]
    fn golden_figures_of_scikit_learn_are_met() {
        let answers = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/scores.json")).unwrap();
        let answers: serde_json::Value = serde_json::from_slice(&answers).unwrap();
        for case in answers["classes"].as_array().unwrap() {
            let of = |name: &str| serde_json::from_value::<Vec<usize>>(case[name].clone()).unwrap();
            let probabilities: Vec<Vec<f64>> = serde_json::from_value(case["probabilities"].clone()).unwrap();
            let classes = probabilities[0].len();
            let labels = (0..classes).map(|class| class.to_string()).collect();

            let confusion = Confusion::count(labels, &of("truth"), &of("told"));

            let scores = confusion.scores();
            assert_eq!(serde_json::json!(confusion.counts), case["confusion"]);
            for (name, found) in [
                ("accuracy", Some(scores.accuracy)),
                ("macro_f1", Some(scores.macro_f1)),
                ("precision", Some(scores.precision)),
                ("recall", Some(scores.recall)),
                ("mcc", Some(scores.mcc)),
                ("roc_auc", roc_auc_one_vs_rest(&of("truth"), &probabilities, classes)),
            ] {
                let (found, right) = (found.unwrap(), case[name].as_f64().unwrap());
                assert!((found - right).abs() < 1e-9, "{name}: {found} is not {right}");
            }
        }
    }
}
