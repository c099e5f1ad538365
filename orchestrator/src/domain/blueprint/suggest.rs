//! Finds the word that was probably meant.

/// ` (did you mean …?)` when one of `known` is close to `word`, else nothing.
pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    // A third of the letters may be wrong: `Retires` finds `Retry…`, `Foo` finds nothing.
    let tolerance = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min()
        .map(|(_, candidate)| format!(" (did you mean `{candidate}`?)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn a_slip_of_the_keyboard_is_recognised() {
        let known = ["TimeoutSeconds", "TimeoutSecondsPath", "Next"];

        assert_eq!(did_you_mean("TimeoutSecond", known), " (did you mean `TimeoutSeconds`?)");
        assert_eq!(did_you_mean("next", known), " (did you mean `Next`?)");
        assert_eq!(did_you_mean("Catch", known), "");
    }
}
