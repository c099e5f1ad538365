//! The kind of a file by its first bytes, its name and what its sender says of it.

use relevo_shared::dataset::TableFormat;

/// First bytes of files that people send by mistake, and their names. Sources: each format's specification; the list of
/// <https://www.iana.org/assignments/media-types> where it gives magic numbers.
const KINDS: &[(&[u8], &str)] = &[
    (b"PAR1", "a Parquet file"),
    (b"PARE", "an encrypted Parquet file"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF89a", "a GIF image"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (an Excel workbook is one: export it as CSV)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word document (export it as CSV)"),
    (b"\x1f\x8b", "a gzip archive (unpack it first)"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive (unpack it first)"),
    (b"BZh91AY&SY", "a bzip2 archive (unpack it first)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive (unpack it first)"),
    (b"ARROW1", "an Arrow IPC file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xff\xfe", "UTF-16 text (save it as UTF-8)"),
    (b"\xfe\xff", "UTF-16 text (save it as UTF-8)"),
    (b"<!DOCTYPE html", "an HTML page"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
];

/// Bytes of a file's head that are enough for [`what_is`].
pub(crate) const MAGIC_BYTES: usize = 16;

/// The kind of a file by its first bytes, with its article: `a PNG image`. `None` for text and what is not known.
pub fn what_is(head: &[u8]) -> Option<&'static str> {
    KINDS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

/// The format of a table from its `Content-Type`, its file name and its first bytes, in that order; a Parquet file is one
/// whatever it is called. `None` if none of the three tells.
pub fn sniff_format(content_type: Option<&str>, file_name: Option<&str>, head: &[u8]) -> Option<TableFormat> {
    if head.starts_with(b"PAR1") {
        return Some(TableFormat::Parquet);
    }
    content_type.and_then(by_content_type).or_else(|| file_name.and_then(by_name)).or_else(|| by_content(head))
}

fn by_content_type(content_type: &str) -> Option<TableFormat> {
    let essence = content_type.split(';').next()?.trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/csv" | "application/csv" | "text/tab-separated-values" => Some(TableFormat::Csv),
        "application/vnd.apache.parquet" | "application/x-parquet" | "application/parquet" => {
            Some(TableFormat::Parquet)
        }
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Some(TableFormat::Jsonl)
        }
        _ => None,
    }
}

fn by_name(name: &str) -> Option<TableFormat> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "csv" | "tsv" | "tab" => Some(TableFormat::Csv),
        "parquet" | "pq" => Some(TableFormat::Parquet),
        "jsonl" | "ndjson" => Some(TableFormat::Jsonl),
        _ => None,
    }
}

fn by_content(head: &[u8]) -> Option<TableFormat> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if text.is_empty() || what_is(head).is_some() || !is_text(head) {
        None
    } else if text.starts_with(b"{") {
        Some(TableFormat::Jsonl)
    } else {
        Some(TableFormat::Csv)
    }
}

/// No control characters but those that lay out a text.
fn is_text(head: &[u8]) -> bool {
    head.iter().all(|byte| !byte.is_ascii_control() || byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn the_sender_is_believed_before_the_name_and_the_name_before_the_content() {
        for (content_type, name, head, expected) in [
            (Some("text/csv; charset=utf-8"), Some("a.jsonl"), &b"{}"[..], Some(TableFormat::Csv)),
            (Some("application/octet-stream"), Some("A.TSV"), b"a\tb", Some(TableFormat::Csv)),
            (Some("application/x-www-form-urlencoded"), None, b"\xef\xbb\xbf {\"a\":1}", Some(TableFormat::Jsonl)),
            (Some("text/csv"), None, b"PAR1\x15\x04", Some(TableFormat::Parquet)),
            (None, Some("a.txt"), b"a;b\n1;2\n", Some(TableFormat::Csv)),
            (Some("application/vnd.apache.parquet"), None, PNG, Some(TableFormat::Parquet)),
            (None, None, PNG, None),
            (None, None, b"", None),
        ] {
            assert_eq!(sniff_format(content_type, name, head), expected, "{content_type:?} {name:?}");
        }
    }

    #[test]
    fn other_kinds_of_file_are_named() {
        assert_eq!(what_is(PNG), Some("a PNG image"));
        assert_eq!(what_is(b"%PDF-1.7\n"), Some("a PDF document"));
        assert_eq!(what_is(b"PARTNER,name\n1,a\n"), None);
    }
}
