//! Streams a body into a file with a bounded amount of memory.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use super::{BlobError, Blobs};

/// Size of a part: S3 takes at least 5 MiB and at most 10,000 parts, so files up to 78 GiB.
const PART: usize = 8 * 1024 * 1024;

impl Blobs {
    /// Streams a body into a file. Small bodies go in one request; of larger ones two parts are held at most. When the
    /// body ends with an error, nothing is left behind.
    ///
    /// # Errors
    /// With the body's own error, or when S3 is away.
    pub async fn write_stream<E: From<BlobError>>(
        &self,
        key: &str,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<u64, E> {
        let first = next_part(&mut body).await?;
        if first.len() < PART {
            let length = first.len() as u64;
            let request = self.client.put_object().bucket(&self.bucket).key(key).body(first.into());
            request.send().await.map_err(BlobError::from)?;
            return Ok(length);
        }
        let upload = self.client.create_multipart_upload().bucket(&self.bucket).key(key).send().await;
        let upload = upload.map_err(BlobError::from)?;
        let id = upload.upload_id().unwrap_or_default().to_owned();
        match self.write_parts(key, &id, first, body).await {
            Ok(length) => Ok(length),
            Err(error) => {
                let abort = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
                // The reason for the end matters more than whether S3 could be told of it.
                let _ = abort.send().await;
                Err(error)
            }
        }
    }

    async fn write_parts<E: From<BlobError>>(
        &self,
        key: &str,
        id: &str,
        first: Bytes,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<u64, E> {
        let (mut part, mut length, mut parts) = (first, 0, Vec::new());
        while !part.is_empty() {
            length += part.len() as u64;
            let number = i32::try_from(parts.len() + 1).unwrap_or(i32::MAX);
            let request = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(id).part_number(number);
            let sent = request.body(part.into()).send().await.map_err(BlobError::from)?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build());
            part = next_part(&mut body).await?;
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
        request.multipart_upload(parts).send().await.map_err(BlobError::from)?;
        Ok(length)
    }
}

/// The next part of the body: full, but for the last one.
async fn next_part<E>(body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) -> Result<Bytes, E> {
    let mut part = BytesMut::new();
    while part.len() < PART {
        match body.next().await {
            Some(chunk) => part.extend_from_slice(&chunk?),
            None => break,
        }
    }
    Ok(part.freeze())
}
