//! `model.promote`: gives a name to a model that a job has made, so that others find it by that name.
//!
//! The files are copied to a folder that their content names, read back, and only then does the name stand for them: whoever asks for
//! the name while this runs gets a whole model, the old one or the new one.

use std::path::Path;

use relevo_shared::{job::LogLevel, worker::Task};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Running, Skill, SkillError, fields::Fields, off_the_clock, stage};
use crate::{
    context::TaskContext,
    models::{
        self, FILES,
        named::{Current, MODEL_NAME, NamedModel, Pointer, is_model_name},
        soundness,
    },
};

/// What a training leaves beside its model: copied along, and no part of the version.
const ARTEFACTS: [&str; 5] =
    ["history.json", "metrics.json", "learning_curves.svg", "confusion_matrix.svg", "README.md"];
/// A model has one of these.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// In characters.
const LONGEST_NOTE: usize = 2_000;

/// The stages, and how far the task is when each ends.
const LOAD: (&str, f64) = ("load", 0.3);
const COPY: (&str, f64) = ("copy", 0.6);
const VERIFY: (&str, f64) = ("verify", 0.95);
const POINT: (&str, f64) = ("point", 1.0);

/// Gives a name to a model.
#[derive(Debug)]
pub(super) struct Promote;

impl Skill for Promote {
    fn name(&self) -> &str {
        "model.promote"
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(promote(task, context))
    }
}

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Parameters {
    /// The folder of the model: an `s3://` prefix, or a folder of the job.
    model_uri: String,
    name: String,
    note: Option<String>,
}

impl Parameters {
    /// Reads them; all faults at once.
    fn read(parameters: &Map<String, Value>) -> Result<Self, SkillError> {
        let mut fields = Fields::new(parameters);
        let right = "an S3 prefix such as s3://bucket/jobs/7/model, or the name of a folder of the job";
        // Whatever it is, it has one fault at most.
        let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        let model_uri = text(fields.optional("model_uri", right));
        if model_uri.as_ref().is_none_or(|uri| !is_folder(uri)) {
            fields.fault("model_uri", format!("must be {right}"));
        }
        let name = text(fields.optional("name", MODEL_NAME));
        if name.as_ref().is_none_or(|name| !is_model_name(name)) {
            fields.fault("name", MODEL_NAME);
        }
        let note: Option<String> = fields.optional("note", "a text");
        if note.as_ref().is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
            fields.fault("note", format!("must have at most {LONGEST_NOTE} characters"));
        }
        fields.finish()?;
        let (model_uri, name) = (model_uri.unwrap_or_default(), name.unwrap_or_default());
        Ok(Self { model_uri: model_uri.trim_end_matches('/').to_owned(), name, note })
    }
}

fn is_folder(uri: &str) -> bool {
    match uri.strip_prefix("s3://") {
        Some(rest) => rest.split_once('/').is_some_and(|(bucket, key)| {
            !bucket.is_empty() && key.trim_end_matches('/').split('/').all(|part| !matches!(part, "" | "." | ".."))
        }),
        None => !uri.contains('/') && relevo_shared::file::is_file_name(uri),
    }
}

async fn promote(task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
    let asked = Parameters::read(&task.params)?;
    let Some(prefix) = &task.models_prefix else {
        return Err(SkillError::Permanent("the orchestrator offers no place for models: its S3 is off".to_owned()));
    };
    let (here, back) = (context.work_dir().join("model"), context.work_dir().join("copied"));
    let files = stage(context, LOAD, load(&asked, &here, context)).await?;
    let version = hash(&here).await?;
    let named = NamedModel::new(prefix, &asked.name);
    let uri = named.uri_of(&version);
    stage(context, COPY, copy(&files, &here, &uri, context)).await?;
    stage(context, VERIFY, verify(&files, &here, &back, &uri, context)).await?;
    let promoted_at = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    let job_id = task.job_id.to_string();
    let previous_version = match named.pointer(context).await? {
        Pointer::Absent => None,
        Pointer::To(previous) => previous.version_before(&job_id, &version),
        Pointer::Unreadable => {
            let message = format!("{} did not say what the name stood for, and is replaced", named.pointer_uri());
            context.log(LogLevel::Warning, message, None);
            None
        }
    };
    let current = Current { version, uri, promoted_at, job_id, note: asked.note, previous_version };
    stage(context, POINT, named.point_at(&current, context)).await?;
    let told = format!("{} stands for version {}", asked.name, current.version);
    context.log(LogLevel::Info, told, None);
    Ok(json!({
        "name": asked.name, "version": current.version, "uri": current.uri, "previous_version": current.previous_version,
        "promoted_at": current.promoted_at, "note": current.note, "files": files,
    }))
}

