//! Reads the text of a blueprint file into one JSON value and the place of each part of it.
//!
//! It judges form only: never what a field means.

mod json;
mod yaml;

use serde_json::Value;

use super::fault::{Fault, Places};

/// A blueprint file is written by hand; anything larger is a mistake or an attack.
const MAX_BYTES: usize = 1024 * 1024;

/// A file that could be read.
pub(super) struct Source {
    /// What it says.
    pub(super) value: Value,
    /// Where it says it; empty for JSON, whose reader keeps no places (see [`places`]).
    pub(super) places: Places,
}

/// Reads YAML or JSON.
pub(super) fn read(text: &str) -> Result<Source, Vec<Fault>> {
    if text.len() > MAX_BYTES {
        let reason = format!("the file has {} bytes, more than the {MAX_BYTES} allowed", text.len());
        return Err(vec![Fault { path: String::new(), line: None, column: None, reason }]);
    }
    // YAML reads most JSON, but not JSON's `\ud83d\ude00` escapes. What is no sound JSON gets YAML's verdict.
    if text.trim_start().starts_with('{')
        && let Ok(value) = json::read(text)
    {
        return Ok(Source { value, places: Places::new() });
    }
    yaml::read(text)
}

/// The places in a text that [`read`] took for JSON, as far as a YAML reader can find them.
pub(super) fn places(text: &str) -> Places {
    yaml::read(text).map(|source| source.places).unwrap_or_default()
}
