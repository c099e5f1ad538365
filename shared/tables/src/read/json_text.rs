//! A text column of a JSON-lines file takes any value: strings as they are, everything else as its JSON text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufRead, Read};

use arrow_schema::{DataType, Schema};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// The lines of a file, in which every value of a text column is a string or null.
pub(super) struct TextOfAnything<R> {
    source: R,
    text_columns: HashSet<String>,
    line: String,
    /// The line as it is handed on, and how much of it has been.
    written: Vec<u8>,
    taken: usize,
}

impl<R: BufRead> TextOfAnything<R> {
    pub(super) fn new(source: R, schema: &Schema) -> Self {
        let texts = schema.fields().iter().filter(|field| *field.data_type() == DataType::Utf8);
        let text_columns = texts.map(|field| field.name().clone()).collect();
        Self { source, text_columns, line: String::new(), written: Vec::new(), taken: 0 }
    }

    /// Makes the next line ready; `false` at the end of the file.
    fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.written.clear();
        self.taken = 0;
        if self.source.read_line(&mut self.line)? == 0 {
            return Ok(false);
        }
        if self.line.trim_ascii().is_empty() {
            self.written.push(b'\n');
            return Ok(true);
        }
        let row: Row<'_> = serde_json::from_str(&self.line)?;
        serde_json::to_writer(&mut self.written, &WithTexts { row: &row, text_columns: &self.text_columns })?;
        self.written.push(b'\n');
        Ok(true)
    }
}

impl<R: BufRead> Read for TextOfAnything<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.written.len() && !self.advance()? {
            return Ok(0);
        }
        let count = (&self.written[self.taken..]).read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}

/// The members of one line, their values as they are written.
struct Row<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Row<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or_default());
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Row(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A name, borrowed from the line where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

struct WithTexts<'a> {
    row: &'a Row<'a>,
    text_columns: &'a HashSet<String>,
}

impl Serialize for WithTexts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.row.0.len()))?;
        for (name, value) in &self.row.0 {
            let text = value.get();
            let fits = text.starts_with('"') || text == "null" || !self.text_columns.contains(name.as_ref());
            if fits { map.serialize_entry(name, value)? } else { map.serialize_entry(name, text)? }
        }
        map.end()
    }
}