/// Brings the model here. Says which files it has.
async fn load(asked: &Parameters, here: &Path, context: &TaskContext) -> Result<Vec<&'static str>, SkillError> {
    let of = |file: &str| match asked.model_uri.starts_with("s3://") {
        true => Ok(format!("{}/{file}", asked.model_uri)),
        false => context.job_file_uri(&format!("{}/{file}", asked.model_uri)),
    };
    let failed = |error: std::io::Error| SkillError::Transient(format!("the model cannot be kept on disk: {error}"));
    tokio::fs::create_dir_all(here).await.map_err(failed)?;
    let mut there = Vec::new();
    for file in FILES.into_iter().chain(ARTEFACTS) {
        match context.download(&of(file)?, &here.join(file)).await {
            Ok(_) => there.push(file),
            Err(SkillError::InvalidInput { .. }) if file == FILES[0] => {
                let reason = format!("there is no model under {}: it has no {file}", asked.model_uri);
                return Err(SkillError::invalid("model_uri", reason));
            }
            Err(SkillError::InvalidInput { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if !WEIGHTS.iter().any(|file| there.contains(file)) {
        let reason = format!("there are no weights under {}: it has no {}", asked.model_uri, WEIGHTS.join(" and no "));
        return Err(SkillError::invalid("model_uri", reason));
    }
    let folder = here.to_owned();
    match off_the_clock(move || soundness::fault(&folder).map_err(|error| unreadable(&error))).await? {
        Some(fault) => {
            let reason = format!("there is no model under {}: its {fault}", asked.model_uri);
            Err(SkillError::invalid("model_uri", reason))
        }
        None => Ok(there),
    }
}

fn unreadable(error: &std::io::Error) -> SkillError {
    SkillError::Transient(format!("the model's files cannot be read: {error}"))
}

async fn hash(folder: &Path) -> Result<String, SkillError> {
    let folder = folder.to_owned();
    off_the_clock(move || models::content_hash(&folder).map_err(|error| unreadable(&error))).await
}

async fn copy(files: &[&'static str], here: &Path, uri: &str, context: &TaskContext) -> Result<(), SkillError> {
    for file in files {
        context.upload(&here.join(file), &format!("{uri}/{file}")).await?;
    }
    Ok(())
}

/// Reads back what was copied and compares it, byte by byte through its hash.
async fn verify(
    files: &[&'static str],
    here: &Path,
    back: &Path,
    uri: &str,
    context: &TaskContext,
) -> Result<(), SkillError> {
    for file in files {
        context.download(&format!("{uri}/{file}"), back).await?;
        let (one, other, file) = (here.join(file), back.to_owned(), *file);
        let uri = uri.to_owned();
        off_the_clock(move || match digest(&one)? == digest(&other)? {
            true => Ok(()),
            false => Err(SkillError::Transient(format!("{uri}/{file} is not what was copied there"))),
        })
        .await?;
    }
    Ok(())
}

fn digest(file: &Path) -> Result<Vec<u8>, SkillError> {
    let mut whole = Sha256::new();
    models::update_from(&mut whole, file).map_err(|error| unreadable(&error))?;
    Ok(whole.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: Value) -> Result<Parameters, Vec<String>> {
        let Value::Object(parameters) = parameters else { panic!("{parameters} is no object") };
        Parameters::read(&parameters).map_err(|error| match error {
            SkillError::InvalidInput { details, .. } => details.into_iter().map(|detail| detail.field).collect(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_model_is_an_s3_prefix_or_a_folder_of_the_job() {
        for uri in ["s3://data/jobs/7/model", "s3://data/jobs/7/model/", "model"] {
            let read = read(json!({ "model_uri": uri, "name": "team/x", "note": null })).unwrap();
            assert_eq!(read.model_uri, uri.trim_end_matches('/'));
        }
    }

    #[test]
    fn every_fault_is_named() {
        assert_eq!(read(json!({})).unwrap_err(), ["model_uri", "name"]);
        assert_eq!(read(json!({ "model_uri": 1, "name": [], "note": 2 })).unwrap_err(), ["model_uri", "name", "note"]);
        let wrong = json!({ "model_uri": "s3://data", "name": "../x", "note": "n".repeat(2_001), "tag": 1 });
        assert_eq!(read(wrong).unwrap_err(), ["model_uri", "name", "note", "tag"]);
        for uri in ["", "..", "a/b", "/etc", "s3://", "s3:///a", "s3://b/", "s3://b/a/../c", "https://x/y"] {
            assert_eq!(read(json!({ "model_uri": uri, "name": "x" })).unwrap_err(), ["model_uri"], "{uri:?}");
        }
    }
}
