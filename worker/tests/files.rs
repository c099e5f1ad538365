//! Files to S3 and back, against a real S3 service in this process.

#![expect(clippy::unwrap_used, reason = "what a test calls may unwrap as the test itself may")]

mod s3;

use std::path::Path;

use relevo_worker::{
    cancel::{StopReason, StopSignal},
    skills::SkillError,
};
use s3::{S3, files};

const MIB: usize = 1 << 20;

/// Bytes in which no two places look alike.
fn write(path: &Path, bytes: usize) -> Vec<u8> {
    let content: Vec<u8> = (0_u32..).flat_map(u32::to_le_bytes).take(bytes).collect();
    std::fs::write(path, &content).unwrap();
    content
}

async fn there_and_back(bytes: usize) {
    let (s3, folder, stop) = (S3::start().await, tempfile::tempdir().unwrap(), StopSignal::default());
    let files = files(s3.address, "secret");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let content = write(&from, bytes);
    let uri = "s3://data/jobs/1/señal 1.parquet";

    let sent = files.upload(&from, uri, &stop).await.unwrap();
    let received = files.download(uri, &to, &stop).await.unwrap();

    assert_eq!((sent, received), (bytes as u64, bytes as u64));
    assert!(std::fs::read(to).unwrap() == content, "the bytes differ");
}

#[tokio::test]
async fn an_empty_file_comes_back_empty() {
    there_and_back(0).await;
}

#[tokio::test]
async fn a_small_file_comes_back_as_it_was() {
    there_and_back(100_003).await;
}

#[tokio::test]
async fn a_large_file_goes_in_parts_and_comes_back_as_it_was() {
    there_and_back(33 * MIB + 7).await;
}

#[tokio::test]
async fn a_missing_object_is_invalid_input_that_names_it_and_leaves_no_file() {
    let (s3, folder) = (S3::start().await, tempfile::tempdir().unwrap());
    let to = folder.path().join("to");

    let fault =
        files(s3.address, "secret").download("s3://data/nothing", &to, &StopSignal::default()).await.unwrap_err();

    assert_eq!((fault.code(), fault.to_string().as_str()), ("INVALID_INPUT", "s3://data/nothing does not exist"));
    assert!(!to.exists());
}

#[tokio::test]
async fn an_object_that_was_damaged_where_it_lies_is_told_as_that() {
    let (s3, folder, stop) = (S3::start().await, tempfile::tempdir().unwrap(), StopSignal::default());
    let files = files(s3.address, "secret");
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let mut content = write(&from, 100_003);
    files.upload(&from, "s3://data/damaged", &stop).await.unwrap();
    content[50_000] ^= 1;
    std::fs::write(s3.root.path().join("data/damaged"), content).unwrap();

    let fault = files.download("s3://data/damaged", &to, &stop).await.unwrap_err();

    let told = "s3://data/damaged is damaged where it lies: ";
    assert!(matches!(&fault, SkillError::Permanent(reason) if reason.starts_with(told)), "{fault:?}");
    assert!(!to.exists());
}

#[tokio::test]
async fn wrong_keys_are_permanent() {
    let (s3, folder) = (S3::start().await, tempfile::tempdir().unwrap());
    let from = folder.path().join("from");
    write(&from, 10);

    let fault = files(s3.address, "secre7").upload(&from, "s3://data/x", &StopSignal::default()).await.unwrap_err();

    assert!(matches!(&fault, SkillError::Permanent(message) if message.contains("s3://data/x")), "{fault:?}");
}

#[tokio::test]
async fn an_s3_that_is_away_is_transient() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let to = folder.path().join("to");
    let fault = files(nobody, "secret").download("s3://data/x", &to, &StopSignal::default()).await.unwrap_err();

    assert_eq!(fault.code(), "TRANSIENT");
    assert!(fault.to_string().starts_with("S3 is unreachable: s3://data/x"), "{fault}");
}

#[tokio::test]
async fn a_cancelled_upload_leaves_neither_object_nor_parts() {
    let (s3, folder, stop) = (S3::start().await, tempfile::tempdir().unwrap(), StopSignal::default());
    let from = folder.path().join("from");
    write(&from, 20 * MIB);
    stop.stop(StopReason::LeaseLost);

    let fault = files(s3.address, "secret").upload(&from, "s3://data/x", &stop).await.unwrap_err();

    assert_eq!(fault, SkillError::Cancelled);
    let left = |folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(left(s3.root.path().to_owned()), [s3.root.path().join("data")]);
    assert!(left(s3.root.path().join("data")).is_empty());
}
