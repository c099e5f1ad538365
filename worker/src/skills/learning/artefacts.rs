//! Where the files of a trained model go: one folder of the job's files, which is an S3 prefix that a `model` parameter takes.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{context::TaskContext, skills::SkillError};

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
