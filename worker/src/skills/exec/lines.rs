//! Lines of a stream, of which no more is held than a line may be long.

use tokio::io::{AsyncRead, AsyncReadExt};

const CHUNK: usize = 64 << 10;

/// One line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The line, or its beginning.
    pub(super) bytes: &'a [u8],
    /// Whether it was longer than may be held.
    pub(super) cut: bool,
}

/// Hands every line of a stream to `each`, until the stream ends or cannot be read.
pub(super) async fn each_line(mut stream: impl AsyncRead + Unpin, longest: usize, mut each: impl FnMut(Line<'_>)) {
    let (mut chunk, mut held, mut cut) = (vec![0; CHUNK], Vec::new(), false);
    loop {
        let count = match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let mut rest = &chunk[..count];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            hold(&mut held, &mut cut, &rest[..end], longest);
            each(Line { bytes: &held, cut });
            held.clear();
            (cut, rest) = (false, &rest[end + 1..]);
        }
        hold(&mut held, &mut cut, rest, longest);
        if held.is_empty() {
            // One long line must not cost its memory as long as the stream lasts.
            held.shrink_to(CHUNK);
        }
    }
    if !held.is_empty() {
        each(Line { bytes: &held, cut });
    }
}

fn hold(held: &mut Vec<u8>, cut: &mut bool, more: &[u8], longest: usize) {
    let room = longest.saturating_sub(held.len());
    *cut |= more.len() > room;
    held.extend_from_slice(&more[..more.len().min(room)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(stream: &[u8], longest: usize) -> Vec<(String, bool)> {
        let mut lines = Vec::new();
        each_line(stream, longest, |line| {
            lines.push((String::from_utf8(line.bytes.to_vec()).unwrap(), line.cut));
        })
        .await;
        lines
    }

    #[tokio::test]
    async fn lines_end_at_line_feeds_and_at_the_end() {
        let whole = |line: &str| (line.to_owned(), false);

        assert_eq!(lines(b"a\n\nbc", 10).await, [whole("a"), whole(""), whole("bc")]);
        assert_eq!(lines(b"", 10).await, []);
        assert_eq!(lines(b"a\n", 10).await, [whole("a")]);
    }

    #[tokio::test]
    async fn a_line_that_never_ends_is_held_up_to_the_limit() {
        let flood = [vec![b'x'; 3 * CHUNK + 1], b"\nnext\n".to_vec()].concat();

        let lines = lines(&flood, 100).await;

        assert_eq!(lines, [("x".repeat(100), true), ("next".to_owned(), false)]);
    }
}
