//! Paths that name one place: `.name`, `['name']` and `[0]`, one after the other.

use serde_json::Value;

/// One step of a path that names one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::blueprint) enum Segment {
    Key(String),
    /// Counted from the end when negative.
    Index(i64),
}

impl Segment {
    /// The key that it names, where it names one.
    pub(in crate::domain::blueprint) fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }
}

/// Follows `segments` down from `value`.
pub(in crate::domain::blueprint) fn walk<'v>(value: &'v Value, segments: &[Segment]) -> Option<&'v Value> {
    segments.iter().try_fold(value, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => {
            let items = value.as_array()?;
            let from_end = usize::try_from(index.unsigned_abs()).ok()?;
            let index = if *index < 0 { items.len().checked_sub(from_end)? } else { from_end };
            items.get(index)
        }
    })
}

/// Reads what follows the root of a path that names one place; `None` where the path may name several, or is wrong.
pub(super) fn parse(text: &str) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let (key, after) = key(after)?;
            segments.push(Segment::Key(key));
            rest = after;
        } else {
            let inner = rest.strip_prefix('[')?;
            let (segment, after) = match inner.chars().next()? {
                quote @ ('\'' | '"') => quoted(&inner[1..], quote)?,
                _ => {
                    let (digits, after) = inner.split_once(']')?;
                    (Segment::Index(index(digits)?), after)
                }
            };
            segments.push(segment);
            rest = after;
        }
    }
    Some(segments)
}

/// The key after a full stop, and what follows it. A backslash takes the meaning from the character behind it.
fn key(text: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '.' | '[' => return (!key.is_empty()).then(|| (key, &text[at..])),
            '\\' => key.push(chars.next()?.1),
            c if plain(c) => key.push(c),
            _ => return None,
        }
    }
    (!key.is_empty()).then_some((key, ""))
}

/// Characters that may stand in a name as they are. Hyphens are allowed here, as in the language's own examples, though
/// RFC 9535 has none.
fn plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '&') || !c.is_ascii()
}

/// A name after a full stop in which nothing has a meaning of its own.
pub(super) fn name(text: &str) -> Option<&str> {
    (!text.is_empty() && text.chars().all(plain)).then_some(text)
}

fn index(digits: &str) -> Option<i64> {
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    (!unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The key up to the closing quote and bracket, and what follows them.
fn quoted(text: &str, quote: char) -> Option<(Segment, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                escaped @ ('\\' | '\'' | '"') => key.push(escaped),
                _ => return None,
            },
            c if c == quote => return Some((Segment::Key(key), text[at + 1..].strip_prefix(']')?)),
            c => key.push(c),
        }
    }
    None
}
