//! Where a list goes on: the place of the last job that was shown, which need not be there any more.

use std::{fmt, str::FromStr};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// A place in the order of all jobs: the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListCursor {
    /// When the job there was created, in milliseconds since 1970.
    pub at: i64,
    /// Its partition.
    pub partition: u16,
    /// Its number within the partition.
    pub slot: u64,
}

/// A text that no list has given as a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a `next_cursor` that a list has given")]
pub struct UnknownCursor;

const BYTES: usize = 18;

impl fmt::Display for ListCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&self.at.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.partition.to_be_bytes());
        bytes[10..].copy_from_slice(&self.slot.to_be_bytes());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for ListCursor {
    type Err = UnknownCursor;

    fn from_str(text: &str) -> Result<Self, UnknownCursor> {
        let read = || {
            let bytes: [u8; BYTES] = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
            let at = i64::from_be_bytes(bytes[..8].try_into().ok()?);
            let partition = u16::from_be_bytes(bytes[8..10].try_into().ok()?);
            let slot = u64::from_be_bytes(bytes[10..].try_into().ok()?);
            Some(Self { at, partition, slot })
        };
        read().ok_or(UnknownCursor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(at: i64, partition: u16, slot: u64) {
            let cursor = ListCursor { at, partition, slot };

            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn no_text_is_too_strange(text: String) {
            let _ = text.parse::<ListCursor>();
        }
    }

    #[test]
    fn other_texts_are_no_cursors() {
        for text in ["", "0", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAA", "???????????????????????"] {
            assert_eq!(text.parse::<ListCursor>(), Err(UnknownCursor), "{text}");
        }
    }
}
