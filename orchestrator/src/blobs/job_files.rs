//! The files of one job, all together.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use relevo_shared::JobId;

use super::{BlobError, Blobs};

/// Where the files of a job are kept.
#[must_use]
pub fn files_key(job: JobId) -> String {
    format!("jobs/{job}/")
}

impl Blobs {
    /// Removes every file of a job. Answers the bytes that they took.
    ///
    /// # Errors
    /// When S3 is away or refuses.
    pub async fn remove_files(&self, job: JobId) -> Result<u64, BlobError> {
        let mut bytes = 0;
        let mut next = None;
        loop {
            let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(files_key(job));
            let page = request.set_continuation_token(next).send().await?;
            let mut objects = Vec::new();
            for object in page.contents() {
                bytes += object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
                let named = ObjectIdentifier::builder().set_key(object.key().map(str::to_owned)).build();
                objects.push(named.map_err(|error| BlobError::Refused(error.to_string()))?);
            }
            if !objects.is_empty() {
                let all = Delete::builder().set_objects(Some(objects)).quiet(true).build();
                let all = all.map_err(|error| BlobError::Refused(error.to_string()))?;
                let answer = self.client.delete_objects().bucket(&self.bucket).delete(all).send().await?;
                if let Some(kept) = answer.errors().first() {
                    let (key, why) = (kept.key().unwrap_or_default(), kept.message().unwrap_or_default());
                    return Err(BlobError::Away(format!("{key} could not be removed: {why}")));
                }
            }
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok(bytes);
            }
        }
    }
}
