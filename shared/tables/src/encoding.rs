//! Which encoding a text is in, decided only when all of it has been seen, and Windows-1252 turned to UTF-8.

use std::io::{self, Read};
use std::ops::Range;

use encoding_rs::WINDOWS_1252;
use relevo_shared::dataset::TextEncoding;

use crate::TableError;

/// The mark that some programs put before UTF-8.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Watches a text go by and says at the end which encoding it is in.
///
/// One byte that is not UTF-8 can stand behind gigabytes that are, so nothing is decided earlier. A text with such bytes
/// is Windows-1252 only if what looks like UTF-8 in it can be chance; otherwise two encodings were mixed, and to read the
/// file as either would spoil it.
#[derive(Debug, Default)]
pub(crate) struct EncodingWatch {
    has_bom: bool,
    /// Characters beyond ASCII that are whole in UTF-8.
    multibyte: u64,
    /// Bytes that are part of no UTF-8 character.
    invalid: u64,
    first_invalid: Option<Suspect>,
    first_undefined: Option<Suspect>,
    /// A character that the end of a chunk cut in two.
    cut: Vec<u8>,
    line: u64,
}

#[derive(Debug, Clone, Copy)]
struct Suspect {
    line: u64,
    byte: u8,
}

impl EncodingWatch {
    pub(crate) fn new(has_bom: bool) -> Self {
        Self { has_bom, line: 1, ..Self::default() }
    }

    /// Takes in the next bytes; `newline` is the byte that ends a line.
    pub(crate) fn observe(&mut self, chunk: &[u8], newline: u8) {
        let mut rest = chunk;
        if !self.cut.is_empty() {
            let missing = rest.iter().take(3).take_while(|byte| (0x80..0xC0).contains(*byte)).count();
            let mut joined = std::mem::take(&mut self.cut);
            joined.extend_from_slice(&rest[..missing]);
            rest = &rest[missing..];
            let cut = self.scan(&joined, newline);
            if rest.is_empty() {
                self.cut = cut.to_vec();
                return;
            }
            self.suspect(cut);
        }
        if rest.is_ascii() {
            self.line += memchr::memchr_iter(newline, rest).count() as u64;
        } else {
            self.cut = self.scan(rest, newline).to_vec();
        }
    }

    /// Takes in bytes that begin at a character and returns the begun character at their end.
    fn scan<'a>(&mut self, bytes: &'a [u8], newline: u8) -> &'a [u8] {
        let mut rest = bytes;
        loop {
            let error = std::str::from_utf8(rest).err();
            let (valid, others) = rest.split_at(error.map_or(rest.len(), |error| error.valid_up_to()));
            self.multibyte += valid.iter().filter(|byte| **byte >= 0xC0).count() as u64;
            self.line += memchr::memchr_iter(newline, valid).count() as u64;
            // Without a length, more bytes could still make a character of the last ones.
            let Some(length) = error.and_then(|error| error.error_len()) else { return others };
            self.suspect(&others[..length]);
            rest = &others[length..];
        }
    }

    fn suspect(&mut self, invalid: &[u8]) {
        for &byte in invalid {
            let suspect = Suspect { line: self.line, byte };
            self.invalid += 1;
            self.first_invalid.get_or_insert(suspect);
            // The five bytes that Windows-1252 leaves without a character.
            if matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D) {
                self.first_undefined.get_or_insert(suspect);
            }
        }
    }

    /// The encoding of all that was observed, or the one that it was said to be in, if it can be.
    pub(crate) fn finish_as(mut self, said: Option<TextEncoding>) -> Result<TextEncoding, TableError> {
        let cut = std::mem::take(&mut self.cut);
        self.suspect(&cut);
        let fault = match said {
            None => return self.found(),
            Some(TextEncoding::Utf8) => {
                self.first_invalid.map(|Suspect { line, byte }| TableError::MixedEncoding { line, byte })
            }
            Some(TextEncoding::Windows1252) => {
                self.first_undefined.map(|Suspect { line, byte }| TableError::UnknownEncoding { line, byte })
            }
        };
        fault.map_or(Ok(said.unwrap_or(TextEncoding::Utf8)), Err)
    }

    fn found(self) -> Result<TextEncoding, TableError> {
        let Some(first) = self.first_invalid else { return Ok(TextEncoding::Utf8) };

        // Two or more letters of Windows-1252 that pass for one of UTF-8 are rare in real text.
        let can_be_chance = self.multibyte.saturating_mul(10) <= self.invalid;
        if self.has_bom || !can_be_chance {
            return Err(TableError::MixedEncoding { line: first.line, byte: first.byte });
        }
        match self.first_undefined {
            Some(Suspect { line, byte }) => Err(TableError::UnknownEncoding { line, byte }),
            None => Ok(TextEncoding::Windows1252),
        }
    }
}

