//! The only place that writes to the terminal.

use std::io::{IsTerminal, Write};

/// Prints lines of the command's answer. A reader that has gone away is no error.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", harmless(text));
}

/// Prints why a command failed.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "error: {}", harmless(text));
}

/// Whether a person watches standard error, where progress is drawn.
pub(super) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Text with what could steer a terminal made visible: control characters, and marks that turn the order of letters.
pub(super) fn harmless(text: &str) -> String {
    let steers =
        |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}
