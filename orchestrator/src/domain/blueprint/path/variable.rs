//! Names of variables: Unicode identifiers, as in Annex 31 of the Unicode standard.

/// Characters in a variable's name, as the language has it.
const MAX_NAME: usize = 80;

/// The name that the language keeps for itself.
const RESERVED: &str = "states";

/// Whether a name can begin with `c`.
pub(super) fn can_begin(c: char) -> bool {
    c.is_alphabetic()
}

fn can_go_on(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The name at the beginning of `text`, and what follows it.
pub(super) fn split(text: &str) -> Result<(&str, &str), String> {
    let (name, rest) = text.split_at(text.find(|c| !can_go_on(c)).unwrap_or(text.len()));
    if name == RESERVED {
        return Err("`$states` belongs to JSONata: in a path the input is `$` and the context `$$`".to_owned());
    }
    check_name(name).map(|()| (name, rest))
}

/// Says what is wrong with the name of a variable.
pub(in crate::domain::blueprint) fn check_name(name: &str) -> Result<(), String> {
    if name == RESERVED {
        return Err("no state can assign `states`: the language keeps that name".to_owned());
    }
    let fits = name.starts_with(can_begin) && name.chars().all(can_go_on) && name.chars().count() <= MAX_NAME;
    if fits {
        Ok(())
    } else {
        Err(format!("a variable's name is a letter, then letters, digits and `_`, up to {MAX_NAME} characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_identifier() {
        for name in ["x", "año", "名前", "a_1"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "1a", "_a", "a-b", "a b", "states", &"x".repeat(81)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
