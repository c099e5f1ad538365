//! The files of a program's task: brought into its input folder before, taken from its output folder after.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{context::TaskContext, skills::SkillError};

/// Files that a program may leave in its output folder.
const MOST_FILES: usize = 1000;
/// Files of one task that are brought here.
const MOST_INPUTS: usize = 10_000;
/// Bytes of a name that are kept, so that a number fits before it.
const LONGEST_NAME: usize = 200;

/// Downloads what the parameters `inputs` name, and says for each where its files are, in the parameter's own form: one path,
/// or a list of them.
pub(super) async fn bring(
    inputs: &[String],
    params: &Map<String, Value>,
    into: &Path,
    context: &TaskContext,
) -> Result<Map<String, Value>, SkillError> {
    let (mut files, mut names, mut count) = (Map::new(), HashMap::new(), 0);
    for parameter in inputs {
        let value = match params.get(parameter) {
            None | Some(Value::Null) => continue,
            // A pinned table tells more than where it lies.
            Some(Value::Object(table)) => table.get("uri").unwrap_or(&Value::Null),
            Some(value) => value,
        };
        let uris = match value {
            Value::Array(many) => many.iter().map(Value::as_str).collect::<Option<Vec<_>>>(),
            one => one.as_str().map(|uri| vec![uri]),
        };
        let uris = uris.ok_or_else(|| {
            let right = "must be an S3 URI such as s3://bucket/key or the name of a file of the job, or a list of such";
            SkillError::invalid(parameter, right)
        })?;
        count += uris.len();
        if MOST_INPUTS < count {
            return Err(SkillError::invalid(parameter, format!("must not bring the task's files above {MOST_INPUTS}")));
        }
        let mut paths = Vec::new();
        for uri in uris {
            let path = into.join(name_for(uri, &mut names));
            context.bring(uri, parameter, &path).await?;
            paths.push(Value::from(path.to_string_lossy()));
        }
        let brought = if value.is_array() { Value::Array(paths) } else { paths.remove(0) };
        files.insert(parameter.clone(), brought);
    }
    Ok(files)
}

/// A name of its own for a file, as like its object's as can be.
/// `taken` has the names that there are, each with the last number that was put before it.
fn name_for(uri: &str, taken: &mut HashMap<String, u32>) -> String {
    let name: String = uri.rsplit('/').next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let name = name.trim_start_matches('.');
    let name = &name[name.ceil_char_boundary(name.len().saturating_sub(LONGEST_NAME))..];
    let name = if name.is_empty() { "file" } else { name };
    let Some(mut number) = taken.get(name).copied() else {
        taken.insert(name.to_owned(), 1);
        return name.to_owned();
    };
    let free = loop {
        number += 1;
        let numbered = format!("{number}-{name}");
        if !taken.contains_key(&numbered) {
            break numbered;
        }
    };
    taken.insert(name.to_owned(), number);
    taken.insert(free.clone(), 1);
    free
}

/// Uploads what lies in the output folder to where clients find a job's files. Gives their addresses by name.
pub(super) async fn publish(from: &Path, context: &TaskContext) -> Result<Map<String, Value>, SkillError> {
    let mut published = Map::new();
    for (name, path) in found(from)? {
        let uri = context.job_file_uri(&name)?;
        context.upload(&path, &uri).await?;
        published.insert(name, uri.into());
    }
    Ok(published)
}

fn found(folder: &Path) -> Result<Vec<(String, PathBuf)>, SkillError> {
    let unreadable =
        |fault: std::io::Error| SkillError::Permanent(format!("the output folder cannot be read: {fault}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| SkillError::Permanent(format!("the output {name:?} has no name in UTF-8")))?;
        // Not followed: a link may lead to anything that the worker can read.
        if !entry.file_type().map_err(unreadable)?.is_file() {
            return Err(SkillError::Permanent(format!("the output {name:?} is no plain file: no folders, no links")));
        }
        if files.len() == MOST_FILES {
            return Err(SkillError::Permanent(format!("there are more than {MOST_FILES} files in the output folder")));
        }
        files.push((name, entry.path()));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_and_never_leaves_the_folder() {
        let mut taken = HashMap::new();
        let names =
            ["s3://b/a.mp3", "s3://c/x/a.mp3", "s3://b/..", "s3://b/x/.bashrc", "s3://b/a\u{0}\nb", "3-a.mp3", "a.mp3"];

        let names: Vec<String> = names.iter().map(|uri| name_for(uri, &mut taken)).collect();

        assert_eq!(names, ["a.mp3", "2-a.mp3", "file", "bashrc", "ab", "3-a.mp3", "4-a.mp3"]);
        assert!(name_for(&format!("s3://b/{}", "é".repeat(500)), &mut taken).len() <= LONGEST_NAME);
    }
}
