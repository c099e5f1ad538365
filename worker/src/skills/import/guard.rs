//! Looks at a workbook before it is opened: a small file can unpack to more than there is memory.
//!
//! A workbook is a ZIP archive of XML parts. The reader streams the cells of a sheet, but it holds the strings that cells share,
//! any one piece of text, and the archive's table of contents. All of these are measured here while the parts are
//! unpacked once and thrown away.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use memchr::memmem;
use zip_9::ZipArchive;

use super::of_input;
use crate::{context::TaskContext, skills::SkillError};

/// Parts of an archive.
const MOST_PARTS: usize = 10_000;
/// What all parts unpack to.
const MOST_BYTES: u64 = 8 << 30;
/// What the shared strings unpack to, and any part that is not XML by its name.
const MOST_HELD_BYTES: u64 = 256 << 20;
/// Marks that open something in the shared strings; a string is at least one of them, and takes 24 bytes and more.
const MOST_MARKS: u64 = 20_000_000;
/// The longest piece of text or tag. Excel lets a cell hold 32,767 characters.
const LONGEST_PIECE: u64 = 1 << 20;
const CHUNK: usize = 64 << 10;

/// Refuses a workbook that would take too much memory.
///
/// # Errors
/// `InvalidInput` that says what is too much; `Transient` when the file cannot be read; `Cancelled`.
pub(super) fn check(path: &Path, context: &TaskContext) -> Result<(), SkillError> {
    count_parts(path)?;
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| no_workbook(&error))?;
    let mut whole = 0;
    for number in 0..archive.len() {
        let mut part = archive.by_index(number).map_err(|error| no_workbook(&error))?;
        let name = String::from_utf8_lossy(part.name_raw()).to_ascii_lowercase();
        let mut measure = Measure::new(&name);
        let mut chunk = vec![0; CHUNK];
        loop {
            if context.is_cancelled() {
                return Err(SkillError::Cancelled);
            }
            let count = part.read(&mut chunk).map_err(|error| no_workbook(&error))?;
            whole += count as u64;
            let fault = match count {
                _ if MOST_BYTES < whole => Some(format!("unpacks to more than {} GiB", MOST_BYTES >> 30)),
                0 => measure.end(),
                _ => measure.take(&chunk[..count]),
            };
            if let Some(fault) = fault {
                return Err(of_input(format!("is a workbook whose part {name:?} {fault}")));
            }
            if count == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Counts the entries of the table of contents without reading it: each begins with the same four bytes.
fn count_parts(path: &Path) -> Result<(), SkillError> {
    const ENTRY: &[u8] = b"PK\x01\x02";
    let mut file = File::open(path).map_err(|error| unreadable(&error))?;
    let (mut chunk, mut kept, mut parts) = (vec![0; 1 << 20], 0, 0);
    loop {
        let count = file.read(&mut chunk[kept..]).map_err(|error| unreadable(&error))?;
        if count == 0 {
            return Ok(());
        }
        let seen = kept + count;
        parts += memmem::find_iter(&chunk[..seen], ENTRY).count();
        if MOST_PARTS < parts {
            return Err(of_input(format!("is an archive of more than {MOST_PARTS} parts")));
        }
        // An entry may begin in one chunk and go on in the next.
        kept = seen.min(ENTRY.len() - 1);
        chunk.copy_within(seen - kept..seen, 0);
    }
}

fn no_workbook(error: &dyn std::fmt::Display) -> SkillError {
    of_input(format!("is no readable Excel workbook: {error}"))
}

fn unreadable(error: &std::io::Error) -> SkillError {
    SkillError::Transient(format!("the file cannot be read: {error}"))
}

/// What went by of one part.
struct Measure {
    is_xml: bool,
    holds_strings: bool,
    bytes: u64,
    marks: u64,
    piece: u64,
    /// The end of what went by, where a word may have begun.
    tail: Vec<u8>,
}

/// The number of shared strings is believed, and room for so many is made at once.
const COUNT: &[u8] = b"uniqueCount";
const LIE: &str = "counts more strings than a workbook can hold";
/// How much follows the word before its value has ended.
const VALUE: usize = 64;

impl Measure {
    fn new(name: &str) -> Self {
        let is_xml = name.ends_with(".xml") || name.ends_with(".rels");
        let holds_strings = name.ends_with("sharedstrings.xml");
        Self { is_xml, holds_strings, bytes: 0, marks: 0, piece: 0, tail: Vec::new() }
    }

    /// Takes in the next bytes; says what is too much.
    fn take(&mut self, chunk: &[u8]) -> Option<String> {
        let first = self.bytes == 0;
        self.bytes += chunk.len() as u64;
        if (self.holds_strings || !self.is_xml) && MOST_HELD_BYTES < self.bytes {
            return Some(format!("unpacks to more than {} MiB", MOST_HELD_BYTES >> 20));
        }
        if !self.is_xml {
            return None;
        }
        // In UTF-16 none of the bytes that are looked for would be found. No program writes workbooks so.
        if memchr::memchr(0, chunk).is_some() || (first && is_in_another_encoding(chunk)) {
            return Some("is not written in UTF-8".to_owned());
        }
        let mut from = 0;
        for mark in memchr::memchr_iter(b'<', chunk) {
            self.piece += (mark - from) as u64;
            if LONGEST_PIECE < self.piece {
                break;
            }
            (self.piece, from) = (0, mark);
            self.marks += 1;
        }
        if self.piece <= LONGEST_PIECE {
            self.piece += (chunk.len() - from) as u64;
        }
        if LONGEST_PIECE < self.piece {
            return Some(format!("holds a text or a tag of more than {} MiB", LONGEST_PIECE >> 20));
        }
        if self.holds_strings {
            if MOST_MARKS < self.marks {
                return Some(format!("holds more than {MOST_MARKS} marks"));
            }
            self.tail.extend_from_slice(chunk);
            // What the chunk's end cuts off is looked at again with what follows.
            if self.lies(VALUE) {
                return Some(LIE.to_owned());
            }
            let keep = self.tail.len().min(COUNT.len() + VALUE);
            self.tail.drain(..self.tail.len() - keep);
        }
        None
    }

    /// The same when nothing follows.
    fn end(&self) -> Option<String> {
        self.lies(0).then(|| LIE.to_owned())
    }

    /// Whether a count that is followed by `least` bytes cannot be right.
    fn lies(&self, least: usize) -> bool {
        let counts = memmem::find_iter(&self.tail, COUNT).map(|at| &self.tail[at + COUNT.len()..]);
        counts.filter(|value| least <= value.len()).any(|value| !is_credible(value))
    }
}

/// Whether `="123"` follows, with a number that a workbook can have.
fn is_credible(value: &[u8]) -> bool {
    let Some(value) = value.trim_ascii_start().strip_prefix(b"=") else { return true };
    let value = value.trim_ascii_start();
    let Some(quote) = value.first().filter(|quote| matches!(quote, b'"' | b'\'')) else { return false };
    let digits = value[1..].split(|byte| byte == quote).next().unwrap_or_default();
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.trim().parse::<u64>().ok());
    number.is_some_and(|number| number <= MOST_MARKS)
}

fn is_in_another_encoding(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let head = &head[..head.len().min(256)].to_ascii_lowercase();
    let declaration = head.split(|byte| *byte == b'>').next().unwrap_or_default();
    memmem::find(declaration, b"encoding").is_some() && memmem::find(declaration, b"utf-8").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(name: &str, chunks: &[&[u8]]) -> Option<String> {
        let mut measure = Measure::new(name);
        chunks.iter().find_map(|chunk| measure.take(chunk)).or_else(|| measure.end())
    }

    #[test]
    fn a_piece_without_an_end_is_refused_wherever_the_chunks_end() {
        let text = vec![b'x'; LONGEST_PIECE as usize / 2];

        assert_eq!(fault("a.xml", &[b"<a>", &text, b"</a><b>", &text, b"</b>"]), None);
        assert!(fault("a.xml", &[b"<a>", &text, &text, b"</a>"]).unwrap().contains("1 MiB"));
        assert_eq!(fault("a.png", &[&text, &text, &text]), None);
    }

    #[test]
    fn a_count_of_strings_is_not_believed_when_it_cannot_be() {
        let count = |value: &str| fault("xl/sharedstrings.xml", &[format!("<sst {value}>").as_bytes()]);

        assert_eq!(count(r#"uniqueCount="123""#), None);
        assert_eq!(count(r#"count="9" uniqueCount = '20000000'"#), None);
        for lie in
            [r#"uniqueCount="99999999999999""#, "uniqueCount='20000001'", "uniqueCount=\"&#57;9\"", "uniqueCount=9"]
        {
            assert!(count(lie).is_some(), "{lie}");
        }
        let cut: Vec<&[u8]> = [&b"<sst uniqueC"[..], b"ount=\"99999", b"99999999\"/>"].into();
        assert!(fault("xl/sharedstrings.xml", &cut).is_some());
    }

    #[test]
    fn other_encodings_are_refused() {
        for other in [&b"\xff\xfe<\0a\0"[..], b"<\0a\0", b"<?xml version='1.0' encoding='utf-16'?><a/>"] {
            assert!(fault("a.xml", &[other]).is_some(), "{other:?}");
        }
        assert_eq!(fault("a.xml", &[b"<?xml version='1.0' encoding='UTF-8'?><a>encoding</a>"]), None);
        assert_eq!(fault("a.xml", &[b"<a>encoding</a>"]), None);
    }
}
