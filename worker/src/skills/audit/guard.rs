//! Finds features that were made from the target: what is learnt from them says nothing about rows whose target is not known. Pure.

use serde::Serialize;

use crate::skills::{
    boltzmann::matrix::{Matrix, Target},
    data::is_figure_of,
};

/// A feature that ranks the rows of one class this well before or behind all others all but is the class.
const RANKS: f64 = 0.995;
/// A feature of few values whose values tell this share of the rows' classes.
const TELLS: f64 = 0.995;
/// A value must come this often on average before what it tells counts: a number that is different in each row tells nothing.
const ROWS_PER_VALUE: usize = 5;
/// A number that goes with the target as closely, in a straight line or by ranks.
const CORRELATES: f64 = 0.999;
/// Numbers that together leave no more than this share of the target's variance unexplained by a weighted sum.
const UNEXPLAINED: f64 = 1e-4;
/// Rows of the target below which nothing is said.
const FEWEST_ROWS: usize = 10;

/// Columns that `beto.preprocess` derives from the same verdict as the sentiment's label.
const VERDICT: [&str; 10] = [
    "p_neg",
    "p_neu",
    "p_pos",
    "sentiment_label_teacher",
    "sentiment_conf",
    "accepted_by_teacher",
    "sentiment_delta",
    "sentiment_signal",
    "sentiment_delta_points",
    "score_total_0_50",
];

/// A feature, or several together, and why it cannot be learnt from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Leak {
    /// The features.
    pub(super) columns: Vec<String>,
    /// What they do, as a sentence's end.
    pub(super) reason: String,
}

/// Every feature that was made from the target, as far as the numbers show it.
#[must_use]
pub(super) fn leaks(features: &Matrix, name: &str, target: &Target) -> Vec<Leak> {
    let mut found: Vec<Leak> = Vec::new();
    for (place, column) in features.names.iter().enumerate() {
        let value = |row: usize| features.row(row)[place];
        let reason = by_name(column, name).or_else(|| match target {
            Target::None => None,
            Target::Classes { labels, of } => {
                let pairs = of.iter().enumerate().filter_map(|(row, class)| Some((value(row), (*class)?)));
                of_class(pairs.filter(|(value, _)| !value.is_nan()).collect(), labels)
            }
            Target::Numbers(of) => {
                let pairs = of.iter().enumerate().filter_map(|(row, number)| Some((value(row), (*number)?)));
                of_number(&pairs.filter(|(value, _)| !value.is_nan()).collect::<Vec<_>>())
            }
        });
        found.extend(reason.map(|reason| Leak { columns: vec![column.clone()], reason }));
    }
    if let (true, Target::Numbers(of)) = (found.is_empty(), target) {
        found.extend(together(features, of));
    }
    found
}

fn by_name(column: &str, target: &str) -> Option<String> {
    if is_figure_of(column, target) {
        return Some(format!("is a figure of groups, which the row's own {target} is in"));
    }
    let of_verdict = VERDICT.iter().any(|name| column == *name || is_figure_of(column, name));
    let same = of_verdict && VERDICT.contains(&target);
    same.then(|| format!("comes from the same verdict on the row's text as {target}"))
}

/// Whether a feature all but is a class: its values tell the classes, or rank one before or behind all others.
fn of_class(mut pairs: Vec<(f64, usize)>, labels: &[String]) -> Option<String> {
    if pairs.len() < FEWEST_ROWS {
        return None;
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let count = |class: usize| pairs.iter().filter(|(_, of)| *of == class).count();
    let most = (0..labels.len()).map(count).max().unwrap_or(0);
    let mut told = 0;
    let mut values = 0;
    for same in pairs.chunk_by(|a, b| a.0 == b.0) {
        values += 1;
        told += (0..labels.len()).map(|class| same.iter().filter(|(_, of)| *of == class).count()).max().unwrap_or(0);
    }
    let share = |rows: usize| rows as f64 / pairs.len() as f64;
    // More than always saying the most frequent class does.
    if values * ROWS_PER_VALUE <= pairs.len() && share(told) >= TELLS && share(most) < TELLS {
        return Some(format!("tells the class of {:.1} % of the rows by its value alone", 100.0 * share(told)));
    }
    let (class, area) = (0..labels.len())
        .filter_map(|class| area(&pairs, class).map(|area| (class, area)))
        .max_by(|a, b| (a.1 - 0.5).abs().total_cmp(&(b.1 - 0.5).abs()))?;
    let ranked = (area - 0.5).abs() + 0.5;
    let way = if area > 0.5 { "above" } else { "below" };
    (ranked >= RANKS)
        .then(|| format!("ranks {:?} {way} all other classes (area under the curve {ranked:.4})", labels[class]))
}

/// The area under the ROC curve of sorted values for one class; nothing where it has no row, one, or all.
fn area(sorted: &[(f64, usize)], class: usize) -> Option<f64> {
    let inside = sorted.iter().filter(|(_, of)| *of == class).count();
    let outside = sorted.len() - inside;
    if inside < 2 || outside < 2 {
        return None;
    }
    let (mut below, mut sum) = (0.0, 0.0);
    for same in sorted.chunk_by(|a, b| a.0 == b.0) {
        let of_class = same.iter().filter(|(_, of)| *of == class).count() as f64;
        let others = same.len() as f64 - of_class;
        sum += of_class * (below + others / 2.0);
        below += others;
    }
    Some(sum / (inside as f64 * outside as f64))
}

fn of_number(pairs: &[(f64, f64)]) -> Option<String> {
    if pairs.len() < FEWEST_ROWS {
        return None;
    }
    let straight = pearson(pairs);
    if straight.is_some_and(|r| r.abs() >= CORRELATES) {
        return Some(format!("goes with the target in a straight line (r = {:.4})", straight.unwrap_or_default()));
    }
    let (left, right): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let ranked: Vec<(f64, f64)> = ranks(&left).into_iter().zip(ranks(&right)).collect();
    let ranked = pearson(&ranked);
    ranked
        .filter(|r| r.abs() >= CORRELATES)
        .map(|r| format!("orders the rows as the target does (rank correlation {r:.4})"))
}

fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    let rows = pairs.len() as f64;
    let (mean_x, mean_y) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / rows, y + pair.1 / rows));
    let (mut both, mut of_x, mut of_y) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        both += (x - mean_x) * (y - mean_y);
        of_x += (x - mean_x).powi(2);
        of_y += (y - mean_y).powi(2);
    }
    let r = both / (of_x * of_y).sqrt();
    r.is_finite().then_some(r)
}

