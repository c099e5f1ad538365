//! A secret that cannot be printed by accident.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A token or key. `Debug` never shows it; whoever needs the text must ask for it by name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that must send it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_from_logs_and_whole_on_the_wire() {
        let secret: Secret = serde_json::from_str("\"swordfish\"").unwrap();

        assert_eq!(format!("{:?}", Some(&secret)), "Some((hidden))");
        assert_eq!((secret.reveal(), serde_json::to_string(&secret).unwrap().as_str()), ("swordfish", "\"swordfish\""));
    }
}
