//! Figures of a column from its distinct values in their order, each with how often it is there. Pure.

/// Count, mean, deviation and skewness, one group of equal values at a time.
///
/// Source: P. Pébay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
/// Moments", Sandia report SAND2008-6212, section 3, with a second set whose values are all equal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
    cubes: f64,
}

impl Moments {
    /// Takes in a value that is there `times` times.
    pub(super) fn take(&mut self, value: f64, times: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a table has fewer rows than a float counts")]
        let times = times as f64;
        let (before, count) = (self.count, self.count + times);
        let delta = value - self.mean;
        self.cubes += delta.powi(3) * before * times * (before - times) / (count * count)
            - 3.0 * delta * times * self.squares / count;
        self.squares += delta * delta * before * times / count;
        self.mean += delta * times / count;
        self.count = count;
    }

    /// The mean; none of nothing.
    #[must_use]
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then_some(self.mean)
    }

    /// The deviation of a sample, with n − 1.
    #[must_use]
    pub(super) fn std(&self) -> Option<f64> {
        (self.count > 1.0).then(|| (self.squares.max(0.0) / (self.count - 1.0)).sqrt())
    }

    /// The skewness of a sample: the adjusted Fisher–Pearson coefficient. None of a constant.
    #[must_use]
    pub(super) fn skewness(&self) -> Option<f64> {
        let n = self.count;
        if n < 3.0 || self.squares <= 0.0 {
            return None;
        }
        let skewness = (n * (n - 1.0)).sqrt() / (n - 2.0) * (self.cubes / n) / (self.squares / n).powf(1.5);
        skewness.is_finite().then_some(skewness)
    }
}

/// The probabilities whose quantiles are told.
pub(super) const QUANTILES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// Picks quantiles out of values that come in their order, of which there are `count` with repetitions. Between two values
/// the quantile lies on the line from one to the other.
#[derive(Debug)]
pub(super) struct Quantiles {
    /// Places that are wanted, from 0, in their order.
    places: Vec<u64>,
    found: Vec<f64>,
    seen: u64,
    count: u64,
}

impl Quantiles {
    /// The quantiles of so many values.
    #[must_use]
    pub(super) fn of(count: u64) -> Self {
        let places = QUANTILES.iter().flat_map(|p| {
            let (place, _) = position(*p, count);
            [place, (place + 1).min(count.saturating_sub(1))]
        });
        Self { places: places.collect(), found: Vec::new(), seen: 0, count }
    }

    /// Takes in the next greater value, which is there `times` times.
    pub(super) fn take(&mut self, value: f64, times: u64) {
        self.seen += times;
        while self.places.get(self.found.len()).is_some_and(|place| *place < self.seen) {
            self.found.push(value);
        }
    }

    /// The quantiles, in the order of [`QUANTILES`]; none when there were fewer values than were said.
    #[must_use]
    pub(super) fn finish(self) -> Option<[f64; QUANTILES.len()]> {
        if self.count == 0 || self.found.len() < self.places.len() {
            return None;
        }
        let at = |n: usize| {
            let (_, share) = position(QUANTILES[n], self.count);
            let (low, high) = (self.found[2 * n], self.found[2 * n + 1]);
            low + (high - low) * share
        };
        Some(std::array::from_fn(at))
    }
}

/// Where the quantile of `p` lies among `count` values: the place before it, and how far it is to the next.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a table"
)]
fn position(p: f64, count: u64) -> (u64, f64) {
    let at = count.saturating_sub(1) as f64 * p;
    (at.floor() as u64, at.fract())
}

/// How many values lie in each of some bins of equal width; the last bin holds the greatest value too.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    /// One more than there are bins.
    pub(super) edges: Vec<f64>,
    /// Of each bin.
    pub(super) counts: Vec<u64>,
}

