//! What the folder that a training leaves may be called. Pure.

use crate::skills::fields::Fields;

/// What such a name must be, as a sentence's end.
const RIGHT: &str =
    "1 to 64 letters, digits, `.`, `_` or `-`, beginning with a letter or a digit, and not `checkpoints`";

/// The name of the folder among the job's files; what is wrong with it is noted.
pub(crate) fn output_name(fields: &mut Fields) -> String {
    let name = fields.or("output_name", "model".to_owned(), RIGHT);
    if !is_output_name(&name) {
        fields.fault("output_name", format!("must be {RIGHT}"));
    }
    name
}

/// Whether the name stays itself in every address, also where capitals count for nothing, and is not the folder of the checkpoints.
fn is_output_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !name.eq_ignore_ascii_case("checkpoints")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_a_plain_name_and_not_that_of_the_checkpoints() {
        for plain in ["model", "Trial_007", "v1.2-beta", "7", "checkpoints2"] {
            assert!(is_output_name(plain), "{plain:?}");
        }
        let long = "x".repeat(65);
        for hostile in
            ["", " ", "a b", ".", "..", ".a", "-a", "_a", "%2e%2e", "a/b", "a\\b", "año", "a\n", "Checkpoints", &long]
        {
            assert!(!is_output_name(hostile), "{hostile:?}");
        }
    }
}
