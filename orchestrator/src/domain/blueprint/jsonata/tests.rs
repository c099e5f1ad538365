//! What expressions give, what they cannot do, and that none of them can harm the process.

use serde_json::{Value, json};

use super::Jsonata;
use crate::domain::blueprint::{failure::Failure, scope::tests::with_scope};

fn evaluate(text: &str, input: &Value) -> Result<Value, Failure> {
    let expression = Jsonata::parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
    with_scope(input, |scope| expression.evaluate(scope))
}

#[test]
fn expressions_see_the_states_and_the_variables() {
    let order = json!({"lines": [{"qty": 2, "price": 1.5}, {"qty": 1, "price": 20}], "who": {"name": "Ana"}});
    for (text, meant) in [
        ("$sum($states.input.lines.(qty * price))", json!(23)),
        ("'Hi ' & $states.input.who.name", json!("Hi Ana")),
        ("$states.input.lines[qty > 1]", json!({"qty": 2, "price": 1.5})),
        ("$states.input.lines[qty > 1][]", json!([{"qty": 2, "price": 1.5}])),
        ("$n + 1", json!(4)),
        ("{'n': $n, 'all': [$names, 'c']}", json!({"n": 3, "all": ["a", "b", "c"]})),
        ("($double := function($x) { $x * 2 }; $map([1..$n], $double))", json!([2, 4, 6])),
        ("null", json!(null)),
        ("1e3", json!(1000)),
        ("0.1 + 0.2", json!(0.1 + 0.2)),
    ] {
        assert_eq!(evaluate(text, &order), Ok(meant), "{text}");
    }
}

#[test]
fn the_states_language_adds_six_functions() {
    for (text, meant) in [
        ("$partition([1,2,3,4,5], 2)", json!([[1, 2], [3, 4], [5]])),
        ("$range(0, 9, 3)", json!([0, 3, 6, 9])),
        ("$hash('abc', 'MD5')", json!("900150983cd24fb0d6963f7d28e17f72")),
        ("$hash(12, 'SHA-1')", json!("7b52009b64fd0a2a49e6d8a939753077792b0554")),
        (r#"$parse('{"a":[1,null]}').a[0]"#, json!(1)),
        ("$exists($parse($states.nothing))", json!(false)),
        ("$random(7) = $random(7)", json!(true)),
        ("$length($uuid())", json!(36)),
        ("$uuid() = $uuid()", json!(false)),
        ("$random() = $random()", json!(false)),
        ("$sort($shuffle([1..9])) = [1..9]", json!(true)),
    ] {
        assert_eq!(evaluate(text, &json!({})), Ok(meant), "{text}");
    }
}

#[test]
fn time_and_chance_are_the_steps_own() {
    assert_eq!(evaluate("$now()", &json!({})), Ok(json!("2026-01-02T03:04:05.678Z")));
    assert_eq!(evaluate("$now('[Y0001]/[M01]', '+0200')", &json!({})), Ok(json!("2026/01")));
    assert_eq!(evaluate("$millis()", &json!({})), Ok(json!(1_767_323_045_678_i64)));
    for text in ["$random()", "$uuid()", "$shuffle([1..20])", "[$random(), $uuid()]"] {
        assert_eq!(evaluate(text, &json!({})), evaluate(text, &json!({})), "{text}");
    }
}

#[test]
fn what_goes_wrong_names_the_expression_and_the_reason() {
    for (text, reason) in [
        ("$states.input.missing", "gives nothing"),
        ("missing", "gives nothing"),
        ("$unbound", "gives nothing"),
        ("1 / 0", "not finite"),
        ("$sum", "function"),
        ("{'f': function($x) { $x }}", "function"),
        ("[/a/]", "function"),
        ("'a' + 1", "T2001"),
        ("$nosuch(1)", "T1006"),
        ("$error('no stock')", "no stock"),
        ("$eval('1 + 1')", "$eval is not offered"),
        ("'1 + 1' ~> $eval", "$eval is not offered"),
        ("$map(['1'], $eval)", "$eval is not offered"),
        ("($e := $eval; $e('1'))", "$eval is not offered"),
        ("$range(0, 9, 0)", "$range: the step must not be zero"),
        ("$range(0, 9)", "$range: takes 3 arguments"),
        ("$partition([1], 0)", "$partition: the chunk size"),
        ("$hash('a', 'MD4')", "$hash: `MD4`"),
        ("$parse('{')", "$parse: the text is no JSON"),
    ] {
        let failure = evaluate(text, &json!({})).expect_err(text);
        assert_eq!(failure.error, "States.QueryEvaluationError", "{text}");
        assert!(failure.cause.contains(reason) && failure.cause.contains(text), "{}", failure.cause);
    }
}

#[test]
fn no_expression_overruns_its_time_its_stack_or_its_memory() {
    for (text, reason) in [
        ("($f := function($n) { 1 + $f($n + 1) }; $f(0))", "D1011"),
        ("($f := function($n) { $f($n + 1) }; $f(0))", "D1012"),
        ("(function($x) { $x($x) })(function($x) { $x($x) })", "D1012"),
        ("($f := function($n) { $map([1, 2], function() { $f($n) }) }; $f(0))", "D1011"),
        ("[1..$power(10, 6)]", "D2015"),
        ("[1..1000].([1..1000])", "D2015"),
        ("$reduce([1..60], function($all, $n) { $append($all, $all) }, [1])", "D2015"),
        ("$pad('x', -1e300)", "at most"),
        ("'x' ~> $pad(1e12)", "at most"),
        ("$formatInteger(1e13, 'I')", "Roman"),
    ] {
        let failure = evaluate(text, &json!({})).expect_err(text);
        assert!(failure.cause.contains(reason), "{text}: {}", failure.cause);
    }
}

#[test]
fn a_result_that_could_not_be_kept_is_refused() {
    let doubled = "($f := function($n) { $n = 0 ? 1 : ($a := $f($n - 1); {'l': $a, 'r': $a}) }; $f(60))";
    let deep = "$reduce([1..200], function($inner, $n) { {'a': $inner} }, 1)";
    for text in [doubled, deep] {
        let failure = evaluate(text, &json!({})).expect_err(text);
        assert_eq!(failure.error, "States.DataLimitExceeded", "{text}");
    }
}

#[test]
fn a_text_that_is_no_expression_is_told_so() {
    for text in [
        String::new(),
        "1 +".to_owned(),
        "'open".to_owned(),
        "$f(".to_owned(),
        "%".to_owned(),
        "\0".to_owned(),
        "(".repeat(100_000),
        "[".repeat(100_000),
        "-".repeat(100_000) + "1",
        "{'a':".repeat(100_000),
        "1?".repeat(100_000) + "1",
        vec!["a"; 100_000].join("."),
    ] {
        assert!(Jsonata::parse(&text).is_err_and(|e| e.starts_with("is no JSONata")), "{}", &text[..text.len().min(9)]);
    }
}
