//! The same expressions in the reference implementation of JSONata: `tests/blueprints/jsonata/golden.mjs` says which and
//! how.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::Jsonata;
use crate::domain::blueprint::scope::tests::with_scope;

#[derive(Deserialize)]
struct Expressions {
    data: Value,
    expressions: Vec<String>,
}

/// A value, an error, or nothing.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    error: Option<String>,
}

/// Tells a value of null from no value.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What we do otherwise, and why.
const DIFFERS: [(&str, &str); 2] = [
    ("$base64encode('héllo')", "letters beyond Latin are encoded as UTF-8, the other takes the low byte of each"),
    ("$reduce([], function($a, $v) { $a + $v })", "the library gives null where the other gives nothing"),
];

/// Equality of JSON, but for the last digits of a fraction.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() <= 1e-14 * one.abs(),
            _ => false,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

fn agrees(text: &str, data: &Value, theirs: &Answer) -> Result<(), String> {
    let ours = Jsonata::parse(text)
        .and_then(|expression| with_scope(data, |scope| expression.evaluate(scope)).map_err(|failure| failure.cause));
    let agree = match (&ours, theirs) {
        (Ok(ours), Answer { value: Some(theirs), error: None }) => same(ours, theirs),
        (Err(cause), Answer { value: None, error: None }) => cause.contains("gives nothing"),
        (Err(cause), Answer { error: Some(_), .. }) => !cause.contains("gives nothing"),
        _ => false,
    };
    if agree { Ok(()) } else { Err(format!("{text}\n    theirs {theirs:?}\n      ours {ours:?}")) }
}

#[test]
fn expressions_give_what_they_give_in_the_reference_implementation() {
    let Expressions { data, expressions } =
        serde_json::from_str(include_str!("../../../../../tests/blueprints/jsonata/expressions.json")).expect("sound");
    let golden: BTreeMap<String, Answer> =
        serde_json::from_str(include_str!("../../../../../tests/blueprints/jsonata/golden.json")).expect("sound");
    assert_eq!(expressions.len(), golden.len());

    let mut wrong = Vec::new();
    for text in &expressions {
        let differs = DIFFERS.iter().any(|(known, _)| known == text);
        match agrees(text, &data, &golden[text]) {
            Ok(()) if differs => wrong.push(format!("{text} does not differ any more")),
            Err(difference) if !differs => wrong.push(difference),
            _ => {}
        }
    }

    assert!(wrong.is_empty(), "{} are wrong\n{}", wrong.len(), wrong.join("\n"));
}
