//! Which variables of the machine an expression reads, as far as its text shows.

use jsonata_core::{ast::AstNode, evaluator::Evaluator, value::JValue};

/// The variable that is always there.
const STATES: &str = "states";
/// Functions that the States Language adds to those of JSONata.
const ADDED: [&str; 5] = ["partition", "range", "hash", "uuid", "parse"];

/// The names of variables that the expression neither binds itself nor calls, and that are no functions.
///
/// An expression in which a `/` stands is not looked into: what follows may be a regular expression or a comment.
pub(super) fn read_by(text: &str) -> Vec<String> {
    if text.contains('/') {
        return Vec::new();
    }
    let words = words(text);
    let bound: Vec<&str> = words.iter().filter(|word| word.binds).map(|word| word.name).collect();
    let mut read: Vec<String> = Vec::new();
    for Word { name, calls, .. } in words {
        let known = calls || name == STATES || bound.contains(&name) || read.iter().any(|other| other == name);
        if !known && !is_function(name) {
            read.push(name.to_owned());
        }
    }
    read
}

/// A `$name` in an expression.
struct Word<'t> {
    name: &'t str,
    /// Whether it is given a value there: by `:=`, `@`, `#`, or as a function's parameter.
    binds: bool,
    /// Whether it is called there.
    calls: bool,
}

/// Every `$name` outside of quotes.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    let mut in_parameters = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"' | '`') => quote = Some(c),
            (None, '(') => {
                let before = text[..at].trim_end();
                in_parameters = before.ends_with("function") || before.ends_with('λ');
            }
            (None, ')') => in_parameters = false,
            (None, '$') => {
                let rest = &text[at + 1..];
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                let after = after.trim_start();
                let binds = in_parameters || after.starts_with(":=") || text[..at].ends_with(['@', '#']);
                if name.starts_with(char::is_alphabetic) {
                    words.push(Word { name, binds, calls: after.starts_with('(') });
                }
            }
            (None, _) => {}
        }
    }
    words
}

fn is_function(name: &str) -> bool {
    let found = Evaluator::new().evaluate(&AstNode::Variable(name.to_owned()), &JValue::Undefined);
    ADDED.contains(&name) || matches!(found, Ok(JValue::Builtin { .. } | JValue::Lambda(_)))
}

#[cfg(test)]
mod tests {
    use super::read_by;

    #[test]
    fn variables_of_the_machine_are_found() {
        for (text, read) in [
            ("$total + $order.lines[0].n", vec!["total", "order"]),
            ("$states.input.x & '$no' & \"$no\" & `$no`.a", vec![]),
            ("$total > $total", vec!["total"]),
            ("$map($list, function($v, $i) { $v * $i + $k })", vec!["list", "k"]),
            ("$map($list, λ($v) { $v })", vec!["list"]),
            ("($x := 5; $x + $y)", vec!["y"]),
            ("$states.input.a@$a.b#$i[$a = $i]", vec![]),
            ("$map($list, $uppercase)", vec!["list"]),
            ("$map($list, $parse)", vec!["list"]),
            ("$list[$ > 1 and $$ = 2]", vec!["list"]),
            ("$match('a', /x$y/)", vec![]),
            ("'it\\'s $no' & $yes", vec!["yes"]),
        ] {
            assert_eq!(read_by(text), read, "{text}");
        }
    }
}
