//! Whose files the input of a job names. Pure.

use relevo_shared::JobId;
use serde_json::Value;

/// A file of a job that an input names by its key in the deployment's bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Where the input names it, for example `inputs[2]`.
    pub field: String,
    /// The job whose file it is; none when the key is of the deployment's own.
    pub job: Option<JobId>,
}

/// Every address in an input that leads to files of jobs, or to what the deployment keeps of jobs for itself. `key_of` gives
/// the key of an address that lies in the deployment's bucket. Tables and models belong to all.
pub fn named_files<'a>(input: &'a Value, key_of: &impl Fn(&'a str) -> Option<&'a str>) -> Vec<NamedFile> {
    let mut found = Vec::new();
    walk(input, "", key_of, &mut found);
    found
}

fn walk<'a>(value: &'a Value, field: &str, key_of: &impl Fn(&'a str) -> Option<&'a str>, found: &mut Vec<NamedFile>) {
    match value {
        Value::String(text) => {
            let Some(key) = key_of(text) else { return };
            let parts = plain(key);
            match parts.as_slice() {
                ["jobs", job, ..] => found.push(NamedFile { field: field.to_owned(), job: job.parse().ok() }),
                ["jobs" | "archive"] | ["archive", ..] => found.push(NamedFile { field: field.to_owned(), job: None }),
                _ => {}
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{field}[{index}]"), key_of, found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let inner = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                walk(member, &inner, key_of, found);
            }
        }
        _ => {}
    }
}

/// The parts of a key as a storage that keeps objects in folders takes them.
fn plain(key: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in key.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const JOB: &str = "0198c0de-0000-7000-8000-000000000000";

    fn named(input: &Value) -> Vec<(String, bool)> {
        let files = named_files(input, &|uri| uri.strip_prefix("s3://relevo/"));
        files.into_iter().map(|file| (file.field, file.job.is_some())).collect()
    }

    #[test]
    fn files_of_jobs_are_found_wherever_they_are_named() {
        let input = json!({
            "input": format!("s3://relevo/jobs/{JOB}/a.csv"),
            "options": { "models": ["other", format!("s3://relevo/./jobs//{JOB}/model")] },
            "winding": format!("s3://relevo/datasets/../jobs/x/../{JOB}/a"),
        });

        let found = named(&input);

        assert_eq!(
            found,
            [("input", true), ("options.models[1]", true), ("winding", true)].map(|(at, job)| (at.to_owned(), job))
        );
    }

    #[test]
    fn what_the_deployment_keeps_for_itself_is_nobodys() {
        for key in ["archive/p00/x", "jobs/", "jobs/nonsense/x", "/archive"] {
            assert_eq!(
                named(&json!({ "input": format!("s3://relevo/{key}") })),
                [("input".to_owned(), false)],
                "{key}"
            );
        }
    }

    #[test]
    fn other_addresses_are_free() {
        let input = json!([
            "s3://relevo/datasets/d/t/c",
            "s3://relevo/models/m",
            format!("s3://other/jobs/{JOB}/a"),
            "jobs/x",
            7,
            null
        ]);

        assert_eq!(named(&input), []);
    }
}
