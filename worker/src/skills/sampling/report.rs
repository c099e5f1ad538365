//! What is told of a sampling job: its result.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Array, RecordBatch, RecordBatchOptions},
    datatypes::{Field, Schema},
};
use serde_json::{Map, Value, json};

use super::{
    parameters::{Method, Request, Round},
    round::{GroupReport, Report},
    skill::Files,
};
use crate::skills::SkillError;

/// The result, but for where the files went and how long it took.
pub(super) fn summary(
    request: &Request,
    seed: u64,
    source_rows: u64,
    files: &Files,
    rounds: &[Value],
) -> Map<String, Value> {
    let sampled = files.sample.1.rows;
    let table = &request.table;
    let source = json!({
        "dataset_id": table.dataset_id, "table_key": table.table_key, "commit_id": table.commit_id, "rows": source_rows,
    });
    let mut summary = Map::new();
    for (name, value) in [
        ("total_sampled", json!(sampled)),
        ("residual_count", json!(source_rows.saturating_sub(sampled))),
        ("source", source),
        ("seed", json!(seed)),
        ("sample_bytes", json!(files.sample.1.bytes)),
        ("rounds", json!(rounds)),
    ] {
        summary.insert(name.to_owned(), value);
    }
    summary
}

/// What a round did.
///
/// # Errors
/// A value of a stratum cannot be written as JSON.
pub(super) fn round_summary(round: &Round, report: &Report) -> Result<Value, SkillError> {
    let mut told = json!({
        "round_number": round.number,
        "method": round.name,
        "parameters": round.parameters,
        "requested": report.requested,
        "eligible": report.eligible,
        "sampled": report.sampled,
        "seed": report.seed,
        "seconds": report.seconds,
    });
    if let Some(start) = report.start {
        told["start"] = json!(start);
    }
    if let Some(groups) = &report.groups {
        let (name, others) = match round.method {
            Method::Cluster { .. } => ("clusters", "other_clusters"),
            _ => ("strata", "other_strata"),
        };
        told[name] = json!(distribution(groups)?);
        told[format!("{name}_count")] = json!(groups.count);
        if matches!(round.method, Method::Cluster { .. }) {
            told["chosen_clusters"] = json!(groups.chosen);
        }
        let (count, eligible, sampled) = groups.others;
        if 0 < count {
            told[others] = json!({ "count": count, "eligible": eligible, "sampled": sampled });
        }
    }
    Ok(told)
}

/// `{values: {region: "north"}, eligible: 812, sampled: 81}` for each group that is told of.
fn distribution(groups: &GroupReport) -> Result<Vec<Value>, SkillError> {
    let fields = groups.columns.iter().zip(&groups.values);
    let fields = fields.map(|(name, values)| Field::new(name, values.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(groups.told.len()));
    let batch = RecordBatch::try_new_with_options(schema, groups.values.clone(), &options)
        .map_err(|error| SkillError::Permanent(format!("strata cannot be told: {error}")))?;
    let values = relevo_tables::json_rows(&batch)
        .map_err(|error| SkillError::Permanent(format!("strata cannot be told: {error}")))?;
    let told = values.into_iter().zip(&groups.told);
    Ok(told
        .map(|(values, (eligible, sampled))| json!({ "values": values, "eligible": eligible, "sampled": sampled }))
        .collect())
}
