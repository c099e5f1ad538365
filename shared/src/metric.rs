//! Figures that a running task measures, and what their series may be called.

/// What the name of a series must be, as a sentence's end.
pub const METRIC_NAME: &str =
    "must be 1 to 128 characters: a letter, a digit or `_` first, then also any of `. - / : @`";

/// The largest step: the largest whole number that every JSON reader holds exactly.
pub const LARGEST_STEP: u64 = 9_007_199_254_740_991;

/// Whether a series may have this name: `loss`, `val/loss`, `precision@5`.
#[must_use]
pub fn is_metric_name(name: &str) -> bool {
    let may_begin = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let may_follow = |byte: u8| may_begin(byte) || b".-/:@".contains(&byte);
    let bytes = name.as_bytes();
    bytes.len() <= 128
        && bytes.first().is_some_and(|byte| may_begin(*byte))
        && bytes.iter().all(|byte| may_follow(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_a_plain_name() {
        for plain in ["loss", "val/loss", "precision@5", "layer.0:weight-norm", "_x", "0", &"x".repeat(128)] {
            assert!(is_metric_name(plain), "{plain:?}");
        }
        for odd in ["", "/loss", "-", "val loss", "pérdida", "a\nb", "a\"b", &"x".repeat(129)] {
            assert!(!is_metric_name(odd), "{odd:?}");
        }
    }
}
