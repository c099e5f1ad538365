//! Describes a JSON-lines file: every line an object, its columns the names of all of them.

use std::collections::HashMap;
use std::fmt;

use relevo_shared::dataset::{Column, TableFormat};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{MAX_COLUMNS, MAX_RECORD_BYTES, names};
use crate::encoding::BOM;
use crate::infer::Seen;
use crate::{Description, TableError};

/// Splits lines and keeps only what they say about their columns.
#[derive(Debug, Default)]
pub(super) struct JsonlInspector {
    /// The begun line, where a chunk ended within it.
    begun: Vec<u8>,
    /// Lines that have ended.
    lines: u64,
    columns: Columns,
}

impl JsonlInspector {
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), TableError> {
        let mut rest = chunk;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            self.line_with(&rest[..at])?;
            rest = &rest[at + 1..];
        }
        self.begun.extend_from_slice(rest);
        if MAX_RECORD_BYTES < self.begun.len() {
            return Err(TableError::LongRecord { line: self.lines + 1 });
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Description, TableError> {
        self.line_with(&[])?;
        let Columns { columns, rows, .. } = self.columns;
        if rows == 0 {
            return Err(TableError::Empty);
        }
        names::check(columns.iter().map(|column| column.name.as_str()))?;
        let columns = columns.into_iter().map(|column| column.described(rows)).collect();
        Ok(Description { format: TableFormat::Jsonl, csv: None, columns, rows, bytes: 0 })
    }

    /// Takes in a line whose last bytes these are.
    fn line_with(&mut self, end: &[u8]) -> Result<(), TableError> {
        if self.begun.is_empty() {
            return self.line(end);
        }
        let mut line = std::mem::take(&mut self.begun);
        line.extend_from_slice(end);
        self.line(&line)?;
        line.clear();
        self.begun = line;
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), TableError> {
        self.lines += 1;
        let number = self.lines;
        if MAX_RECORD_BYTES < line.len() {
            return Err(TableError::LongRecord { line: number });
        }
        let line = if number == 1 { line.strip_prefix(BOM).unwrap_or(line) } else { line };
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let bad = |reason: String| TableError::BadRow { line: number, reason };
        let text = std::str::from_utf8(line).map_err(|error| {
            bad(format!("byte {} is not UTF-8, which JSON must be; save the file as UTF-8", error.valid_up_to() + 1))
        })?;
        let mut json = serde_json::Deserializer::from_str(text);
        self.columns.rows += 1;
        Object(&mut self.columns)
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| bad(reason(&error)))?;
        if MAX_COLUMNS < self.columns.columns.len() {
            return Err(TableError::TooManyColumns { line: number });
        }
        Ok(())
    }
}

/// The parser's words with the column, but without the line, which is that of the file and not the parser's.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let bare = text.rsplit_once(" at line ").map_or(text.as_str(), |(bare, _)| bare);
    format!("{bare} (character {})", error.column())
}

/// The columns in the order in which they were first seen.
#[derive(Debug, Default)]
struct Columns {
    columns: Vec<JsonColumn>,
    by_name: HashMap<String, usize>,
    /// The row that is being read, from 1.
    rows: u64,
}

#[derive(Debug)]
struct JsonColumn {
    name: String,
    seen: Seen,
    /// Rows that name it.
    filled: u64,
    /// The last of these, from 1.
    last: u64,
}

impl JsonColumn {
    fn described(mut self, rows: u64) -> Column {
        if self.filled < rows {
            self.seen.null();
        }
        self.seen.column(self.name)
    }
}

impl Columns {
    /// The column of a name, which stands where `guess` says if the row is laid out as the one before.
    fn find(&mut self, name: &str, guess: usize) -> usize {
        if self.columns.get(guess).is_some_and(|column| column.name == name) {
            return guess;
        }
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        self.by_name.insert(name.to_owned(), self.columns.len());
        self.columns.push(JsonColumn { name: name.to_owned(), seen: Seen::default(), filled: 0, last: 0 });
        self.columns.len() - 1
    }
}

/// Reads a row.
struct Object<'a>(&'a mut Columns);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (row, mut guess) = (self.0.rows, 0);
        while let Some(index) = map.next_key_seed(Name(self.0, guess))? {
            let column = &mut self.0.columns[index];
            if column.last == row {
                return Err(A::Error::custom(format_args!("the name {:?} stands twice", column.name)));
            }
            column.last = row;
            column.filled += 1;
            map.next_value_seed(Value(&mut column.seen))?;
            guess = index + 1;
        }
        Ok(())
    }
}

/// Reads a name and finds its column, which is guessed to be the given one.
struct Name<'a>(&'a mut Columns, usize);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        Ok(self.0.find(name, self.1))
    }
}

/// Reads a value and keeps only its looks.
struct Value<'a>(&'a mut Seen);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.null();
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.0.boolean();
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.integer(value);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.0.integer(value),
            Err(_) => self.0.other(),
        }
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        // An integer of twenty digits comes this way too, and a float would lose the last of them.
        if value.abs() < 2_f64.powi(63) {
            self.0.decimal();
        } else {
            self.0.other();
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.0.other();
        while list.next_element::<Nested>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        self.0.other();
        while object.next_entry::<IgnoredAny, Nested>()?.is_some() {}
        Ok(())
    }
}

/// A value inside another one, passed over. Unlike `IgnoredAny` it keeps to the parser's limit on nesting, because the
/// reader that comes later is recursive and would run out of stack.
struct Nested;

impl<'de> Deserialize<'de> for Nested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nested)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, Self>()?.is_some() {}
        Ok(self)
    }
}
