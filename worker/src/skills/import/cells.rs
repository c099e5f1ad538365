//! The cells of a sheet as values, the type of a column from all of its values, and columns that take them in. Pure.

use std::{borrow::Cow, sync::Arc};

use calamine::{DataRef, ExcelDateTime};
use datafusion::arrow::{
    array::{
        ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
        TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, TimeUnit},
};
use time::{Date, Month};

/// Up to here every integer is a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// 31 December 9999, the last day that Excel knows.
const LAST_DAY: f64 = 2_958_466.0;
const EPOCH_JULIAN_DAY: i32 = 2_440_588;
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// Nothing, or a formula's error.
    Missing,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    /// Days since 1970.
    Day(i32),
    /// Microseconds since 1970.
    Instant(i64),
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    pub(super) fn of(cell: DataRef<'a>) -> Self {
        match cell {
            DataRef::Empty | DataRef::Error(_) => Self::Missing,
            DataRef::Bool(value) => Self::Boolean(value),
            DataRef::Int(value) => Self::Integer(value),
            DataRef::Float(value) => number(value),
            DataRef::DateTime(value) => date_time(value),
            DataRef::SharedString(text) => text_of(Cow::Borrowed(text)),
            DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
                text_of(Cow::Owned(text))
            }
        }
    }

    /// As a person would write it.
    pub(super) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Missing => Cow::Borrowed(""),
            Self::Boolean(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            Self::Integer(value) => value.to_string().into(),
            Self::Number(value) => value.to_string().into(),
            Self::Day(days) => day_text(days).into(),
            Self::Instant(micros) => {
                let (days, rest) = (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY));
                format!("{} {}", day_text(i32::try_from(days).unwrap_or_default()), time_text(rest / 1000)).into()
            }
            Self::Text(text) => text,
        }
    }
}

fn text_of(text: Cow<'_, str>) -> Value<'_> {
    if text.is_empty() { Value::Missing } else { Value::Text(text) }
}

fn number<'a>(value: f64) -> Value<'a> {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
    if value.fract() == 0.0 && value.abs() <= EXACT { Value::Integer(value as i64) } else { Value::Number(value) }
}

fn date_time<'a>(value: ExcelDateTime) -> Value<'a> {
    let serial = value.as_f64();
    if !(0.0..LAST_DAY).contains(&serial) {
        return number(serial);
    }
    if value.is_duration() || serial < 1.0 {
        #[expect(clippy::cast_possible_truncation, reason = "at most three million days")]
        return Value::Text(time_text((serial * 86_400_000.0).round() as i64).into());
    }
    let (year, month, day, hour, minute, second, milli) = value.to_ymd_hms_milli();
    let date = Month::try_from(month).ok().and_then(|month| Date::from_calendar_date(i32::from(year), month, day).ok());
    // Excel has a 29 February 1900, which no calendar has.
    let Some(date) = date else { return number(serial) };
    let days = date.to_julian_day() - EPOCH_JULIAN_DAY;
    let millis = ((i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second)) * 1000 + i64::from(milli);
    if millis == 0 { Value::Day(days) } else { Value::Instant(i64::from(days) * MICROS_PER_DAY + millis * 1000) }
}

fn day_text(days: i32) -> String {
    let date = Date::from_julian_day(days + EPOCH_JULIAN_DAY);
    date.map_or_else(
        |_| days.to_string(),
        |date| format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day()),
    )
}

fn time_text(millis: i64) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if millis == 0 { text } else { format!("{text}.{millis:03}") }
}

/// What the values of one column have looked like so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look(u8);

const BOOLEAN: u8 = 1;
const INTEGER: u8 = 1 << 1;
const NUMBER: u8 = 1 << 2;
const DAY: u8 = 1 << 3;
const INSTANT: u8 = 1 << 4;
const TEXT: u8 = 1 << 5;
/// An integer that a 64-bit float cannot hold exactly.
const WIDE: u8 = 1 << 6;

impl Look {
    pub(super) fn take(&mut self, value: &Value<'_>) {
        self.0 |= match value {
            Value::Missing => 0,
            Value::Boolean(_) => BOOLEAN,
            Value::Integer(value) if value.unsigned_abs() > 1 << f64::MANTISSA_DIGITS => WIDE,
            Value::Integer(_) => INTEGER,
            Value::Number(_) => NUMBER,
            Value::Day(_) => DAY,
            Value::Instant(_) => INSTANT,
            Value::Text(_) => TEXT,
        };
    }

    /// The type that loses nothing of any value.
    pub(super) fn data_type(self) -> DataType {
        let only = |looks: u8| self.0 != 0 && self.0 & !looks == 0;
        if only(BOOLEAN) {
            DataType::Boolean
        } else if only(INTEGER | WIDE) {
            DataType::Int64
        } else if only(INTEGER | NUMBER) {
            DataType::Float64
        } else if only(DAY) {
            DataType::Date32
        } else if only(DAY | INSTANT) {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        } else {
            DataType::Utf8
        }
    }
}

