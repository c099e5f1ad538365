//! Describes a table while its bytes go by, in memory that does not grow with it.

mod csv;
mod dialect;
mod jsonl;
mod names;
mod parquet;

use relevo_shared::dataset::TableFormat;

use crate::magic::{MAGIC_BYTES, what_is};
use crate::{Description, TableError};

pub use self::csv::CsvHints;
pub use self::names::check as check_names;
pub use self::parquet::describe_parquet_footer;
pub(crate) use self::parquet::{ParquetInspector, describe_footer};

/// Longest row of a text table.
pub(crate) const MAX_RECORD_BYTES: usize = 16 << 20;
/// Most columns of a text table.
pub(crate) const MAX_COLUMNS: usize = 16_384;

/// Takes a table's bytes in chunks of any size and says at the end what they were.
///
/// An error of [`Inspector::push`] is final: the table is refused and the inspector is of no more use.
#[derive(Debug)]
pub struct Inspector {
    format: TableFormat,
    bytes: u64,
    /// The first bytes, until there are enough to know other kinds of file by.
    head: Vec<u8>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Csv(Box<csv::CsvInspector>),
    Jsonl(Box<jsonl::JsonlInspector>),
    Parquet(ParquetInspector),
}

impl Inspector {
    /// An inspector for bytes that are said to be of a format.
    pub fn new(format: TableFormat) -> Self {
        let kind = match format {
            TableFormat::Csv => Kind::Csv(Box::default()),
            TableFormat::Jsonl => Kind::Jsonl(Box::default()),
            TableFormat::Parquet => Kind::Parquet(ParquetInspector::default()),
        };
        Self { format, bytes: 0, head: Vec::with_capacity(MAGIC_BYTES), kind }
    }

    /// An inspector for a CSV file of which something is known beforehand.
    pub fn for_csv(hints: CsvHints) -> Self {
        let kind = Kind::Csv(Box::new(csv::CsvInspector::with(hints)));
        Self { format: TableFormat::Csv, bytes: 0, head: Vec::with_capacity(MAGIC_BYTES), kind }
    }

    /// Takes in the next bytes; fails as soon as they cannot be part of such a table.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), TableError> {
        if self.head.len() < MAGIC_BYTES {
            let missing = chunk.len().min(MAGIC_BYTES - self.head.len());
            self.head.extend_from_slice(&chunk[..missing]);
            self.refuse_other_kinds()?;
        }
        self.bytes += chunk.len() as u64;
        match &mut self.kind {
            Kind::Csv(csv) => csv.push(chunk),
            Kind::Jsonl(jsonl) => jsonl.push(chunk),
            Kind::Parquet(parquet) => {
                parquet.push(chunk);
                Ok(())
            }
        }
    }

    /// What the table is, now that all of its bytes were pushed.
    ///
    /// Fails with [`TableError::FooterBeyondTail`] for a Parquet file whose footer is larger than what was kept of it.
    pub fn finish(self) -> Result<Description, TableError> {
        let described = match self.kind {
            _ if self.bytes == 0 => return Err(TableError::Empty),
            Kind::Csv(csv) => csv.finish()?,
            Kind::Jsonl(jsonl) => jsonl.finish()?,
            Kind::Parquet(parquet) => parquet.finish(self.bytes).and_then(parquet::with_rows)?,
        };
        Ok(Description { bytes: self.bytes, ..described })
    }

    fn refuse_other_kinds(&self) -> Result<(), TableError> {
        let is_parquet = self.format == TableFormat::Parquet;
        match what_is(&self.head) {
            Some(_) if is_parquet && self.head.starts_with(b"PAR1") => Ok(()),
            Some(found) => Err(TableError::OtherFormat { found, expected: self.format }),
            None if is_parquet && MAGIC_BYTES <= self.head.len() => {
                Err(TableError::OtherFormat { found: "text or something unknown", expected: self.format })
            }
            None => Ok(()),
        }
    }
}
