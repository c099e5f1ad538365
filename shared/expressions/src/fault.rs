//! What can be wrong with a condition, in words for whoever wrote it.

use crate::tokens::{MAX_BYTES, MAX_PARTS};

/// Why a text is no condition on the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing in it.
    #[error("is empty; write a condition such as age >= 18")]
    Empty,
    /// More text than is read.
    #[error("is {bytes} bytes long; at most {MAX_BYTES} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// More operators, brackets and words of SQL than are read.
    #[error("has more than {MAX_PARTS} operators, brackets and SQL words; use IN (…) for a long list of values")]
    TooManyParts,
    /// Brackets within brackets within brackets.
    #[error("is nested too deeply")]
    TooDeep,
    /// A comment, in which anything could hide.
    #[error("must not have comments")]
    Comment,
    /// A place for a value that nobody will give.
    #[error("must not have placeholders such as {0}; write the value itself")]
    Placeholder(String),
    /// A whole statement, or several.
    #[error("must be one condition such as age >= 18, not a statement ({0})")]
    Statement(String),
    /// A query inside of it.
    #[error("must not have sub-queries: a condition sees one row at a time")]
    SubQuery,
    /// More text after the condition.
    #[error("must end after the condition, but {0} follows")]
    Trailing(String),
    /// What the parser makes of it.
    #[error("is no SQL condition: {0}")]
    NotSql(String),
    /// A part of SQL that is not offered.
    #[error("must not have {0}")]
    NotOffered(String),
    /// A function that is not offered.
    #[error("there is no function {0}; functions see one row only, and the guide lists them")]
    NoFunction(String),
    /// A word of SQL where a column of the same name was meant.
    #[error("{0} is a word of SQL; write the column as \"{0}\"")]
    Reserved(String),
    /// A column that the table does not have.
    #[error("{0}")]
    NoColumn(String),
    /// A name that fits several columns when case is left aside.
    #[error("{name} may be any of the columns {columns}; write one of them in double quotes")]
    Ambiguous {
        /// The name as it was written.
        name: String,
        /// The columns that it fits.
        columns: String,
    },
    /// A column of a type that no condition can look into.
    #[error("column {name:?} has the type {kind}, which conditions cannot look into")]
    Opaque {
        /// The column.
        name: String,
        /// Its type.
        kind: String,
    },
    /// Values of different kinds that are compared or combined.
    #[error("{what} cannot take {left} and {right}{hint}")]
    Mismatch {
        /// The operator.
        what: String,
        /// What stands on its left: `score (a number)`.
        left: String,
        /// What stands on its right.
        right: String,
        /// What would be right, from a semicolon on.
        hint: String,
    },
    /// A literal that cannot be read as what it is compared with.
    #[error("{literal} is not {wanted}, which it is compared with")]
    Literal {
        /// The literal.
        literal: String,
        /// A kind with its article.
        wanted: &'static str,
    },
    /// A value of the wrong kind.
    #[error("{what} needs {wanted}, but {found} is given")]
    Operand {
        /// What needs it.
        what: String,
        /// A kind with its article.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// A value that cannot be converted.
    #[error("cannot be computed: {0}")]
    Value(String),
    /// A regular expression that is none.
    #[error("{pattern} is no regular expression: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// An expression that is no condition.
    #[error("must be true or false for each row, but it is {0}")]
    NotBoolean(&'static str),
}
