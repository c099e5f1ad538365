//! The parameters of `import`: what comes in, how it is read, and where it goes.

use relevo_shared::dataset::{TableFormat, TextEncoding};
use relevo_tables::{CsvHints, sniff_format};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::skills::{SkillError, fields::Fields};

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Csv,
    Jsonl,
    Parquet,
    Xlsx,
}

impl Format {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Xlsx => "xlsx",
        }
    }

    /// That of a file, by its first bytes and its name.
    pub(super) fn sniffed(name: &str, head: &[u8]) -> Option<Self> {
        if head.starts_with(b"PK\x03\x04") {
            return Some(Self::Xlsx);
        }
        Some(match sniff_format(None, Some(name), head)? {
            TableFormat::Csv => Self::Csv,
            TableFormat::Jsonl => Self::Jsonl,
            TableFormat::Parquet => Self::Parquet,
        })
    }

    pub(super) const fn of_table(self) -> Option<TableFormat> {
        match self {
            Self::Csv => Some(TableFormat::Csv),
            Self::Jsonl => Some(TableFormat::Jsonl),
            Self::Parquet => Some(TableFormat::Parquet),
            Self::Xlsx => None,
        }
    }
}

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum SheetChoice {
    /// By its place, from 1.
    Number(usize),
    /// By its name.
    Name(String),
}

/// Checked parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) input: String,
    pub(super) dataset_id: String,
    pub(super) table_key: String,
    /// The ref that will point at the commit.
    pub(super) reference: String,
    pub(super) format: Option<Format>,
    pub(super) separator: Option<u8>,
    pub(super) encoding: Option<TextEncoding>,
    pub(super) header: bool,
    pub(super) sheet: Option<SheetChoice>,
    /// The row with the names, from 1; the first one with a value when absent.
    pub(super) header_row: Option<u32>,
}

impl Parameters {
    /// Reads and checks the parameters of a task.
    ///
    /// # Errors
    /// `InvalidInput` with one detail for each field that is wrong.
    pub(super) fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        let input: Option<String> =
            fields.optional("input", "an S3 URI such as s3://bucket/key.csv, or the name of a file of the job");
        let dataset_id = fields.optional::<Value>("dataset_id", "a name").and_then(|id| match id {
            Value::String(id) if !id.is_empty() => Some(id),
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        });
        for (name, missing) in [("input", input.is_none()), ("dataset_id", dataset_id.is_none())] {
            if missing {
                fields.fault(name, "is required");
            }
        }
        let separator: Option<String> = fields.optional("separator", "one ASCII character, or `tab`");
        let separator = separator.and_then(|text| {
            let byte = match text.as_bytes() {
                b"tab" | b"\\t" => Some(b'\t'),
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => Some(*byte),
                _ => None,
            };
            if byte.is_none() {
                fields.fault("separator", "must be one ASCII character other than a quote or a line end, or `tab`");
            }
            byte
        });
        let read = Self {
            input: input.unwrap_or_default(),
            dataset_id: dataset_id.unwrap_or_default(),
            table_key: fields.or("table_key", "primary".to_owned(), "a name"),
            reference: fields.or("ref", "main".to_owned(), "a name"),
            format: fields.optional("format", "csv, jsonl, parquet or xlsx"),
            separator,
            encoding: fields.optional("encoding", "utf-8 or windows-1252"),
            header: fields.or("header", true, "true or false"),
            sheet: fields.optional("sheet", "the name of a sheet, or its number from 1"),
            header_row: fields.optional_within("header_row", &(1..=1_048_576)),
        };
        if read.sheet == Some(SheetChoice::Number(0)) {
            fields.fault("sheet", "must be the name of a sheet, or its number from 1");
        }
        fields.finish()?;
        Ok(read)
    }

    /// Refuses what means nothing for a file of this format.
    pub(super) fn check(&self, format: Format) -> Result<(), SkillError> {
        let given = [
            ("separator", self.separator.is_some(), format == Format::Csv),
            ("encoding", self.encoding.is_some(), format == Format::Csv),
            ("header", !self.header, matches!(format, Format::Csv | Format::Xlsx)),
            ("sheet", self.sheet.is_some(), format == Format::Xlsx),
            ("header_row", self.header_row.is_some(), format == Format::Xlsx && self.header),
        ];
        match given.iter().find(|(_, given, fits)| *given && !fits) {
            Some((name, ..)) => Err(SkillError::invalid(
                *name,
                format!(
                    "means nothing here: the file is read as {}{}",
                    format.as_str(),
                    if self.header { "" } else { " without a header" }
                ),
            )),
            None => Ok(()),
        }
    }

    pub(super) const fn hints(&self) -> CsvHints {
        CsvHints { separator: self.separator, encoding: self.encoding, headless: !self.header }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(parameters: &Value) -> Vec<String> {
        match Parameters::read(parameters.as_object().unwrap()) {
            Err(SkillError::InvalidInput { details, .. }) => details.into_iter().map(|d| d.field).collect(),
            other => panic!("expected faults, got {other:?}"),
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        assert_eq!(faults(&json!({})), ["input", "dataset_id"]);
        let wrong = json!({
            "input": "a.csv", "dataset_id": "d", "separator": "::", "encoding": "ebcdic", "sheet": 0, "header_row": 0,
            "format": "ods", "colour": "red",
        });
        let mut found = faults(&wrong);
        found.sort();
        assert_eq!(found, ["colour", "encoding", "format", "header_row", "separator", "sheet"]);
    }

    #[test]
    fn what_means_nothing_for_a_format_is_refused() {
        let read = |more: &Value| {
            let mut all = json!({ "input": "a", "dataset_id": 48 });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Parameters::read(all.as_object().unwrap()).unwrap()
        };

        assert!(read(&json!({ "separator": "tab", "header": false })).check(Format::Csv).is_ok());
        assert!(read(&json!({ "sheet": 2, "header_row": 3 })).check(Format::Xlsx).is_ok());
        assert!(read(&json!({ "sheet": "x" })).check(Format::Csv).is_err());
        assert!(read(&json!({ "header": false })).check(Format::Parquet).is_err());
        assert!(read(&json!({ "header": false, "header_row": 2 })).check(Format::Xlsx).is_err());
        assert_eq!(read(&json!({})).dataset_id, "48");
    }

    #[test]
    fn a_workbook_is_told_by_its_bytes() {
        assert_eq!(Format::sniffed("a.csv", b"PK\x03\x04...."), Some(Format::Xlsx));
        assert_eq!(Format::sniffed("a", b"a;b\n1;2\n"), Some(Format::Csv));
        assert_eq!(Format::sniffed("a.xlsx", b"\x89PNG\r\n\x1a\n"), None);
    }
}
