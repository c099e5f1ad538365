//! One file into one object: in one request when it is small, in parts when it is not.

use std::path::Path;

use aws_sdk_s3::{
    Client,
    error::DisplayErrorContext,
    primitives::{ByteStream, Length},
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tracing::warn;

use super::{Address, disk_fault, refusal::refusal};
use crate::{cancel::StopSignal, skills::SkillError};

/// Files of this size and above go in parts; also the size of a part.
const PART: u64 = 16 << 20;
/// S3 allows no more parts than this (Amazon S3 user guide, "Multipart upload limits").
const MOST_PARTS: u64 = 10_000;
/// Parts under way at the same time.
const AT_ONCE: usize = 4;

/// Sends the file and gives its length.
pub(super) async fn upload(
    client: &Client,
    from: &Path,
    address: &Address,
    stop: &StopSignal,
) -> Result<u64, SkillError> {
    let bytes = tokio::fs::metadata(from).await.map_err(|fault| disk_fault(from, &fault))?.len();
    if bytes < PART {
        tokio::select! {
            sent = in_one(client, from, address) => sent?,
            () = stop.stopped() => return Err(SkillError::Cancelled),
        }
    } else {
        in_parts(client, from, address, bytes, stop).await?;
    }
    Ok(bytes)
}

async fn in_one(client: &Client, from: &Path, address: &Address) -> Result<(), SkillError> {
    let body = ByteStream::from_path(from).await.map_err(|fault| unreadable(from, fault))?;
    let put = client.put_object().bucket(&address.bucket).key(&address.key).body(body);
    put.send().await.map_err(|fault| refusal(&fault, address))?;
    Ok(())
}

async fn in_parts(
    client: &Client,
    from: &Path,
    address: &Address,
    bytes: u64,
    stop: &StopSignal,
) -> Result<(), SkillError> {
    let create = client.create_multipart_upload().bucket(&address.bucket).key(&address.key);
    let created =
        create.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.map_err(|fault| refusal(&fault, address))?;
    let upload = Upload { client, from, address, id: created.upload_id.unwrap_or_default() };

    let done = tokio::select! {
        done = upload.send(bytes) => done,
        () = stop.stopped() => Err(SkillError::Cancelled),
    };
    if done.is_err() {
        upload.abort().await;
    }
    done
}

/// A multipart upload that was begun.
struct Upload<'a> {
    client: &'a Client,
    from: &'a Path,
    address: &'a Address,
    id: String,
}

impl Upload<'_> {
    async fn send(&self, bytes: u64) -> Result<(), SkillError> {
        let parts = stream::iter(parts(bytes)).map(|part| self.send_part(part));
        let mut parts: Vec<CompletedPart> = parts.buffer_unordered(AT_ONCE).try_collect().await?;
        parts.sort_by_key(|part| part.part_number);

        let complete = self.client.complete_multipart_upload().bucket(&self.address.bucket).key(&self.address.key);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        complete
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|fault| refusal(&fault, self.address))?;
        Ok(())
    }

    async fn send_part(&self, part: Part) -> Result<CompletedPart, SkillError> {
        let body = ByteStream::read_from().path(self.from).offset(part.offset).length(Length::Exact(part.bytes));
        let body = body.build().await.map_err(|fault| unreadable(self.from, fault))?;
        let send = self.client.upload_part().bucket(&self.address.bucket).key(&self.address.key).upload_id(&self.id);
        let send = send.part_number(part.number).checksum_algorithm(ChecksumAlgorithm::Crc32).body(body);
        let sent = send.send().await.map_err(|fault| refusal(&fault, self.address))?;
        let completed = CompletedPart::builder().part_number(part.number).set_e_tag(sent.e_tag);
        Ok(completed.set_checksum_crc32(sent.checksum_crc32).build())
    }

    /// Removes the parts that were sent: they would be kept, and paid for, for ever.
    async fn abort(&self) {
        let abort = self.client.abort_multipart_upload().bucket(&self.address.bucket).key(&self.address.key);
        if let Err(fault) = abort.upload_id(&self.id).send().await {
            warn!(uri = %self.address, error = %DisplayErrorContext(fault), "parts of an upload that failed could not be removed");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Part {
    number: i32,
    offset: u64,
    bytes: u64,
}

/// Cuts a file into equal parts, the last one shorter.
fn parts(bytes: u64) -> impl Iterator<Item = Part> {
    let size = PART.max(bytes.div_ceil(MOST_PARTS));
    (1..).zip(0..bytes.div_ceil(size)).map(move |(number, n)| Part {
        number,
        offset: n * size,
        bytes: size.min(bytes - n * size),
    })
}

fn unreadable(from: &Path, fault: impl std::error::Error) -> SkillError {
    SkillError::Permanent(format!("{}: {}", from.display(), DisplayErrorContext(fault)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_file_without_gap_or_overlap() {
        let parts: Vec<_> = parts(2 * PART + 5).collect();

        let part = |number, offset, bytes| Part { number, offset, bytes };
        assert_eq!(parts, [part(1, 0, PART), part(2, PART, PART), part(3, 2 * PART, 5)]);
    }

    #[test]
    fn the_largest_object_has_no_more_parts_than_are_allowed() {
        let terabytes = 5 << 40;

        let (count, bytes) = parts(terabytes).fold((0, 0), |(count, bytes), part| (count + 1, bytes + part.bytes));

        assert!(count <= MOST_PARTS);
        assert_eq!(bytes, terabytes);
    }
}
