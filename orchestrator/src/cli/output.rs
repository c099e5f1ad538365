//! The only place that writes to the terminal.

use std::io::{IsTerminal, Write};

/// Prints a line of the command's answer. A reader that has gone away is no error.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints why a command failed.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "error: {text}");
}

/// Whether a person watches standard error, where progress is drawn.
pub(super) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Text from outside with its control characters made visible, so that it cannot steer the terminal.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
