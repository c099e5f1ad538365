//! A uniform sample of a stream whose length is not known beforehand. Pure.

use super::order::Stream;

/// The places of `size` items of a stream of `length`, sorted: Algorithm L (Li, "Reservoir-sampling algorithms of time
/// complexity O(n(1 + log(N/n)))", ACM TOMS 20(4), 1994). It looks at an item only when it takes it, so its cost grows
/// with the logarithm of the stream. Logarithms and powers are those of `libm`: the same on every machine.
#[must_use]
pub fn reservoir(size: u64, length: u64, stream: Stream) -> Vec<u64> {
    let size = size.min(length);
    let mut kept: Vec<u64> = (0..size).collect();
    if size == 0 || size == length {
        return kept;
    }
    let mut used = 0;
    let mut next = || {
        used += 1;
        used - 1
    };
    let shrink = |place: u64| libm::exp(libm::log(stream.unit(place)) / size as f64);
    // The largest of `size` random numbers below which all that are kept lie.
    let mut top = shrink(next());
    let mut item = size - 1;
    loop {
        let skipped = libm::floor(libm::log(stream.unit(next())) / libm::log1p(-top));
        // A skip beyond the end may be beyond any whole number.
        if (length - 1 - item) as f64 <= skipped {
            break;
        }
        item += skipped as u64 + 1;
        kept[stream.below(next(), size) as usize] = item;
        top *= shrink(next());
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skills::sampling::order::Purpose;

    #[test]
    fn every_item_is_kept_once_and_none_is_made_up() {
        for (size, length) in [(0, 10), (1, 1), (5, 3), (3, 4), (10, 1000), (999, 1000), (7, 1 << 40)] {
            let kept = reservoir(size, length, Stream::new(7, 0, Purpose::Reservoir));

            assert_eq!(kept.len() as u64, size.min(length));
            assert!(kept.is_sorted_by(|a, b| a < b), "{kept:?}");
            assert!(kept.iter().all(|item| *item < length));
        }
    }
}
