//! Files of a job: their names, links to them, and what an upload answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A link that takes one file for a while, without a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadLink {
    /// Where to send the bytes.
    #[schema(format = "uri")]
    pub url: String,
    /// Seconds for which the link works.
    pub expires_in: u64,
    /// Always `PUT`.
    #[schema(example = "PUT")]
    pub method: String,
}

/// Answer to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Uploaded {
    /// Always `uploaded`.
    #[schema(example = "uploaded")]
    pub status: String,
    /// Where the file lies, as workers read it.
    #[schema(example = "s3://relevo/jobs/0198c0de-0000-7000-8000-000000000000/notes.txt")]
    pub s3_uri: String,
}

/// What the name of a job's file must be, as a sentence's end.
pub const FILE_NAME: &str = "must be a plain name of 1 to 255 bytes, or two of them with a slash between: a folder and a file; \
    without backslashes or control characters, and not `.` or `..`";

/// Whether a file of a job may have this name: `notes.txt`, or `model/config.json`. It never leads out of the job's folder.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.chars().any(|c| matches!(c, '/' | '\\') || c.is_control())
    };
    let mut parts = name.splitn(2, '/');
    name.len() <= 255 && parts.all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_never_leads_out_of_its_folder() {
        for plain in ["comments_beto.parquet", "año 2024 (1).csv", "señal .json", "..a", "-", "model/config.json"] {
            assert!(is_file_name(plain), "{plain:?}");
        }
        for hostile in [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "../a",
            "a/..",
            "a/.",
            "/a",
            "a/",
            "a//b",
            "a/b/c",
            "a\\b",
            "a/b\\c",
            "a\0b",
            "a\nb",
        ] {
            assert!(!is_file_name(hostile), "{hostile:?}");
        }
        assert!(!is_file_name(&"x".repeat(256)));
    }
}
