//! Paths that may find several places, for the JSONPath library (RFC 9535).

use serde_json_path::JsonPath;

use super::segment::name;

/// Longer or deeper paths are refused before the library sees them.
const MAX_LENGTH: usize = 1024;
const MAX_NESTING: usize = 8;

/// Compiles a path that may find several places.
pub(super) fn compile(text: &str, rest: &str) -> Result<JsonPath, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("the path has more than the {MAX_LENGTH} bytes allowed"));
    }
    if nesting(rest) > MAX_NESTING {
        return Err(format!("`{text}`: brackets are nested deeper than the {MAX_NESTING} levels allowed"));
    }
    if rest.matches("..").count() > 1 {
        return Err(format!("`{text}`: at most one `..` is allowed"));
    }
    JsonPath::parse(&format!("${}", with_hyphens_quoted(rest)))
        .map_err(|e| format!("`{text}` is no JSONPath: {}", e.message()))
}

fn nesting(text: &str) -> usize {
    let mut depth = 0usize;
    let mut deepest = 0;
    for c in text.chars() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Writes names with a hyphen in brackets, as RFC 9535 wants them, outside of filters.
fn with_hyphens_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '[' {
            // To the end: filters have a grammar of their own.
            let end = closing(rest).unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let after = &rest[c.len_utf8()..];
        let end = after.find(['.', '[']).unwrap_or(after.len());
        let word = &after[..end];
        if c == '.' && word.contains('-') && name(word).is_some() {
            // After `..` the second full stop gives way to the bracket; after a single one, the only one does.
            let descent = if out.ends_with('.') { "." } else { "" };
            out.extend([descent, "['", word, "']"]);
        } else {
            out.push(c);
            out.push_str(word);
        }
        rest = &after[end..];
    }
    out
}

/// Where the bracket that opens `text` is closed, quotes taken into account.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 1 => return Some(at + 1),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}
