//! The kinds of values that conditions tell apart. Values of one kind may be compared, those of two may not.

use arrow_schema::DataType;

/// A kind of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// NULL, which goes with everything.
    Nothing,
    Text,
    Number,
    Boolean,
    /// A day or an instant.
    Date,
    TimeOfDay,
    Interval,
    /// Lists, structures, bytes: nothing to compare.
    Opaque,
}

impl Kind {
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Nothing,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::Boolean => Self::Boolean,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Self::Date,
            DataType::Time32(_) | DataType::Time64(_) => Self::TimeOfDay,
            DataType::Interval(_) | DataType::Duration(_) => Self::Interval,
            numeric if numeric.is_numeric() => Self::Number,
            _ => Self::Opaque,
        }
    }

    /// Whether values of both kinds can stand side by side.
    pub(crate) fn goes_with(self, other: Self) -> bool {
        self == other || self == Self::Nothing || other == Self::Nothing
    }

    /// The kind with its article.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "NULL",
            Self::Text => "text",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Date => "a date",
            Self::TimeOfDay => "a time of day",
            Self::Interval => "an interval",
            Self::Opaque => "a value of another kind",
        }
    }
}
