//! How many rows a round asks for. Pure.

use serde::{Deserialize, Serialize};

/// A number of rows, or a share of the eligible ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct SampleSize(f64);

impl SampleSize {
    /// The rows out of so many: a number of rows, but no more than there are; a share is rounded to the nearest whole
    /// number.
    #[must_use]
    pub fn of(self, eligible: u64) -> u64 {
        match self.0 {
            share if share < 1.0 => ((share * eligible as f64).round() as u64).min(eligible),
            count => (count as u64).min(eligible),
        }
    }
}

impl TryFrom<f64> for SampleSize {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        let count = 1.0 <= number && number.fract() == 0.0;
        let share = 0.0 < number && number < 1.0;
        if count || share {
            Ok(Self(number))
        } else {
            Err("must be a whole number from 1 up, or a share between 0 and 1")
        }
    }
}

impl From<SampleSize> for f64 {
    fn from(size: SampleSize) -> Self {
        size.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_count_or_a_share() {
        let size = |number: f64| SampleSize::try_from(number).map(|size| size.of(1001));

        assert_eq!(size(1.0), Ok(1));
        assert_eq!(size(5000.0), Ok(1001));
        assert_eq!(size(0.5), Ok(501));
        assert_eq!(size(0.000_1), Ok(0));
        for wrong in [0.0, -1.0, 1.5, f64::NAN, f64::INFINITY, -0.5] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
