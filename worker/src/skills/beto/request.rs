//! What every skill over comments is asked: which rows, which text, which model, how it runs. Nothing is read or computed here.

use relevo_shared::dataset::TableRef;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::Kind;

use crate::{
    device::Device,
    skills::{SkillError, fields::Fields},
};

/// The model that is taken when none is named.
pub const DEFAULT_MODEL: &str = "finiteautomata/beto-sentiment-analysis";

/// Where the rows come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A table of a dataset, pinned to a commit.
    Table(Box<TableRef>),
    /// A file in S3, whose format is found out from its bytes.
    Input(String),
}

/// A name or a list of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TextColumns {
    /// One column.
    One(String),
    /// Several, joined in this order.
    Many(Vec<String>),
}

/// Number format of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtypeChoice {
    /// `bf16` on CUDA, `fp32` on a CPU.
    Auto,
    /// 32-bit floating point.
    Fp32,
    /// 16-bit brain floating point; the result tells how many labels agree with `fp32` on a sample.
    Bf16,
}

impl DtypeChoice {
    /// The number format on a device.
    #[must_use]
    pub const fn on(self, device: &Device) -> Kind {
        match self {
            Self::Auto => device.usual_kind(),
            Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// The name of a number format, as results have it: `fp32` or `bf16`.
#[must_use]
pub const fn dtype_name(kind: Kind) -> &'static str {
    match kind {
        Kind::BFloat16 => "bf16",
        _ => "fp32",
    }
}

/// Tokens per row when no length is asked for.
const USUAL_LENGTH: usize = 128;

/// The part of the parameters that such skills share. Serialised into the result as what was applied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    /// Where the rows come from; not repeated among the applied parameters.
    #[serde(skip)]
    pub source: Source,
    /// Names the output files.
    pub dataset_id: Option<String>,
    /// The text; detected when absent.
    pub text_col: Option<TextColumns>,
    /// Model name or `s3://` prefix.
    pub model: String,
    /// Tokens per row, special tokens included, 3 to 512; when absent 128, or fewer where the model reads no more.
    pub max_length: Option<usize>,
    /// Words below which a row counts as one without text.
    pub min_tokens: usize,
    /// Whether URLs, e-mail addresses, phone numbers, mentions and hashtags become placeholders.
    pub normalize_text: bool,
    /// Number format of the forward pass.
    pub dtype: DtypeChoice,
}

impl Request {
    /// Reads and checks these parameters of a task; faults stay with `fields`.
    pub(crate) fn read(fields: &mut Fields) -> Self {
        let table: Option<Box<TableRef>> = fields.optional("source", "the table that the job was pinned to");
        let input: Option<String> = fields.optional("input", "an S3 URI such as s3://bucket/key.csv");
        let dataset_id = fields.optional::<Value>("dataset_id", "a name").and_then(|id| match id {
            Value::String(id) => Some(id),
            Value::Number(id) => Some(id.to_string()),
            _ => {
                fields.fault("dataset_id", "must be a string or a number");
                None
            }
        });
        // These two chose the table when the job was created; they come along because the job's input is passed on whole.
        let _: Option<String> = fields.optional("table_key", "a string");
        let _: Option<String> = fields.optional("source_ref", "a string");
        let read = Self {
            source: source(table, input, fields),
            dataset_id,
            text_col: text_columns(fields),
            model: fields.or("model", DEFAULT_MODEL.to_owned(), "a model's name or an s3:// prefix"),
            max_length: fields.optional_within("max_length", &(3..=512)),
            min_tokens: fields.within("min_tokens", 1, &(1..=512)),
            normalize_text: fields.or("normalize_text", true, "true or false"),
            dtype: fields.or("dtype", DtypeChoice::Auto, "auto, fp32 or bf16"),
        };
        if read.model.trim().is_empty() {
            fields.fault("model", "must be a model's name or an s3:// prefix");
        }
        read
    }

    /// The stem of the output's file names: the dataset's name or the file's, and `suffix`.
    #[must_use]
    pub fn output_stem(&self, suffix: &str) -> String {
        let name = match (&self.dataset_id, &self.source) {
            (Some(id), _) => id.as_str(),
            (None, Source::Table(table)) => table.dataset_id.as_str(),
            (None, Source::Input(uri)) => {
                let file = uri.rsplit('/').next().unwrap_or_default();
                file.rsplit_once('.').map_or(file, |(stem, _)| stem)
            }
        };
        // A dataset's name becomes part of a file name and of an S3 key.
        let safe: String =
            name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        format!("{}_{suffix}", safe.trim_start_matches('.'))
    }

    /// Tokens per row: what was asked for, if the model reads that many; else what it reads, up to the usual length.
    ///
    /// # Errors
    /// `InvalidInput` on `max_length` when the model reads fewer.
    pub fn row_length(&self, longest: usize) -> Result<usize, SkillError> {
        match self.max_length {
            Some(asked) if longest < asked => {
                let reason = format!("must be at most {longest}, the longest row that this model reads");
                Err(SkillError::invalid("max_length", reason))
            }
            Some(asked) => Ok(asked),
            None => Ok(USUAL_LENGTH.min(longest)),
        }
    }
}

impl Source {
    /// What a result says of it.
    #[must_use]
    pub fn named(&self) -> Value {
        match self {
            Self::Table(table) => json!({
                "dataset_id": table.dataset_id, "table_key": table.table_key, "commit_id": table.commit_id, "uri": table.uri
            }),
            Self::Input(uri) => json!({ "uri": uri }),
        }
    }
}

fn source(table: Option<Box<TableRef>>, input: Option<String>, fields: &mut Fields) -> Source {
    match (table, input) {
        (Some(table), None) => return Source::Table(table),
        (None, Some(uri))
            if uri.strip_prefix("s3://").is_some_and(|rest| rest.contains('/') && !rest.ends_with('/')) =>
        {
            return Source::Input(uri);
        }
        (None, Some(_)) => fields.fault("input", "must be an S3 URI such as s3://bucket/key.csv"),
        (Some(_), Some(_)) => fields.fault("input", "must be left out when the job names a dataset"),
        (None, None) => fields.fault("dataset_id", "must name a dataset, unless `input` gives the S3 URI of a file"),
    }
    Source::Input(String::new())
}

fn text_columns(fields: &mut Fields) -> Option<TextColumns> {
    let columns = fields.optional("text_col", "a column's name or a list of names")?;
    let wrong = match &columns {
        TextColumns::One(name) => name.is_empty(),
        TextColumns::Many(names) => names.is_empty() || names.iter().any(String::is_empty),
    };
    if wrong {
        fields.fault("text_col", "must be a column's name or a list of names, none of them empty");
    }
    Some(columns)
}
