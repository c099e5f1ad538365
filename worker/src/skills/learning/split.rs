//! Which rows train and which judge. Pure: the same seed gives the same split.

use std::collections::BTreeMap;

use fastrand::Rng;

/// Row numbers, each list in ascending order; together they are all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows to judge by.
    pub validation: Vec<usize>,
}

/// By chance: `ratio` of the rows judge, rounded.
#[must_use]
pub fn random(rows: usize, ratio: f64, seed: u64) -> Split {
    let mut order: Vec<usize> = (0..rows).collect();
    Rng::with_seed(seed).shuffle(&mut order);
    parted(rows, order.into_iter().take(share(rows, ratio)))
}

/// By chance within each class, so that both parts have the classes in the same proportion. A class of one row trains.
#[must_use]
pub fn stratified(classes: &[usize], ratio: f64, seed: u64) -> Split {
    let mut rng = Rng::with_seed(seed);
    let mut validation = Vec::new();
    for mut rows in by_class(classes).into_values() {
        rng.shuffle(&mut rows);
        let count = share(rows.len(), ratio).min(rows.len() - 1);
        validation.extend_from_slice(&rows[..count]);
    }
    parted(classes.len(), validation)
}

/// The last rows judge: those with the greatest instants, rows with the same one in their order.
#[must_use]
pub fn temporal(instants: &[f64], ratio: f64) -> Split {
    let mut order: Vec<usize> = (0..instants.len()).collect();
    order.sort_by(|&a, &b| instants[a].total_cmp(&instants[b]));
    let count = share(instants.len(), ratio);
    parted(instants.len(), order.into_iter().rev().take(count))
}

/// `folds` splits, in which each row judges once; the classes are spread over the folds as evenly as can be.
#[must_use]
pub fn stratified_folds(classes: &[usize], folds: usize, seed: u64) -> Vec<Split> {
    let mut rng = Rng::with_seed(seed);
    let mut of_fold = vec![Vec::new(); folds];
    // One class goes on where the one before it ended, so that no fold gets all the remainders.
    let mut next = 0;
    for mut rows in by_class(classes).into_values() {
        rng.shuffle(&mut rows);
        for row in rows {
            of_fold[next % folds].push(row);
            next += 1;
        }
    }
    of_fold.into_iter().map(|validation| parted(classes.len(), validation)).collect()
}

fn by_class(classes: &[usize]) -> BTreeMap<usize, Vec<usize>> {
    let mut rows = BTreeMap::<usize, Vec<usize>>::new();
    for (row, &class) in classes.iter().enumerate() {
        rows.entry(class).or_default().push(row);
    }
    rows
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a number of rows")]
fn share(rows: usize, ratio: f64) -> usize {
    (rows as f64 * ratio).round() as usize
}

fn parted(rows: usize, validation: impl IntoIterator<Item = usize>) -> Split {
    let mut judges = vec![false; rows];
    for row in validation {
        judges[row] = true;
    }
    let (validation, train) = (0..rows).partition(|&row| judges[row]);
    Split { train, validation }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(split: &Split) -> Vec<usize> {
        let mut rows: Vec<usize> = split.train.iter().chain(&split.validation).copied().collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn every_row_is_in_one_part() {
        let classes: Vec<usize> = (0..103).map(|row| row % 3).collect();
        let instants: Vec<f64> = (0..103).map(|row| f64::from(row % 7)).collect();

        for split in [random(103, 0.2, 42), stratified(&classes, 0.2, 42), temporal(&instants, 0.2)] {
            assert_eq!(whole(&split), (0..103).collect::<Vec<_>>());
            assert!((20..=21).contains(&split.validation.len()), "{}", split.validation.len());
        }
    }

    #[test]
    fn a_seed_gives_one_split_and_another_seed_another() {
        assert_eq!(random(100, 0.5, 1), random(100, 0.5, 1));
        assert_ne!(random(100, 0.5, 1), random(100, 0.5, 2));
    }

    #[test]
    fn classes_keep_their_proportion_and_a_lone_row_trains() {
        let mut classes = vec![0; 80];
        classes.extend(vec![1; 20]);
        classes.push(2);

        let split = stratified(&classes, 0.25, 7);

        let of = |class| split.validation.iter().filter(|&&row| classes[row] == class).count();
        assert_eq!((of(0), of(1), of(2)), (20, 5, 0));
    }

    #[test]
    fn the_latest_rows_judge() {
        assert_eq!(temporal(&[3.0, 1.0, 4.0, 2.0], 0.5), Split { train: vec![1, 3], validation: vec![0, 2] });
    }

    #[test]
    fn each_row_judges_in_one_fold() {
        let classes: Vec<usize> = (0..53).map(|row| usize::from(row % 5 == 0)).collect();

        let folds = stratified_folds(&classes, 5, 42);

        let mut judged: Vec<usize> = folds.iter().flat_map(|split| split.validation.clone()).collect();
        judged.sort_unstable();
        assert_eq!(judged, (0..53).collect::<Vec<_>>());
        for split in &folds {
            let ones = split.validation.iter().filter(|&&row| classes[row] == 1).count();
            assert!((2..=3).contains(&ones) && (10..=11).contains(&split.validation.len()));
        }
    }
}
