//! Datasets: named tables in S3, with a commit for each upload and refs that point at commits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the bytes of a table are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TableFormat {
    /// Separated values with a header line.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object per line.
    Jsonl,
}

impl TableFormat {
    /// Its name, as it is written everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
        }
    }
}

/// What was sniffed from the head of a CSV file. Separator and encoding are independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CsvDialect {
    /// Field separator: one of `,` `;` tab `|`, or another that was asked for.
    #[schema(value_type = String, min_length = 1, max_length = 1)]
    pub separator: char,
    /// How characters are encoded.
    pub encoding: TextEncoding,
    /// Whether the first line names the columns; it does unless it is said not to.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    #[schema(default = true)]
    pub header: bool,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "that is how it is called")]
const fn is_yes(value: &bool) -> bool {
    *value
}

/// Encodings that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum TextEncoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-1252, which holds ISO-8859-1's printable characters too.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean`, `date`, `timestamp`, or the Arrow type for anything else.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether any row lacks a value.
    pub nullable: bool,
}

/// A table at one commit: all that a worker needs to read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableRef {
    /// The dataset's name.
    pub dataset_id: String,
    /// What people call the dataset; said where a job is pinned to the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    /// The table within it.
    pub table_key: String,
    /// SHA-256 of the format's name, a line feed and the bytes, in hex.
    pub commit_id: String,
    /// `s3://bucket/key` of the bytes.
    pub uri: String,
    /// How the bytes are laid out.
    pub format: TableFormat,
    /// Only for CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvDialect>,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// Rows, the header not counted.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was uploaded, RFC 3339.
    pub created_at: String,
}

/// `GET /api/datasets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetList {
    /// The datasets, newest first.
    pub datasets: Vec<DatasetSummary>,
    /// How many there are in this answer.
    pub total: usize,
}

/// One line of `GET /api/datasets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetSummary {
    /// Its name.
    pub dataset_id: String,
    /// What people call it; its name when nobody has said.
    pub dataset_name: String,
    /// Its table keys, sorted.
    pub tables: Vec<String>,
    /// When it was last written to, RFC 3339.
    pub updated_at: String,
}

/// `GET /api/datasets/{dataset_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatasetView {
    /// Its name.
    pub dataset_id: String,
    /// What people call it; its name when nobody has said.
    pub dataset_name: String,
    /// Every table at the commit that `main` points at.
    pub tables: Vec<TableRef>,
    /// Where each ref points: its name, then table keys, then commits.
    pub refs: BTreeMap<String, BTreeMap<String, String>>,
    /// The latest commits of all tables, a thousand at most, newest first.
    pub commits: Vec<CommitView>,
}

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitView {
    /// SHA-256 of the format's name, a line feed and the bytes, in hex.
    pub commit_id: String,
    /// The table that was written.
    pub table_key: String,
    /// Rows in it.
    pub rows: u64,
    /// When, RFC 3339.
    pub created_at: String,
}
