//! The rules of a Choice state, compiled, and how they are judged.

use std::{borrow::Cow, cmp::Ordering};

use serde_json::Value;

use super::{
    failure::Failure,
    model::Given,
    path::Path,
    scope::{Scope, instant},
};

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    And(Vec<Rule>),
    Or(Vec<Rule>),
    Not(Box<Rule>),
    Test {
        variable: Path,
        test: Test,
    },
    /// JSONata's `Condition`.
    Condition(Given<bool>),
}

/// What is asked of a variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Compare { kind: Kind, relation: Relation, with: Operand },
    Matches(Pattern),
    Is { what: What, expected: bool },
}

/// What two values are compared as; values of another kind compare as false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Numeric,
    Boolean,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equals,
    LessThan,
    GreaterThan,
    LessThanEquals,
    GreaterThanEquals,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Null,
    Present,
    Numeric,
    String,
    Boolean,
    Timestamp,
}

/// The other side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Literal(Value),
    Path(Path),
}

impl Rule {
    /// Whether the rule holds; a variable that is not there is an error, but for `IsPresent`.
    pub(super) fn holds(&self, scope: &Scope<'_>) -> Result<bool, Failure> {
        match self {
            Self::Not(rule) => rule.holds(scope).map(|held| !held),
            Self::And(rules) => {
                for rule in rules {
                    if !rule.holds(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(rules) => {
                for rule in rules {
                    if rule.holds(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Condition(Given::Fixed(holds)) => Ok(*holds),
            Self::Condition(Given::Computed(expression)) => match expression.evaluate(scope)? {
                Value::Bool(holds) => Ok(holds),
                _ => Err(expression.misfit("true or false", scope)),
            },
            Self::Test { variable, test: Test::Is { what: What::Present, expected } } => {
                Ok(variable.find(scope).is_some() == *expected)
            }
            Self::Test { variable, test } => test.holds(found(variable, scope)?.as_ref(), scope),
        }
    }
}

impl Test {
    fn holds(&self, value: &Value, scope: &Scope<'_>) -> Result<bool, Failure> {
        match self {
            Self::Compare { kind, relation, with: Operand::Literal(other) } => {
                Ok(kind.compare(value, other).is_some_and(|order| relation.includes(order)))
            }
            Self::Compare { kind, relation, with: Operand::Path(path) } => {
                let other = found(path, scope)?;
                Ok(kind.compare(value, &other).is_some_and(|order| relation.includes(order)))
            }
            Self::Matches(pattern) => Ok(value.as_str().is_some_and(|text| pattern.matches(text))),
            Self::Is { what, expected } => Ok(what.describes(value) == *expected),
        }
    }
}

fn found<'v>(path: &Path, scope: &Scope<'v>) -> Result<Cow<'v, Value>, Failure> {
    path.find(scope).ok_or_else(|| {
        let cause = format!("`{}` finds nothing in the input of state `{}`", path.text(), scope.here.state);
        Failure::runtime(cause)
    })
}

impl Kind {
    fn compare(self, one: &Value, other: &Value) -> Option<Ordering> {
        match self {
            Self::String => Some(one.as_str()?.cmp(other.as_str()?)),
            Self::Boolean => Some(one.as_bool()?.cmp(&other.as_bool()?)),
            Self::Timestamp => Some(instant(one.as_str()?)?.cmp(&instant(other.as_str()?)?)),
            Self::Numeric => match (one.as_i64(), other.as_i64()) {
                // Whole numbers above 2^53 would lose digits as floats.
                (Some(one), Some(other)) => Some(one.cmp(&other)),
                _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
            },
        }
    }
}

impl Relation {
    const fn includes(self, order: Ordering) -> bool {
        match self {
            Self::Equals => order.is_eq(),
            Self::LessThan => order.is_lt(),
            Self::GreaterThan => order.is_gt(),
            Self::LessThanEquals => order.is_le(),
            Self::GreaterThanEquals => order.is_ge(),
        }
    }
}

impl What {
    fn describes(self, value: &Value) -> bool {
        match self {
            Self::Present => true,
            Self::Null => value.is_null(),
            Self::Numeric => value.is_number(),
            Self::String => value.is_string(),
            Self::Boolean => value.is_boolean(),
            Self::Timestamp => value.as_str().is_some_and(|text| instant(text).is_some()),
        }
    }
}

/// A text in which `*` stands for any characters, also none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    One(char),
}

impl Pattern {
    /// Compiles a pattern: `\*` is an asterisk and `\\` a backslash.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Any,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '\\')) => Piece::One(escaped),
                    _ => return Err(r"after a backslash only `*` and a backslash may stand".to_owned()),
                },
                c => Piece::One(c),
            });
        }
        Ok(Self(pieces))
    }

    /// Whether all of `text` fits. Only the latest `*` is ever reconsidered, so time is at most length times length.
    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut piece) = (0, 0);
        let mut latest = None;
        while at < text.len() {
            match self.0.get(piece) {
                Some(Piece::Any) => {
                    latest = Some((piece, at));
                    piece += 1;
                }
                Some(Piece::One(c)) if *c == text[at] => {
                    at += 1;
                    piece += 1;
                }
                _ => {
                    let Some((any, from)) = latest else { return false };
                    latest = Some((any, from + 1));
                    at = from + 1;
                    piece = any + 1;
                }
            }
        }
        self.0[piece..].iter().all(|piece| *piece == Piece::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).is_ok_and(|pattern| pattern.matches(text))
    }

    #[test]
    fn an_asterisk_stands_for_any_characters() {
        assert!(matches("foo*.log", "foo-1.log"));
        assert!(matches("*", ""));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(matches("*ab", "aab"));
        assert!(!matches("foo*.log", "foo-1.txt"));
        assert!(!matches("", "x"));
        assert!(!matches("a", "aa"));
    }

    #[test]
    fn a_backslash_makes_an_asterisk_plain() {
        assert!(matches(r"a\*b\\", r"a*b\"));
        assert!(!matches(r"a\*b", "axb"));
        assert!(Pattern::parse(r"a\b").is_err());
    }

    #[test]
    fn many_asterisks_take_no_exponential_time() {
        assert!(!matches(&"*a".repeat(30), &("a".repeat(3000) + "b")));
    }
}
