//! Files that a skill leaves among those of its job: how they are written, and where they go.
//!
//! A model's are one folder, which is an S3 prefix that a `model` parameter takes.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::SkillError;
use crate::context::TaskContext;

/// JSON as artefacts have it: for people to read too.
///
/// # Panics
/// When the value has keys that are no strings.
#[must_use]
pub fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("an artefact has string keys only");
    text.push(b'\n');
    text
}

/// Writes a file, on a thread that may wait.
///
/// # Errors
/// `ResourceExhausted` when the disk is full or the folder is gone.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), SkillError> {
    std::fs::write(path, content).map_err(|error| unwritable(path, &error))
}

/// Writes a file and puts it among those of the job, as `name`, which may have a folder before it. Gives its address.
///
/// # Errors
/// As [`write()`], [`TaskContext::job_file_uri`] and [`TaskContext::upload`].
pub async fn put(name: &str, content: Vec<u8>, context: &TaskContext) -> Result<String, SkillError> {
    let uri = context.job_file_uri(name)?;
    let path = context.work_dir().join(name.rsplit('/').next().unwrap_or(name));
    tokio::fs::write(&path, content).await.map_err(|error| unwritable(&path, &error))?;
    context.upload(&path, &uri).await?;
    Ok(uri)
}

fn unwritable(path: &Path, error: &std::io::Error) -> SkillError {
    let name = path.file_name().unwrap_or_default().display();
    SkillError::ResourceExhausted(format!("{name} cannot be written: {error}"))
}

/// Uploads files of a folder into the folder `name` of the job's files, in this order. Gives their addresses by their names.
///
/// # Errors
/// As [`TaskContext::job_file_uri`] and [`TaskContext::upload`].
pub async fn publish<F: AsRef<str>>(
    folder: &Path,
    files: &[F],
    name: &str,
    context: &TaskContext,
) -> Result<Map<String, Value>, SkillError> {
    let mut published = Map::new();
    for file in files.iter().map(AsRef::as_ref) {
        let uri = context.job_file_uri(&format!("{name}/{file}"))?;
        context.upload(&folder.join(file), &uri).await?;
        published.insert(file.to_owned(), uri.into());
    }
    Ok(published)
}

/// The folder `name` of the job's files.
///
/// # Errors
/// As [`TaskContext::job_file_uri`].
pub fn model_uri(name: &str, context: &TaskContext) -> Result<String, SkillError> {
    const ANY: &str = "config.json";
    let file = context.job_file_uri(&format!("{name}/{ANY}"))?;
    let folder = file.strip_suffix(ANY).and_then(|folder| folder.strip_suffix('/'));
    Ok(folder.expect("the address ends with the name that it was made of").to_owned())
}
