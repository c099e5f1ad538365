//! Files of a job: links to them, and what an upload answers.

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
