//! What can be wrong with a table, and the words that say so.

use relevo_shared::dataset::TableFormat;

use crate::inspect::{MAX_COLUMNS, MAX_RECORD_BYTES};

/// Why a table was refused, or could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The first bytes are those of another kind of file.
    #[error("this is {found}, not {}", format_name(*.expected))]
    OtherFormat {
        /// What the bytes are, with its article: `a PNG image`.
        found: &'static str,
        /// What they were said to be.
        expected: TableFormat,
    },
    /// There are no bytes, or only blank lines.
    #[error("the file is empty; send a table with at least one row")]
    Empty,
    /// Columns, but nothing in them.
    #[error("the table has columns but no rows; send at least one row")]
    NoRows,
    /// A Parquet file or a JSON-lines file without a single column.
    #[error("the table has no columns")]
    NoColumns,
    /// A column without a name. Positions count from 1.
    #[error("column {position} has no name; give every column one")]
    UnnamedColumn {
        /// Where it stands, from 1.
        position: usize,
    },
    /// Two columns of one name. Positions count from 1.
    #[error("columns {first} and {second} are both named {name:?}; rename one of them")]
    DuplicateColumn {
        /// The name.
        name: String,
        /// The first column of that name.
        first: usize,
        /// The second one.
        second: usize,
    },
    /// More columns than are kept in memory.
    #[error("the table has more than {MAX_COLUMNS} columns (line {line})")]
    TooManyColumns {
        /// The line that went over.
        line: u64,
    },
    /// A row that does not fit the table.
    #[error("line {line}: {reason}")]
    BadRow {
        /// The physical line on which the row begins, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A quoted field that the end of the file cut short.
    #[error("line {line}: a quote opens here and is never closed")]
    UnclosedQuote {
        /// The physical line with the opening quote, from 1.
        line: u64,
    },
    /// A row too long to be held in memory.
    #[error("line {line}: the row that begins here is longer than {} MiB; is a quote missing?", MAX_RECORD_BYTES >> 20)]
    LongRecord {
        /// The physical line on which it begins, from 1.
        line: u64,
    },
    /// A byte that no text holds.
    #[error("line {line}: a NUL byte; this is not text, or it is UTF-16: save it as UTF-8")]
    NulByte {
        /// The physical line, from 1.
        line: u64,
    },
    /// UTF-8 with something else in it.
    #[error("line {line}: byte 0x{byte:02X} is not UTF-8, while other lines are; save the whole file as UTF-8")]
    MixedEncoding {
        /// The physical line of the first such byte, from 1.
        line: u64,
        /// The byte.
        byte: u8,
    },
    /// Neither of the encodings that are read.
    #[error("line {line}: byte 0x{byte:02X} is neither UTF-8 nor Windows-1252; save the file as UTF-8")]
    UnknownEncoding {
        /// The physical line of the first such byte, from 1.
        line: u64,
        /// The byte.
        byte: u8,
    },
    /// A Parquet file that is cut short, broken or of a kind that is not read.
    #[error("not a readable Parquet file: {0}")]
    BadParquet(String),
    /// The footer begins before the bytes that were kept. Not a fault of the file: fetch the bytes `from..to` of it and
    /// hand them to [`crate::describe_parquet_footer`].
    #[error("the Parquet footer needs the file's bytes {from}..{to}")]
    FooterBeyondTail {
        /// First byte of the footer.
        from: u64,
        /// One past its last byte: the file's length.
        to: u64,
    },
    /// A name or a content that fits no format.
    #[error("cannot tell the format of {0:?}; it must be CSV, Parquet or JSON lines")]
    UnknownFormat(String),
    /// The file is not the one that was described, or is broken inside.
    #[error("cannot read on after row {rows}: {reason}")]
    Read {
        /// Rows that were read before.
        rows: u64,
        /// What the reader says.
        reason: String,
    },
    /// Rows that could not be written.
    #[error("cannot write the table: {0}")]
    Write(String),
    /// The operating system's refusal.
    #[error("cannot reach the table's bytes: {0}")]
    Io(#[from] std::io::Error),
}

impl TableError {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherFormat { .. } | Self::UnknownFormat(_) => "table_format",
            Self::Empty | Self::NoRows | Self::NoColumns => "table_empty",
            Self::UnnamedColumn { .. } | Self::DuplicateColumn { .. } | Self::TooManyColumns { .. } => "table_columns",
            Self::BadRow { .. } | Self::UnclosedQuote { .. } | Self::LongRecord { .. } => "table_row",
            Self::NulByte { .. } | Self::MixedEncoding { .. } | Self::UnknownEncoding { .. } => "table_encoding",
            Self::BadParquet(_) => "table_parquet",
            Self::FooterBeyondTail { .. } => "table_footer",
            Self::Read { .. } => "table_read",
            Self::Write(_) => "table_write",
            Self::Io(_) => "table_io",
        }
    }

    /// Whether the table's sender can put it right; otherwise the fault is on this side.
    pub fn is_senders(&self) -> bool {
        !matches!(self, Self::FooterBeyondTail { .. } | Self::Write(_) | Self::Io(_))
    }
}

fn format_name(format: TableFormat) -> &'static str {
    match format {
        TableFormat::Csv => "CSV",
        TableFormat::Parquet => "Parquet",
        TableFormat::Jsonl => "JSON lines",
    }
}