/// A column that is being filled.
pub(super) enum Column {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Day(Date32Builder),
    Instant(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Column {
    /// An empty one of a type that [`Look::data_type`] gives.
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int64 => Self::Integer(Int64Builder::new()),
            DataType::Float64 => Self::Number(Float64Builder::new()),
            DataType::Date32 => Self::Day(Date32Builder::new()),
            DataType::Timestamp(..) => Self::Instant(TimestampMicrosecondBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Adds a value. One that the column's type does not hold, which only a file has that changes while it is read, is
    /// missing.
    pub(super) fn push(&mut self, value: Value<'_>) {
        #[expect(clippy::cast_precision_loss, reason = "the column's type says that none is lost")]
        match (self, value) {
            (Self::Boolean(column), Value::Boolean(value)) => column.append_value(value),
            (Self::Integer(column), Value::Integer(value)) => column.append_value(value),
            (Self::Number(column), Value::Number(value)) => column.append_value(value),
            (Self::Number(column), Value::Integer(value)) => column.append_value(value as f64),
            (Self::Day(column), Value::Day(value)) => column.append_value(value),
            (Self::Instant(column), Value::Instant(value)) => column.append_value(value),
            (Self::Instant(column), Value::Day(value)) => column.append_value(i64::from(value) * MICROS_PER_DAY),
            (Self::Text(column), Value::Missing) => column.append_null(),
            (Self::Text(column), value) => column.append_value(value.into_text()),
            (Self::Boolean(column), _) => column.append_null(),
            (Self::Integer(column), _) => column.append_null(),
            (Self::Number(column), _) => column.append_null(),
            (Self::Day(column), _) => column.append_null(),
            (Self::Instant(column), _) => column.append_null(),
        }
    }

    /// Bytes of text that it holds.
    pub(super) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(column) => column.values_slice().len(),
            _ => 0,
        }
    }

    /// What was added; it is empty afterwards.
    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(column) => Arc::new(column.finish()),
            Self::Integer(column) => Arc::new(column.finish()),
            Self::Number(column) => Arc::new(column.finish()),
            Self::Day(column) => Arc::new(column.finish()),
            Self::Instant(column) => Arc::new(column.finish()),
            Self::Text(column) => Arc::new(column.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    fn date(serial: f64) -> Value<'static> {
        Value::of(DataRef::DateTime(ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, false)))
    }

    fn data_type(values: &[Value<'_>]) -> DataType {
        let mut look = Look::default();
        values.iter().for_each(|value| look.take(value));
        look.data_type()
    }

    #[test]
    fn dates_and_times_are_what_excel_shows() {
        assert_eq!(date(45_943.0).into_text(), "2025-10-13");
        assert_eq!(date(45_943.541).into_text(), "2025-10-13 12:59:02.400");
        assert_eq!(date(0.5).into_text(), "12:00:00");
        assert_eq!(date(61.0).into_text(), "1900-03-01");
        assert_eq!(date(60.0), Value::Integer(60), "the day that never was");
        assert_eq!(date(-3.0), Value::Integer(-3));
        let duration = ExcelDateTime::new(1.25, ExcelDateTimeType::TimeDelta, false);
        assert_eq!(Value::of(DataRef::DateTime(duration)).into_text(), "30:00:00");
        let mac = ExcelDateTime::new(0.0 + 44_481.0, ExcelDateTimeType::DateTime, true);
        assert_eq!(Value::of(DataRef::DateTime(mac)).into_text(), "2025-10-13");
    }

    #[test]
    fn a_column_has_the_type_that_loses_nothing() {
        let text = |text: &'static str| Value::Text(Cow::Borrowed(text));
        for (values, expected) in [
            (vec![Value::of(DataRef::Float(3.0)), Value::Missing], DataType::Int64),
            (vec![Value::of(DataRef::Float(3.0)), Value::of(DataRef::Float(0.5))], DataType::Float64),
            (vec![Value::Boolean(true)], DataType::Boolean),
            (vec![date(45_943.0)], DataType::Date32),
            (vec![date(45_943.0), date(45_943.5)], DataType::Timestamp(TimeUnit::Microsecond, None)),
            (vec![Value::Integer(1), text("007")], DataType::Utf8),
            (vec![Value::Integer(1), Value::Boolean(true)], DataType::Utf8),
            (vec![Value::Integer(i64::MAX), Value::Number(0.5)], DataType::Utf8),
            (vec![Value::Missing], DataType::Utf8),
        ] {
            assert_eq!(data_type(&values), expected, "{values:?}");
        }
    }
}
