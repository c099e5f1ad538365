//! How packed bytes are compressed: with zstd, and a dictionary that knows what jobs look like.
//!
//! The first byte says which dictionary. A release that has a better one adds it and goes on reading with the old ones.

use std::sync::LazyLock;

use relevo_shared::job::LogLine;
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
};

use super::super::{Result, StoreError, script::corrupt};

/// The dictionary that is written with.
const NEWEST: u8 = 1;
const FIRST: &[u8] = include_bytes!("first.dict");
/// Higher ones take longer and save next to nothing once there is a dictionary.
const LEVEL: i32 = 3;
/// No job is larger unpacked.
const LARGEST: usize = 256 * 1024 * 1024;

static WRITES: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(FIRST, LEVEL));
static READS_FIRST: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(FIRST));

/// Compresses many jobs, one after the other.
pub(super) struct Press(Compressor<'static>);

impl Press {
    pub(super) fn new() -> Result<Self> {
        Compressor::with_prepared_dictionary(&WRITES).map(Self).map_err(|error| failed(&error))
    }

    pub(super) fn press(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut pressed = vec![NEWEST];
        pressed.extend(self.0.compress(bytes).map_err(|error| failed(&error))?);
        Ok(pressed)
    }

    pub(super) fn press_lines(&mut self, lines: &[String]) -> Result<Vec<u8>> {
        self.press(lines.join("\n").as_bytes())
    }
}

/// What was pressed.
pub(super) fn unpress(pressed: &[u8]) -> Result<Vec<u8>> {
    let (form, frame) = pressed.split_first().ok_or_else(|| corrupt("a packed job of no bytes".to_owned()))?;
    let dictionary = match form {
        1 => &READS_FIRST,
        other => return Err(corrupt(format!("a packed job of form {other}, which a newer release writes"))),
    };
    let mut reads = Decompressor::with_prepared_dictionary(dictionary).map_err(|error| failed(&error))?;
    let size = Decompressor::upper_bound(frame).unwrap_or(LARGEST).min(LARGEST);
    reads.decompress(frame, size).map_err(|error| failed(&error))
}

/// Log lines as they were pressed.
pub(super) fn unpress_lines(pressed: &[u8]) -> Result<Vec<String>> {
    let text = String::from_utf8(unpress(pressed)?).map_err(|error| corrupt(format!("packed logs: {error}")))?;
    Ok(text.split('\n').filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// A log line as it is kept.
pub(super) fn log_line(text: &str) -> Result<LogLine> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("a log line: {error}")))
}

fn failed(error: &std::io::Error) -> StoreError {
    corrupt(format!("a packed job: {error}"))
}