/// Text in an encoding that was found for it.
pub(crate) fn decode(bytes: &[u8], encoding: TextEncoding) -> String {
    match encoding {
        TextEncoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        TextEncoding::Windows1252 => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// Reads Windows-1252 as UTF-8.
pub(crate) struct Transcoder<R> {
    source: R,
    decoder: encoding_rs::Decoder,
    read: Box<[u8]>,
    /// Bytes of `read` that were not decoded yet.
    pending: Range<usize>,
}

impl<R: Read> Transcoder<R> {
    pub(crate) fn new(source: R) -> Self {
        let decoder = WINDOWS_1252.new_decoder_without_bom_handling();
        Self { source, decoder, read: vec![0; 64 << 10].into(), pending: 0..0 }
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        // The decoder writes whole characters only, and these are up to three bytes long.
        if target.len() < 4 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a buffer of four bytes or more is needed"));
        }
        if self.pending.is_empty() {
            self.pending = 0..self.source.read(&mut self.read)?;
        }
        let source = &self.read[self.pending.clone()];
        // Every byte is a character of its own, so the decoder holds nothing back that an end would bring out.
        let (_, read, written, _) = self.decoder.decode_to_utf8(source, target, false);
        self.pending.start += read;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(bytes: &[u8], chunk: usize) -> Result<TextEncoding, TableError> {
        let mut watch = EncodingWatch::new(false);
        bytes.chunks(chunk).for_each(|chunk| watch.observe(chunk, b'\n'));
        watch.finish_as(None)
    }

    #[test]
    fn each_encoding_is_told_wherever_the_chunks_end() {
        let windows = b"ni\xf1o,\x93ma\xf1ana\x94\n";
        for chunk in 1..windows.len() {
            assert_eq!(encoding("a\nniño 😀 €".as_bytes(), chunk).unwrap(), TextEncoding::Utf8, "{chunk}");
            assert_eq!(encoding(windows, chunk).unwrap(), TextEncoding::Windows1252, "{chunk}");
        }
    }

    #[test]
    fn a_late_byte_in_utf8_is_refused_with_its_line() {
        let text = [b"ma\xc3\xb1ana\n".repeat(1000), b"ni\xf1o\n".to_vec()].concat();
        for chunk in [1, 2, 7, 4096] {
            let error = encoding(&text, chunk).unwrap_err();
            assert!(matches!(error, TableError::MixedEncoding { line: 1001, byte: 0xF1 }), "{error}");
        }
    }

    #[test]
    fn a_late_byte_after_plain_ascii_is_windows_1252() {
        let text = [b"manana\n".repeat(100_000), b"ni\xf1o\n".to_vec()].concat();

        assert_eq!(encoding(&text, 4096).unwrap(), TextEncoding::Windows1252);
    }

    #[test]
    fn a_character_cut_off_by_the_end_of_the_file_is_not_utf8() {
        let error = encoding(b"\xc3\xb1\xc3\xb1\n\xc3", 1).unwrap_err();

        assert!(matches!(error, TableError::MixedEncoding { line: 2, byte: 0xC3 }), "{error}");
    }

    #[test]
    fn bytes_of_neither_encoding_are_refused_with_their_line() {
        let error = encoding(b"a\nb\x81c\xe9\n", 3).unwrap_err();

        assert!(matches!(error, TableError::UnknownEncoding { line: 2, byte: 0x81 }), "{error}");
    }

    #[test]
    fn windows_1252_comes_out_as_utf8_through_any_buffer() {
        let source = b"\x80 ni\xf1o \x93a\x94".repeat(20_000);
        for size in [4, 5, 8192] {
            let mut transcoder = Transcoder::new(&source[..]);
            let (mut text, mut buffer) = (Vec::new(), vec![0; size]);
            loop {
                let count = transcoder.read(&mut buffer).unwrap();
                text.extend_from_slice(&buffer[..count]);
                if count == 0 {
                    break;
                }
            }

            assert_eq!(String::from_utf8(text).unwrap(), "€ niño “a”".repeat(20_000), "{size}");
        }
    }
}
