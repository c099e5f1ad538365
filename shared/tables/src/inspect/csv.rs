//! Describes a CSV file: its dialect, its columns and how many rows there are; names the first line that is wrong.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use relevo_shared::dataset::{Column, CsvDialect, TableFormat, TextEncoding};

use super::dialect::sniff_separator;
use super::{MAX_COLUMNS, MAX_RECORD_BYTES, names};
use crate::encoding::{BOM, EncodingWatch, decode};
use crate::infer::Seen;
use crate::{Description, TableError};

/// How much of a file its separator is sniffed from.
const HEAD_BYTES: usize = 256 << 10;

/// What is known of a CSV file beforehand, and need not be found out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CsvHints {
    /// What separates its fields: an ASCII character.
    pub separator: Option<u8>,
    /// How its characters are encoded.
    pub encoding: Option<TextEncoding>,
    /// Whether its first line is a row like the others; its columns are `column_1`, `column_2` and so on then.
    pub headless: bool,
}

/// Gathers the head of the file, then scans.
#[derive(Debug, Default)]
pub(super) struct CsvInspector {
    hints: CsvHints,
    head: Vec<u8>,
    scan: Option<Scan>,
}

impl CsvInspector {
    pub(super) fn with(hints: CsvHints) -> Self {
        Self { hints, ..Self::default() }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), TableError> {
        if let Some(scan) = &mut self.scan {
            return scan.push(chunk);
        }
        let missing = chunk.len().min(HEAD_BYTES - self.head.len());
        let (head, rest) = chunk.split_at(missing);
        self.head.extend_from_slice(head);
        if self.head.len() < HEAD_BYTES {
            return Ok(());
        }
        self.scan_head()?.push(rest)
    }

    pub(super) fn finish(mut self) -> Result<Description, TableError> {
        if self.scan.is_none() {
            self.scan_head()?;
        }
        self.scan.expect("the head was scanned above").finish()
    }

    fn scan_head(&mut self) -> Result<&mut Scan, TableError> {
        let head = std::mem::take(&mut self.head);
        let text = head.strip_prefix(BOM).unwrap_or(&head);
        let scan = self.scan.insert(Scan::new(text, text.len() < head.len(), self.hints));
        scan.push(text)?;
        Ok(scan)
    }
}

/// Reads rows one by one and keeps only what they say about their columns.
#[derive(Debug)]
struct Scan {
    reader: Reader,
    hints: CsvHints,
    separator: u8,
    encoding: EncodingWatch,
    /// The byte that ends a physical line: old Macs knew no line feed.
    newline: u8,
    /// The line that the next byte is on.
    line: u64,
    row: Row,
    header: Option<Vec<Vec<u8>>>,
    seen: Vec<Seen>,
    rows: u64,
}

/// The row that is being read, as far as it came.
#[derive(Debug, Default)]
struct Row {
    /// The line that it begins on; 0 between rows.
    line: u64,
    bytes: usize,
    /// Its fields without quotes, one after the other, of which `text_len` bytes are filled.
    text: Vec<u8>,
    text_len: usize,
    /// Where each field ends in `text`; `ends_len` are filled.
    ends: Vec<usize>,
    ends_len: usize,
    /// Fields beyond those that the table has: counted, not kept.
    surplus: usize,
}

impl Scan {
    fn new(head: &[u8], has_bom: bool, hints: CsvHints) -> Self {
        let separator = hints.separator.unwrap_or_else(|| sniff_separator(head));
        Self {
            hints,
            reader: ReaderBuilder::new().delimiter(separator).build(),
            separator,
            encoding: EncodingWatch::new(has_bom),
            newline: if head.contains(&b'\n') { b'\n' } else { b'\r' },
            line: 1,
            row: Row { text: vec![0; 4096], ends: vec![0; 64], ..Row::default() },
            header: None,
            seen: Vec::new(),
            rows: 0,
        }
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), TableError> {
        if let Some(at) = memchr::memchr(0, chunk) {
            return Err(TableError::NulByte { line: self.line + self.lines(&chunk[..at]) });
        }
        self.encoding.observe(chunk, self.newline);

        let mut rest = chunk;
        loop {
            if self.row.line == 0 {
                let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                self.line += self.lines(&rest[..blank]);
                rest = &rest[blank..];
            }
            if rest.is_empty() {
                return Ok(());
            }
            rest = &rest[self.read(rest)?..];
        }
    }

