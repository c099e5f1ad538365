//! Which columns of a table are features. Pure.

/// Grades, and what `beto.preprocess` finds in texts.
pub const USUAL: [&str; 3] = ["calif_*", "p_*", "feat_t_*"];

/// Whether a name is the one that is asked for, or begins as one that ends in `*` does.
#[must_use]
pub fn matches(asked: &str, name: &str) -> bool {
    asked.strip_suffix('*').map_or(asked == name, |stem| name.starts_with(stem))
}

/// The names that were asked for, in the order of the table, each once. A name without a `*` must be there; one with it must
/// match something.
///
/// # Errors
/// What was asked for and is not there.
pub fn chosen<'n>(asked: &[String], names: &[&'n str]) -> Result<Vec<&'n str>, String> {
    if let Some(missing) = asked.iter().find(|asked| !names.iter().any(|name| matches(asked, name))) {
        return Err(format!("the table has no column {missing:?}; it has {}", listed(names)));
    }
    Ok(names.iter().copied().filter(|name| asked.iter().any(|asked| matches(asked, name))).collect())
}

/// The names for a sentence; the end of a long list is left out.
#[must_use]
pub fn listed(names: &[&str]) -> String {
    const MOST: usize = 40;
    let told = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{told} and {} more", names.len() - MOST) } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [&str; 5] = ["calif_2", "calif_1", "periodo", "p_neg", "nota"];

    fn asked(names: &[&str]) -> Result<Vec<&'static str>, String> {
        chosen(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>(), &TABLE)
    }

    #[test]
    fn a_star_stands_for_any_end_and_the_order_is_the_tables() {
        assert_eq!(asked(&["p_*", "calif_*"]), Ok(vec!["calif_2", "calif_1", "p_neg"]));
        assert_eq!(asked(&["nota", "nota"]), Ok(vec!["nota"]));
        assert!(!matches("p_*", "periodo"));
    }

    #[test]
    fn what_is_not_there_is_named_beside_what_is() {
        let told = asked(&["nota", "feat_t_*"]).unwrap_err();

        assert!(told.contains("feat_t_*") && told.contains("calif_2, calif_1, periodo"), "{told}");
    }
}
