//! Reads the numbers of a query, with errors that say what would be right.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use crate::error::{Error, Result};

/// How many may be skipped: all numbers that every JSON reader holds exactly.
pub(super) const OFFSETS: RangeInclusive<u64> = 0..=9_007_199_254_740_991;

/// A whole number that a query may have, within these ends.
pub(super) fn number_within<T: FromStr + PartialOrd + Display>(
    field: &str,
    text: Option<&str>,
    ends: RangeInclusive<T>,
) -> Result<Option<T>> {
    let Some(text) = text else { return Ok(None) };
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain.then(|| text.parse().ok()).flatten().filter(|number| ends.contains(number));
    let wrong = || Error::invalid(field, format!("must be a whole number from {} to {}", ends.start(), ends.end()));
    number.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_plain_and_within_its_ends() {
        let read = |text| number_within("limit", Some(text), 1..=1000_usize).ok().flatten();

        assert_eq!([read("1"), read("1000"), read("007")], [Some(1), Some(1000), Some(7)]);
        for wrong in ["0", "1001", "-1", "+1", "1.0", "1e2", "", " 1", "ten", "99999999999999999999999", "١"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        assert!(number_within("limit", None, 1..=1000_usize).is_ok_and(|none| none.is_none()));
    }
}
