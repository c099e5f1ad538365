//! How the learning rate rises and falls, and in which order the rows are learnt from. Pure: a seed gives one order.

use fastrand::Rng;

/// Batches that are sorted by length together: rows of like length share a batch, and epochs still differ.
const SORTED_TOGETHER: usize = 50;

/// A rate that rises evenly over the first steps and then falls evenly to zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub rate: f64,
    /// Steps until it is reached.
    pub warm_up: u64,
    /// Steps in all.
    pub steps: u64,
}

impl Schedule {
    /// A warm-up over `share` of all steps, rounded up.
    #[must_use]
    pub fn new(rate: f64, share: f64, steps: u64) -> Self {
        Self { rate, warm_up: (share * steps as f64).ceil() as u64, steps }
    }

    /// The rate of a step, counted from 0; the first of a warm-up has the rate 0, as in transformers'
    /// `get_linear_schedule_with_warmup`.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        let share = if step < self.warm_up {
            step as f64 / self.warm_up as f64
        } else {
            self.steps.saturating_sub(step) as f64 / self.steps.saturating_sub(self.warm_up).max(1) as f64
        };
        self.rate * share
    }
}

/// The rows of each batch of an epoch, `size` rows each but for one at most. With `by_length`, rows of like length share a batch,
/// and the longest batch of all comes first, so that one that does not fit shows at once.
#[must_use]
pub fn epoch(lengths: &[usize], size: usize, by_length: bool, seed: u64, epoch: u32) -> Vec<Vec<usize>> {
    let mut rng = Rng::with_seed(seed.wrapping_add(u64::from(epoch).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    rng.shuffle(&mut order);
    if !by_length {
        return order.chunks(size).map(<[usize]>::to_vec).collect();
    }
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for rows in order.chunks_mut(size * SORTED_TOGETHER) {
        rows.sort_by_key(|&row| std::cmp::Reverse(lengths[row]));
        batches.extend(rows.chunks(size).map(<[usize]>::to_vec));
    }
    rng.shuffle(&mut batches);
    // The first row of a batch is its longest.
    if let Some(longest) = (0..batches.len()).max_by_key(|&batch| (lengths[batches[batch][0]], batches[batch].len())) {
        batches.swap(0, longest);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_height_and_falls_to_zero() {
        let schedule = Schedule::new(1.0, 0.1, 100);

        assert_eq!((schedule.warm_up, schedule.at(0), schedule.at(5), schedule.at(10)), (10, 0.0, 0.5, 1.0));
        assert_eq!((schedule.at(55), schedule.at(100), schedule.at(1000)), (0.5, 0.0, 0.0));
        assert_eq!(Schedule::new(1.0, 0.0, 4).at(0), 1.0);
    }

    #[test]
    fn every_row_is_learnt_from_once_an_epoch() {
        let lengths: Vec<usize> = (0..1003).map(|row| row * 7 % 31 + 3).collect();

        for by_length in [false, true] {
            let batches = epoch(&lengths, 8, by_length, 42, 1);
            let mut rows = batches.concat();
            rows.sort_unstable();
            assert_eq!(rows, (0..1003).collect::<Vec<_>>());
            assert_eq!(batches.len(), 126);
            assert_eq!(batches, epoch(&lengths, 8, by_length, 42, 1));
            assert_ne!(batches, epoch(&lengths, 8, by_length, 42, 2));
            assert_ne!(batches, epoch(&lengths, 8, by_length, 43, 1));
        }
    }

    #[test]
    fn rows_of_like_length_share_a_batch_and_the_longest_comes_first() {
        let lengths: Vec<usize> = (0..800).map(|row| row * 7 % 31 + 3).collect();
        let padded = |by_length| -> usize {
            let batches = epoch(&lengths, 8, by_length, 42, 1);
            batches.iter().map(|batch| batch.len() * batch.iter().map(|&row| lengths[row]).max().unwrap()).sum()
        };

        assert!(padded(true) < padded(false) * 2 / 3, "{} and {}", padded(true), padded(false));
        assert_eq!(lengths[epoch(&lengths, 8, true, 42, 1)[0][0]], 33);
    }
}