/// Ranks from 0; equal numbers share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut from = 0;
    for same in order.chunk_by(|&a, &b| numbers[a] == numbers[b]) {
        let mean = from as f64 + (same.len() as f64 - 1.0) / 2.0;
        same.iter().for_each(|&row| ranks[row] = mean);
        from += same.len();
    }
    ranks
}

/// Whether a weighted sum of all features is the target, as a mean of grades is one of the grades. Least squares over the rows that
/// have the target, with the mean in place of what is missing. Only where there are several rows for each feature.
fn together(features: &Matrix, target: &[Option<f64>]) -> Option<Leak> {
    const ROWS_PER_FEATURE: usize = 3;
    const MOST_FEATURES: usize = 256;
    let width = features.names.len();
    let rows: Vec<usize> = (0..target.len()).filter(|&row| target[row].is_some()).collect();
    if width > MOST_FEATURES || rows.len() < FEWEST_ROWS.max(ROWS_PER_FEATURE * (width + 1)) {
        return None;
    }
    let count = rows.len() as f64;
    let scale = |values: &dyn Fn(usize) -> f64| {
        let known = || rows.iter().map(|&row| values(row)).filter(|value| !value.is_nan());
        let mean = known().sum::<f64>() / known().count().max(1) as f64;
        let spread = (known().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
        (mean, spread)
    };
    let scales: Vec<(f64, f64)> = (0..width).map(|place| scale(&|row| features.row(row)[place])).collect();
    let answer = |row: usize| target[row].unwrap_or_default();
    let (mean, spread) = scale(&answer);
    if spread == 0.0 {
        return None;
    }
    // Standardised, so that one small number on the diagonal keeps features apart that say the same.
    let mut square = vec![vec![0.0; width]; width];
    let mut side = vec![0.0; width];
    for &row in &rows {
        let features = features.row(row);
        let standard: Vec<f64> = features
            .iter()
            .zip(&scales)
            .map(|(value, (mean, spread))| if value.is_nan() || *spread == 0.0 { 0.0 } else { (value - mean) / spread })
            .collect();
        let answer = (answer(row) - mean) / spread;
        for (a, x) in standard.iter().enumerate() {
            side[a] += x * answer;
            for (b, y) in standard.iter().enumerate().take(a + 1) {
                square[a][b] += x * y;
            }
        }
    }
    for (place, row) in square.iter_mut().enumerate() {
        row[place] += 1e-6 * count;
    }
    let weights = solve(&mut square, &side)?;
    let explained = weights.iter().zip(&side).map(|(weight, side)| weight * side).sum::<f64>() / count;
    (1.0 - explained <= UNEXPLAINED).then(|| Leak {
        columns: features.names.clone(),
        reason: format!("give the target as a weighted sum (R² = {explained:.6})"),
    })
}

/// Solves a symmetric positive system, of which the lower half is given, by Cholesky's method.
fn solve(lower: &mut [Vec<f64>], side: &[f64]) -> Option<Vec<f64>> {
    let size = side.len();
    let mut x = side.to_vec();
    for row in 0..size {
        for column in 0..=row {
            let done: f64 = (0..column).map(|k| lower[row][k] * lower[column][k]).sum();
            let rest = lower[row][column] - done;
            lower[row][column] = if row == column { rest.sqrt() } else { rest / lower[column][column] };
        }
        if !(lower[row][row].is_finite() && lower[row][row] > 0.0) {
            return None;
        }
        let done: f64 = (0..row).map(|k| lower[row][k] * x[k]).sum();
        x[row] = (x[row] - done) / lower[row][row];
    }
    for row in (0..size).rev() {
        let done: f64 = (row + 1..size).map(|k| lower[k][row] * x[k]).sum();
        x[row] = (x[row] - done) / lower[row][row];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    const ROWS: usize = 200;

    fn matrix(columns: &[(&str, Vec<f64>)]) -> Matrix {
        let names = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let values = (0..ROWS).flat_map(|row| columns.iter().map(move |(_, values)| values[row])).collect();
        Matrix { names, values }
    }

    fn noise(seed: u64) -> Vec<f64> {
        let mut rng = Rng::with_seed(seed);
        (0..ROWS).map(|_| rng.f64()).collect()
    }

    fn classes(of: impl Fn(usize) -> usize) -> Target {
        Target::Classes {
            labels: ["neg", "neu", "pos"].map(str::to_owned).to_vec(),
            of: (0..ROWS).map(|row| Some(of(row))).collect(),
        }
    }

    fn found(leaks: &[Leak]) -> Vec<&str> {
        leaks.iter().flat_map(|leak| leak.columns.iter().map(String::as_str)).collect()
    }

    #[test]
    fn figures_of_the_target_are_found_by_their_names() {
        let features =
            matrix(&[("nota_mean", noise(1)), ("nota_media", noise(2)), ("p_neg_max", noise(3)), ("age", noise(4))]);

        assert_eq!(found(&leaks(&features, "nota", &classes(|row| row % 3))), ["nota_mean"]);
        assert_eq!(found(&leaks(&features, "sentiment_label_teacher", &classes(|row| row % 3))), ["p_neg_max"]);
    }

    #[test]
    fn features_that_are_the_class_in_disguise_are_found() {
        let class = |row: usize| (row * 7 + row / 3) % 3;
        let chance = noise(1);
        let features = matrix(&[
            ("honest", noise(2)),
            ("helpful", (0..ROWS).map(|row| class(row) as f64 + 3.0 * chance[row]).collect()),
            // A code for each class, in no order.
            ("code", (0..ROWS).map(|row| [5.0, 1.0, 9.0][class(row)]).collect()),
            ("is_pos", (0..ROWS).map(|row| f64::from(class(row) == 2)).collect()),
            (
                "score",
                (0..ROWS)
                    .map(|row| if class(row) == 2 { 0.5 + chance[row] / 2.0 } else { chance[row] / 2.0 })
                    .collect(),
            ),
        ]);

        let leaks = leaks(&features, "label", &classes(class));

        assert_eq!(found(&leaks), ["code", "is_pos", "score"], "{leaks:?}");
    }

    #[test]
    fn a_number_that_is_different_in_each_row_tells_nothing() {
        let features = matrix(&[("id", (0..ROWS).map(|row| row as f64).collect())]);

        assert_eq!(leaks(&features, "label", &classes(|row| row % 3)), []);
    }

    #[test]
    fn what_comes_from_the_same_verdict_is_found_by_its_name() {
        let features = matrix(&[("p_neu", noise(3)), ("calif_1", noise(4))]);

        assert_eq!(found(&leaks(&features, "sentiment_label_teacher", &classes(|row| row % 3))), ["p_neu"]);
        assert_eq!(leaks(&features, "label", &classes(|row| row % 3)), []);
    }

    #[test]
    fn a_number_that_the_target_follows_from_is_found() {
        let grade = noise(5);
        let target = Target::Numbers(grade.iter().map(|grade| Some(grade * 10.0 - 3.0)).collect());
        let curved = Target::Numbers(grade.iter().map(|grade| Some(grade.powi(9))).collect());
        let features = matrix(&[("other", noise(6)), ("grade", grade)]);

        assert_eq!(found(&leaks(&features, "score", &target)), ["grade"]);
        assert_eq!(found(&leaks(&features, "score", &curved)), ["grade"]);
    }

    #[test]
    fn a_target_that_is_the_mean_of_the_features_is_found_and_a_noisy_one_is_not() {
        let (a, b, chance) = (noise(7), noise(8), noise(9));
        let mean = Target::Numbers((0..ROWS).map(|row| Some(5.0 * (a[row] + b[row]))).collect());
        let noisy = Target::Numbers((0..ROWS).map(|row| Some(5.0 * (a[row] + b[row]) + chance[row])).collect());
        let features = matrix(&[("a", a), ("b", b)]);

        let leak = leaks(&features, "base", &mean);

        assert_eq!(found(&leak), ["a", "b"]);
        assert!(leak[0].reason.contains("weighted sum"));
        assert_eq!(leaks(&features, "base", &noisy), []);
    }
}