    /// Reads up to the end of a row, of the input or of a buffer. Returns the bytes read.
    fn read(&mut self, input: &[u8]) -> Result<usize, TableError> {
        let row = &mut self.row;
        if row.line == 0 {
            row.line = self.line;
        }
        let (text, ends) = (&mut row.text[row.text_len..], &mut row.ends[row.ends_len..]);
        let (result, read, written, ended) = self.reader.read_record(input, text, ends);
        row.text_len += written;
        row.ends_len += ended;
        row.bytes += read;
        self.line += memchr::memchr_iter(self.newline, &input[..read]).count() as u64;
        if MAX_RECORD_BYTES < row.bytes {
            return Err(TableError::LongRecord { line: row.line });
        }
        match result {
            ReadRecordResult::Record => self.end_row()?,
            ReadRecordResult::OutputFull => row.text.resize(2 * row.text.len(), 0),
            ReadRecordResult::OutputEndsFull if self.header.is_some() => {
                row.surplus += std::mem::take(&mut row.ends_len);
            }
            ReadRecordResult::OutputEndsFull if MAX_COLUMNS <= row.ends.len() => {
                return Err(TableError::TooManyColumns { line: row.line });
            }
            ReadRecordResult::OutputEndsFull => row.ends.resize(2 * row.ends.len(), 0),
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
        }
        Ok(read)
    }

    fn end_row(&mut self) -> Result<(), TableError> {
        let row = &mut self.row;
        let fields = row.surplus + row.ends_len;
        let starts = std::iter::once(0).chain(row.ends.iter().copied());
        let mut texts = starts.zip(&row.ends).take(row.ends_len).map(|(start, end)| &row.text[start..*end]);
        if self.header.is_none() && self.hints.headless {
            self.header = Some((1..=fields).map(|number| format!("column_{number}").into_bytes()).collect());
            self.seen = texts.map(Seen::of_field).collect();
            row.ends.resize(fields, 0);
            self.rows = 1;
        } else if self.header.is_none() {
            self.header = Some(texts.map(<[u8]>::to_vec).collect());
            self.seen = vec![Seen::default(); fields];
            row.ends.resize(fields, 0);
        } else if fields == self.seen.len() {
            self.seen.iter_mut().zip(&mut texts).for_each(|(seen, text)| seen.field(text));
            self.rows += 1;
        } else {
            let reason = format!("expected {}, found {fields}", counted(self.seen.len()));
            return Err(TableError::BadRow { line: row.line, reason });
        }
        (row.line, row.bytes, row.text_len, row.ends_len, row.surplus) = (0, 0, 0, 0, 0);
        Ok(())
    }

    fn finish(mut self) -> Result<Description, TableError> {
        // A line's end in place of the file's: the parser would take the latter for a closing quote.
        while self.row.line != 0 {
            if self.read(b"\n")? == 1 && self.row.line != 0 {
                return Err(TableError::UnclosedQuote { line: self.open_field_line() });
            }
        }
        let header = self.header.ok_or(TableError::Empty)?;
        let encoding = self.encoding.finish_as(self.hints.encoding)?;
        let header: Vec<String> = header.iter().map(|name| decode(name, encoding)).collect();
        names::check(header.iter().map(String::as_str))?;
        if self.rows == 0 {
            return Err(TableError::NoRows);
        }
        let columns: Vec<Column> = header.into_iter().zip(self.seen).map(|(name, seen)| seen.column(name)).collect();
        let dialect = CsvDialect { separator: char::from(self.separator), encoding, header: !self.hints.headless };
        Ok(Description { format: TableFormat::Csv, csv: Some(dialect), columns, rows: self.rows, bytes: 0 })
    }

    /// The line on which the field begins that is being read.
    fn open_field_line(&self) -> u64 {
        let row = &self.row;
        // Line ends can only stand within quotes, so those of the fields before tell how far down it is.
        let before = row.ends_len.checked_sub(1).map_or(0, |last| row.ends[last]);
        row.line + self.lines(&row.text[..before])
    }

    fn lines(&self, bytes: &[u8]) -> u64 {
        memchr::memchr_iter(self.newline, bytes).count() as u64
    }
}

fn counted(fields: usize) -> String {
    if fields == 1 { "1 field".to_owned() } else { format!("{fields} fields") }
}
