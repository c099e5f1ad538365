//! Models that have a name in S3: each version in a folder of its own, and a small file that says which one the name stands for.
//!
//! `<prefix>/<name>/<version>/` is whole before `<prefix>/<name>/current.json` names it, and never changes afterwards.

use serde::{Deserialize, Serialize};

use crate::{context::TaskContext, skills::SkillError};

/// What the name of a model must be, as a sentence's end.
pub const MODEL_NAME: &str = "must be 1 to 128 of the characters a-z, 0-9, `.`, `_` and `-`, with at most one slash between two names, such as \
    `sentiment` or `team/sentiment`; a name begins with a letter or a digit, and is neither `current.json` nor a version";

/// Says which version a name stands for.
const CURRENT: &str = "current.json";

/// Whether a model in S3 may have this name.
#[must_use]
pub fn is_model_name(name: &str) -> bool {
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
            && part != CURRENT
            && !is_version(part)
    };
    name.len() <= 128 && name.splitn(2, '/').all(plain)
}

/// Whether this is a version: the SHA-256 of a model's files, in hex.
fn is_version(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// The content hash of the version's files.
    pub version: String,
    /// The folder of the version.
    pub uri: String,
    /// When the name was given to it, RFC 3339.
    pub promoted_at: String,
    /// The job that did it.
    pub job_id: String,
    /// What people should know of it.
    #[serde(default)]
    pub note: Option<String>,
    /// The version that the name stood for before.
    #[serde(default)]
    pub previous_version: Option<String>,
}

impl Current {
    /// The version before one that this job gives the name to. Where the job has done so already, in an attempt whose answer was lost, it is
    /// the one that was there before that.
    #[must_use]
    pub fn version_before(self, job_id: &str, version: &str) -> Option<String> {
        if self.job_id == job_id && self.version == version { self.previous_version } else { Some(self.version) }
    }
}

/// What lies at the place that says what a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointer {
    /// The name stands for nothing yet.
    Absent,
    /// The name stands for this.
    To(Current),
    /// What lies there is something else.
    Unreadable,
}

/// The place of a name's models.
#[derive(Debug, Clone)]
pub struct NamedModel {
    folder: String,
}

impl NamedModel {
    /// The place of this name under `prefix`, which is `s3://bucket/some/folder`.
    #[must_use]
    pub fn new(prefix: &str, name: &str) -> Self {
        Self { folder: format!("{}/{name}", prefix.trim_end_matches('/')) }
    }

    /// The folder of a version.
    #[must_use]
    pub fn uri_of(&self, version: &str) -> String {
        format!("{}/{version}", self.folder)
    }

    /// Where it says what the name stands for.
    #[must_use]
    pub fn pointer_uri(&self) -> String {
        format!("{}/{CURRENT}", self.folder)
    }

    /// What the name stands for now.
    ///
    /// # Errors
    /// As [`TaskContext::download`].
    pub async fn pointer(&self, context: &TaskContext) -> Result<Pointer, SkillError> {
        let uri = self.pointer_uri();
        let failed = |error: std::io::Error| SkillError::Transient(format!("{uri} cannot be kept on disk: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        let file = folder.path().join(CURRENT);
        match context.download(&uri, &file).await {
            Ok(_) => {}
            Err(SkillError::InvalidInput { .. }) => return Ok(Pointer::Absent),
            Err(error) => return Err(error),
        }
        let text = tokio::fs::read(&file).await.map_err(failed)?;
        let current: Option<Current> = serde_json::from_slice(&text).ok();
        let sound =
            current.filter(|current| is_version(&current.version) && current.uri == self.uri_of(&current.version));
        Ok(sound.map_or(Pointer::Unreadable, Pointer::To))
    }

    /// Has the name stand for a version, whose files lie in its folder already.
    ///
    /// # Errors
    /// As [`TaskContext::upload`].
    pub async fn point_at(&self, current: &Current, context: &TaskContext) -> Result<(), SkillError> {
        let uri = self.pointer_uri();
        let failed = |error: std::io::Error| SkillError::Transient(format!("{uri} cannot be kept on disk: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        let file = folder.path().join(CURRENT);
        let text = serde_json::to_vec(current).expect("it has string keys only");
        tokio::fs::write(&file, text).await.map_err(failed)?;
        context.upload(&file, &uri).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_promotes_again_tells_what_was_there_before_its_first_try() {
        let current = |job_id: &str| Current {
            version: "b".repeat(64),
            uri: String::new(),
            promoted_at: String::new(),
            job_id: job_id.to_owned(),
            note: None,
            previous_version: Some("a".repeat(64)),
        };
        let (a, b, c) = ("a".repeat(64), "b".repeat(64), "c".repeat(64));

        assert_eq!(current("1").version_before("1", &b), Some(a));
        assert_eq!(current("1").version_before("1", &c), Some(b.clone()));
        assert_eq!(current("1").version_before("2", &b), Some(b));
    }

    #[test]
    fn a_model_has_a_plain_name_with_one_slash_at_most() {
        for plain in ["sentiment", "team/sentiment", "bert-base.v2", "7", "a_b/c.d"] {
            assert!(is_model_name(plain), "{plain:?}");
        }
        let version = "a".repeat(64);
        let hostile = [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "a/b/c",
            "..",
            "../a",
            "a/..",
            ".hidden",
            "a/.b",
            "-x",
            "A",
            "año",
            "a b",
            "s3://a",
            "current.json",
            "a/current.json",
            "a\\b",
            "a\0",
        ];
        for name in hostile.into_iter().chain([version.as_str(), &format!("a/{version}"), &"x".repeat(129)]) {
            assert!(!is_model_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_version_lies_below_its_name() {
        for prefix in ["s3://b/models", "s3://b/models/"] {
            assert_eq!(NamedModel::new(prefix, "team/x").uri_of("7f"), "s3://b/models/team/x/7f");
        }
    }
}