impl Histogram {
    /// Empty bins from the least value to the greatest. A constant has bins around it, as NumPy gives it.
    #[must_use]
    pub(super) fn between(least: f64, greatest: f64, bins: usize) -> Self {
        let (from, to) = if least == greatest { (least - 0.5, greatest + 0.5) } else { (least, greatest) };
        #[expect(clippy::cast_precision_loss, reason = "there are few bins")]
        let mut edges: Vec<f64> = (0..=bins).map(|n| from + n as f64 * ((to - from) / bins as f64)).collect();
        edges[bins] = to;
        Self { edges, counts: vec![0; bins] }
    }

    /// Takes in a value that is there `times` times.
    pub(super) fn take(&mut self, value: f64, times: u64) {
        let after = self.edges.partition_point(|edge| *edge <= value);
        let bin = after.saturating_sub(1).min(self.counts.len() - 1);
        self.counts[bin] += times;
    }
}

/// The values that are there most often.
#[derive(Debug)]
pub(super) struct Top<T> {
    most: usize,
    /// The most frequent first; of equals the one that came first.
    found: Vec<(T, u64)>,
}

impl<T> Top<T> {
    /// The `most` most frequent values.
    #[must_use]
    pub(super) const fn new(most: usize) -> Self {
        Self { most, found: Vec::new() }
    }

    /// Takes in a value that is there `times` times, and is made only when it counts.
    pub(super) fn take(&mut self, times: u64, value: impl FnOnce() -> T) {
        if self.found.len() == self.most && self.found.last().is_none_or(|(_, least)| times <= *least) {
            return;
        }
        let at = self.found.partition_point(|(_, others)| times <= *others);
        self.found.insert(at, (value(), times));
        self.found.truncate(self.most);
    }

    /// What was found.
    #[must_use]
    pub(super) fn finish(self) -> Vec<(T, u64)> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Option<f64>, b: f64) {
        let a = a.unwrap();
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn moments_of_groups_are_those_of_their_values() {
        let mut moments = Moments::default();
        // pandas.Series([1, 1, 2, 4, 4, 4, 9.5]): mean, std, skew.
        for (value, times) in [(1.0, 2), (2.0, 1), (4.0, 3), (9.5, 1)] {
            moments.take(value, times);
        }

        close(moments.mean(), 3.642_857_142_857_143);
        close(moments.std(), 2.925_666_387_256_723_7);
        close(moments.skewness(), 1.488_195_597_977_028_3);
        assert_eq!(Moments::default().mean(), None);
        let mut one = Moments::default();
        one.take(3.0, 1);
        assert_eq!((one.mean(), one.std(), one.skewness()), (Some(3.0), None, None));
    }

    #[test]
    fn quantiles_lie_between_values() {
        let mut quantiles = Quantiles::of(5);
        for (value, times) in [(1.0, 2), (2.0, 1), (3.0, 2)] {
            quantiles.take(value, times);
        }

        let found = quantiles.finish().unwrap();

        // numpy.quantile([1, 1, 2, 3, 3], …)
        for (found, expected) in found.into_iter().zip([1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 3.0]) {
            close(Some(found), expected);
        }
        assert_eq!(Quantiles::of(0).finish(), None);
        let mut one = Quantiles::of(1);
        one.take(7.0, 1);
        assert_eq!(one.finish(), Some([7.0; 7]));
    }

    #[test]
    fn every_value_is_in_one_bin() {
        let mut histogram = Histogram::between(0.0, 1.0, 4);
        for value in [0.0, 0.25, 0.26, 0.5, 1.0] {
            histogram.take(value, 1);
        }

        assert_eq!(histogram.counts, [1, 2, 1, 1]);
        let mut constant = Histogram::between(3.0, 3.0, 2);
        constant.take(3.0, 7);
        assert_eq!((constant.edges, constant.counts), (vec![2.5, 3.0, 3.5], vec![0, 7]));
    }

    #[test]
    fn the_most_frequent_come_first_and_of_equals_the_first() {
        let mut top = Top::new(2);
        for (value, times) in [("a", 1), ("b", 3), ("c", 1), ("d", 3), ("e", 2)] {
            top.take(times, || value);
        }

        assert_eq!(top.finish(), [("b", 3), ("d", 3)]);
    }
}
