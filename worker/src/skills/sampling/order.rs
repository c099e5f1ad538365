//! The order in which rows are drawn: a seeded hash of a row's position in the source, and nothing else. Pure.
//!
//! A tree of SplitMix64 streams (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014;
//! constants of Vigna's reference code): output `i` of the stream with state `s` is `mix(s + (i + 1)·γ)`. The stream of
//! a purpose has as its state the output `purpose` of the round's stream, whose state is the output `round` of the
//! seed's. Within a stream no two rows have the same hash, because every step of it can be undone. These numbers must
//! never change: a seed in an old result must draw the same rows for ever.

/// What a stream of numbers is for. Choices that must not depend on each other take theirs from different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Which rows come first.
    Rows = 0,
    /// Which clusters come first.
    Clusters = 1,
    /// Where a systematic round starts.
    Start = 2,
    /// The steps of a reservoir.
    Reservoir = 3,
}

/// 2^64 divided by the golden ratio, made odd.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of 64-bit numbers, each of which is computed from its place alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream(u64);

impl Stream {
    /// The stream of one purpose in one round; rounds count from 0 in the order in which they run. A round's place is
    /// part of it so that rounds with one seed draw independently of each other.
    #[must_use]
    pub const fn new(seed: u64, round: u64, purpose: Purpose) -> Self {
        Self(Self(Self(seed).number(round)).number(purpose as u64))
    }

    /// The number at a place.
    #[must_use]
    pub const fn number(self, place: u64) -> u64 {
        mix(self.0.wrapping_add(place.wrapping_add(1).wrapping_mul(GAMMA)))
    }

    /// The number at a place as a whole number below `bound`, which must not be 0.
    #[must_use]
    pub const fn below(self, place: u64, bound: u64) -> u64 {
        ((self.number(place) as u128 * bound as u128) >> 64) as u64
    }

    /// The number at a place as a real number above 0 and at most 1, of 53 bits.
    #[must_use]
    pub const fn unit(self, place: u64) -> f64 {
        ((self.number(place) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of Vigna's reference code (splitmix64.c) for the seed 1234567.
    #[test]
    fn the_numbers_are_those_of_the_reference_code() {
        let stream = Stream(1_234_567);

        assert_eq!(
            [0, 1, 2, 3, 4].map(|place| stream.number(place)),
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn parts_of_a_number_stay_in_their_range() {
        let stream = Stream::new(1, 2, Purpose::Start);

        for place in 0..10_000 {
            assert!(stream.below(place, 7) < 7);
            let unit = stream.unit(place);
            assert!(0.0 < unit && unit <= 1.0);
        }
    }
}
