//! Reads whole numbers from JSON, where 60.0 is one too: JSON Schema says so, and some languages write them that way.

use std::fmt::Display;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Number, Value};

/// A type of whole numbers, with its ends.
pub trait Whole: TryFrom<i128> + Display {
    /// The smallest.
    const LEAST: Self;
    /// The largest.
    const MOST: Self;
}

macro_rules! whole {
    ($($number:ident),+) => {$(
        impl Whole for $number {
            const LEAST: Self = Self::MIN;
            const MOST: Self = Self::MAX;
        }
    )+};
}

whole!(u32, i32, u64);

/// Reads an optional whole number, for serde's `deserialize_with`.
///
/// # Errors
/// When it has a fraction or lies beyond the ends of its type; the text says what would be right.
pub fn optional<'de, D: Deserializer<'de>, T: Whole>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::<Number>::deserialize(deserializer)?.map(|number| read(&number)).transpose()
}

/// Reads a whole number, for serde's `deserialize_with`.
///
/// # Errors
/// As for [`optional`].
pub fn required<'de, D: Deserializer<'de>, T: Whole>(deserializer: D) -> Result<T, D::Error> {
    read(&Number::deserialize(deserializer)?)
}

/// A value in which a whole number is written as one: `5.0` becomes `5`. Others stay as they are.
#[must_use]
pub fn plain(value: Value) -> Value {
    let Value::Number(number) = &value else { return value };
    match exact(number).and_then(Number::from_i128) {
        Some(whole) => Value::Number(whole),
        None => value,
    }
}

fn read<T: Whole, E: Error>(number: &Number) -> Result<T, E> {
    let whole = exact(number).and_then(|number| T::try_from(number).ok());
    whole.ok_or_else(|| E::custom(format!("must be a whole number from {} to {}, not {number}", T::LEAST, T::MOST)))
}

/// The number itself, when it is whole and no digit of it is lost.
fn exact(number: &Number) -> Option<i128> {
    const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_i128().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= LARGEST_EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
        Some(float as i128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "optional")]
        seconds: Option<u32>,
    }

    #[test]
    fn a_whole_number_is_read_however_it_is_written() {
        for (text, seconds) in [("{}", None), (r#"{"seconds":null}"#, None), (r#"{"seconds":60}"#, Some(60))] {
            assert_eq!(serde_json::from_str::<Body>(text).unwrap().seconds, seconds, "{text}");
        }
        for text in [r#"{"seconds":60.0}"#, r#"{"seconds":6e1}"#] {
            assert_eq!(serde_json::from_str::<Body>(text).unwrap().seconds, Some(60), "{text}");
        }
    }

    #[test]
    fn only_a_whole_number_is_rewritten() {
        for (written, plain_one) in
            [("5.0", "5"), ("-2e2", "-200"), ("0.5", "0.5"), ("1e300", "1e300"), ("\"5.0\"", "\"5.0\"")]
        {
            let value: Value = serde_json::from_str(written).unwrap();
            assert_eq!(plain(value).to_string(), serde_json::from_str::<Value>(plain_one).unwrap().to_string());
        }
    }

    #[test]
    fn what_is_not_whole_or_out_of_range_is_refused_with_what_would_be_right() {
        for text in ["0.5", "-1", "4294967296", "1e300", "\"60\"", "true"] {
            let error = serde_json::from_str::<Body>(&format!(r#"{{"seconds":{text}}}"#)).unwrap_err().to_string();
            let told = error.contains("must be a whole number from 0 to 4294967295") || error.contains("invalid type");
            assert!(told, "{text}: {error}");
        }
    }
}
