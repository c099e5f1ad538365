//! Sums up a run: the counts, rates and parameters that become the job's result. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    clean::Comment,
    features::{SEED, WordFeatures},
    parameters::Parameters,
    verdict::Verdict,
};
use crate::models::ModelFolder;

/// How the run went, beside what its rows say.
#[derive(Debug)]
pub struct Run<'a> {
    /// As they were sent.
    pub requested: &'a Map<String, Value>,
    /// As they were read.
    pub parameters: &'a Parameters,
    /// Names of the columns that the text came from.
    pub text_columns: &'a [String],
    /// Names of the columns that the base score came from.
    pub grade_columns: Vec<&'a str>,
    /// What grades were multiplied by.
    pub grade_scale: Option<f64>,
    /// What signals were multiplied by.
    pub beta: Option<f64>,
    /// The model.
    pub model: &'a ModelFolder,
    /// `cpu` or `cuda`.
    pub device: &'static str,
    /// `fp32` or `bf16`.
    pub dtype: &'static str,
    /// Tokens per row.
    pub max_length: usize,
    /// Tokens per batch.
    pub batch_tokens: usize,
    /// Rows whose text was longer than `max_length`.
    pub truncated_rows: usize,
    /// Share of labels of a sample that are the same in `fp32`.
    pub label_agreement_fp32: Option<f64>,
    /// Seconds of tokenising and inference together.
    pub seconds: f64,
    /// Rows in the output.
    pub written_rows: u64,
}

/// The meta object.
#[must_use]
pub fn meta(
    run: &Run<'_>,
    comments: &[Comment],
    verdicts: &[Verdict],
    features: Option<&WordFeatures>,
) -> Map<String, Value> {
    let rows = comments.len();
    let text_rows = comments.iter().filter(|comment| comment.has_text).count();
    let accepted = verdicts.iter().filter(|verdict| verdict.accepted).count();
    let accepted_text =
        comments.iter().zip(verdicts).filter(|(comment, verdict)| comment.has_text && verdict.accepted).count();
    let mut labels: BTreeMap<&str, usize> = ["neg", "neu", "pos", "no_text"].map(|label| (label, 0)).into();
    for verdict in verdicts {
        *labels.entry(verdict.label.as_str()).or_default() += 1;
    }
    let mut requested = run.requested.clone();
    // The whole description of the table is not a parameter that anybody asked for.
    let _ = requested.remove("source");
    let meta = json!({
        "dataset_id": run.parameters.request.dataset_id,
        "source": run.parameters.request.source.named(),
        "text_columns": run.text_columns,
        "grade_columns": run.grade_columns,
        "grade_scale": run.grade_scale,
        "beta": run.beta,
        "parameters": { "requested": requested, "applied": applied(run, features) },
        "model": { "name": run.model.name, "content_hash": run.model.content_hash },
        "n_rows": rows,
        "written_rows": run.written_rows,
        "text_rows": text_rows,
        "text_coverage": share(text_rows, rows),
        "label_counts": labels,
        "accepted_count": accepted,
        "accepted_text_count": accepted_text,
        "accept_rate": share(accepted_text, text_rows),
        "accept_rate_all": share(accepted, rows),
        "truncated_rows": run.truncated_rows,
        "device": run.device,
        "dtype": run.dtype,
        "label_agreement_fp32": run.label_agreement_fp32,
        "rows_per_second": if 0.0 < run.seconds { json!((rows as f64 / run.seconds * 10.0).round() / 10.0) } else { Value::Null },
        "tfidf_terms": features.map(WordFeatures::terms),
        "seed": features.map(|_| SEED),
    });
    match meta {
        Value::Object(meta) => meta,
        _ => unreachable!("the literal above is an object"),
    }
}

/// The parameters with what was found out in place of what was left open.
fn applied(run: &Run<'_>, features: Option<&WordFeatures>) -> Value {
    let mut applied = serde_json::to_value(run.parameters).expect("parameters are plain data");
    applied["text_col"] = json!(run.text_columns);
    applied["max_length"] = json!(run.max_length);
    applied["batch_tokens"] = json!(run.batch_tokens);
    applied["dtype"] = json!(run.dtype);
    if let Some(features) = features {
        applied["n_components"] = json!(features.width());
    }
    applied
}

/// A share of a whole; 0 of nothing.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
