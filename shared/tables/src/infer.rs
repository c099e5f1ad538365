//! The type of a column of text, from the look of every value in it.
//! A type is given only where reading loses nothing: `007`, `+34…` and integers beyond 64 bits stay text.

use arrow_array::types::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_cast::parse::Parser;
use relevo_shared::dataset::Column;

/// What the values of one column have looked like so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    looks: u8,
    nulls: bool,
}

const BOOLEAN: u8 = 1;
const INTEGER: u8 = 1 << 1;
/// An integer that a 64-bit float cannot hold exactly.
const WIDE: u8 = 1 << 2;
const DECIMAL: u8 = 1 << 3;
const DATE: u8 = 1 << 4;
/// A timestamp without an offset from UTC.
const LOCAL_TIME: u8 = 1 << 5;
/// A timestamp with one.
const ZONED_TIME: u8 = 1 << 6;
const TEXT: u8 = 1 << 7;

impl Seen {
    /// Takes in a field of a CSV file; an empty one is a missing value.
    pub(crate) fn field(&mut self, field: &[u8]) {
        if field.is_empty() {
            self.nulls = true;
        } else if self.looks & TEXT == 0 {
            self.looks |= look(field);
        }
    }

    /// What one field of a CSV file looks like.
    pub(crate) fn of_field(field: &[u8]) -> Self {
        let mut seen = Self::default();
        seen.field(field);
        seen
    }

    /// Takes in a JSON string: text, a date or a timestamp, but never a number.
    pub(crate) fn text(&mut self, text: &str) {
        if self.looks & TEXT == 0 {
            self.looks |= time_look(text.as_bytes());
        }
    }

    pub(crate) fn boolean(&mut self) {
        self.looks |= BOOLEAN;
    }

    pub(crate) fn integer(&mut self, value: i64) {
        self.looks |= integer_look(value);
    }

    pub(crate) fn decimal(&mut self) {
        self.looks |= DECIMAL;
    }

    /// Takes in anything that only its own text tells whole: nested values, huge numbers.
    pub(crate) fn other(&mut self) {
        self.looks |= TEXT;
    }

    pub(crate) fn null(&mut self) {
        self.nulls = true;
    }

    /// The column, under its name.
    pub(crate) fn column(self, name: String) -> Column {
        Column { name, kind: self.kind().to_owned(), nullable: self.nulls }
    }

    fn kind(self) -> &'static str {
        let only = |looks: u8| self.looks != 0 && self.looks & !looks == 0;
        if only(BOOLEAN) {
            "boolean"
        } else if only(INTEGER | WIDE) {
            "integer"
        } else if only(INTEGER | DECIMAL) {
            "number"
        } else if only(DATE) {
            "date"
        } else if only(DATE | LOCAL_TIME) || only(ZONED_TIME) {
            "timestamp"
        } else {
            "string"
        }
    }
}

fn look(field: &[u8]) -> u8 {
    let trimmed = field.trim_ascii();
    match trimmed.first() {
        Some(b'0'..=b'9' | b'-' | b'.') => match number_look(trimmed) {
            TEXT => time_look(field),
            number => number,
        },
        Some(b't' | b'T' | b'f' | b'F') if is_boolean(field) => BOOLEAN,
        Some(b'n' | b'N' | b'i') if matches!(trimmed, b"nan" | b"NaN" | b"inf") => DECIMAL,
        _ => TEXT,
    }
}

fn is_boolean(field: &[u8]) -> bool {
    field.eq_ignore_ascii_case(b"true") || field.eq_ignore_ascii_case(b"false")
}

fn number_look(field: &[u8]) -> u8 {
    let digits = field.strip_prefix(b"-").unwrap_or(field);
    if digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit() {
        return TEXT;
    }
    if digits.iter().all(u8::is_ascii_digit) {
        return ascii(field).and_then(Int64Type::parse).map_or(TEXT, integer_look);
    }
    let numeric = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
    let parses = || ascii(field).and_then(Float64Type::parse).is_some_and(f64::is_finite);
    if digits.iter().all(numeric) && parses() { DECIMAL } else { TEXT }
}

fn integer_look(value: i64) -> u8 {
    const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
    if value.unsigned_abs() <= EXACT { INTEGER } else { WIDE }
}

fn time_look(field: &[u8]) -> u8 {
    const DATE_LENGTH: usize = "2026-01-31".len();
    const SHORTEST_TIME: usize = "2026-01-31 10:30:00".len();
    let is_date = field.len() >= DATE_LENGTH
        && field[..DATE_LENGTH].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !is_date {
        return TEXT;
    }
    if field.len() == DATE_LENGTH {
        return ascii(field).and_then(Date32Type::parse).map_or(TEXT, |_| DATE);
    }
    if field.len() < SHORTEST_TIME || ascii(field).and_then(TimestampMicrosecondType::parse).is_none() {
        return TEXT;
    }
    match &field[SHORTEST_TIME..] {
        [] => LOCAL_TIME,
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            match (digits, fraction.len()) {
                // Microseconds are what is kept; finer ones would be lost.
                (0 | 7.., _) => TEXT,
                (digits, length) if digits == length => LOCAL_TIME,
                _ => ZONED_TIME,
            }
        }
        _ => ZONED_TIME,
    }
}

fn ascii(field: &[u8]) -> Option<&str> {
    std::str::from_utf8(field).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(fields: &[&str]) -> &'static str {
        let mut seen = Seen::default();
        fields.iter().for_each(|field| seen.field(field.as_bytes()));
        seen.kind()
    }

    #[test]
    fn values_that_look_alike_give_their_type() {
        for (fields, expected) in [
            (&["1", "-20", "", " 3"][..], "integer"),
            (&["9223372036854775807"], "integer"),
            (&["1", "2.5", "-1e-3", ".5", "NaN"], "number"),
            (&["true", "FALSE"], "boolean"),
            (&["2026-02-28"], "date"),
            (&["2026-02-28", "2026-02-28 10:00:01"], "timestamp"),
            (&["2026-02-28T10:00:01.123456"], "timestamp"),
            (&["2026-02-28T10:00:01Z", "2026-02-28 10:00:01.5+02:00"], "timestamp"),
            (&["", ""], "string"),
        ] {
            assert_eq!(kind(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn what_a_type_would_spoil_stays_text() {
        for fields in [
            &["007"][..],
            &["+34600111222"],
            &["9223372036854775808"],
            &["9007199254740993", "0.5"],
            &["1", "true"],
            &["2026-02-30"],
            &["2026-02-28T10:00:01", "2026-02-28T10:00:01Z"],
            &["2026-02-28T10:00:01.123456789"],
            &["1,5"],
            &["1e999"],
            &["-"],
            &["."],
            &["1-2"],
            &["España"],
        ] {
            assert_eq!(kind(fields), "string", "{fields:?}");
        }
    }
}
