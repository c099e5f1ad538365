//! Fields whose values may be computed: numbers, instants and words.

use std::ops::RangeInclusive;

use serde_json::Value;

use crate::domain::blueprint::{
    failure::Failure,
    model::{Given, Until},
    scope::{Scope, instant},
};

/// The longest that a Wait state or a timeout may last, in seconds.
pub(in crate::domain::blueprint) const MAX_SECONDS: u32 = 99_999_999;

/// A whole number within `range`.
pub(super) fn whole(given: &Given<u32>, range: RangeInclusive<u32>, scope: &Scope<'_>) -> Result<u32, Failure> {
    compute(given, scope, &format!("a whole number from {} to {}", range.start(), range.end()), |found| {
        let number = found.as_u64().or_else(|| found.as_f64().and_then(integer));
        number.and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number))
    })
}

/// A number from 0 to 100.
pub(super) fn percentage(given: &Given<f64>, scope: &Scope<'_>) -> Result<f64, Failure> {
    compute(given, scope, "a number from 0 to 100", |found| {
        found.as_f64().filter(|number| (0.0..=100.0).contains(number))
    })
}

/// How long a Wait state waits from now.
pub(super) fn pause_ms(until: &Until, scope: &Scope<'_>) -> Result<u64, Failure> {
    let end = match until {
        Until::Seconds(limit) => return Ok(u64::from(whole(limit, 0..=MAX_SECONDS, scope)?) * 1000),
        Until::Instant(end) => compute(end, scope, "an RFC 3339 instant", |found| found.as_str().and_then(instant))?,
    };
    let left_ms = end.div_euclid(1_000_000) - i128::from(scope.world.facts.now_ms);
    Ok(u64::try_from(left_ms).unwrap_or(0).min(u64::from(MAX_SECONDS) * 1000))
}

/// A text.
pub(super) fn words(given: &Given<String>, scope: &Scope<'_>) -> Result<String, Failure> {
    compute(given, scope, "text", |found| found.as_str().map(str::to_owned))
}

/// The value of a field, as `read` makes it of what was found; `wanted` says what that can be made of.
fn compute<T: Clone>(
    given: &Given<T>,
    scope: &Scope<'_>,
    wanted: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, Failure> {
    let expression = match given {
        Given::Fixed(value) => return Ok(value.clone()),
        Given::Computed(expression) => expression,
    };
    let found = expression.seek(scope)?.and_then(|found| read(&found));
    found.ok_or_else(|| expression.misfit(wanted, scope))
}

/// A float that is a whole number: JSON does not tell 5.0 from 5.
fn integer(number: f64) -> Option<u64> {
    // The cast saturates; what is too large is out of every range that is asked for.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
}
