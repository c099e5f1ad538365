//! Intrinsic functions: `States.Format('{}!', $.name)` and its kin, compiled once.

mod functions;
mod parse;

use std::borrow::Cow;

use serde_json::Value;

use super::{
    failure::{Failure, INTRINSIC_FAILURE, PARAMETER_PATH_FAILURE},
    path::Path,
    scope::Scope,
};
use functions::Function;

/// A compiled call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Debug, Clone, PartialEq)]
enum Argument {
    /// A string in quotes, its backslashes still in it: `States.Format` must tell `\{` from `{`.
    Quoted(String),
    /// A number, `true`, `false` or `null`.
    Literal(Value),
    Path(Path),
    Call(Call),
}

impl Call {
    /// Compiles `text`, or says what is wrong with it.
    ///
    /// A call whose arguments are all known is tried out, so that a wrong one is found before any job runs.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        parse::call(text)
    }

    /// Whether `text` looks like a call rather than a path.
    pub(super) fn is_one(text: &str) -> bool {
        text.starts_with("States.")
    }

    /// Calls `each` with every path among the arguments, those of calls within it included.
    pub(super) fn paths<'c>(&'c self, each: &mut dyn FnMut(&'c Path)) {
        for argument in &self.arguments {
            match argument {
                Argument::Path(path) => each(path),
                Argument::Call(call) => call.paths(each),
                Argument::Quoted(_) | Argument::Literal(_) => {}
            }
        }
    }

    /// The name of the function that it calls.
    pub(super) const fn name(&self) -> &'static str {
        self.function.name()
    }

    /// Computes the call over a scope.
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        let mut arguments = Vec::with_capacity(self.arguments.len());
        for (at, argument) in self.arguments.iter().enumerate() {
            arguments.push(match argument {
                Argument::Quoted(raw) if at == 0 && self.function == Function::Format => {
                    Cow::Owned(raw.as_str().into())
                }
                Argument::Quoted(raw) => Cow::Owned(parse::unescape(raw).into()),
                Argument::Literal(value) => Cow::Borrowed(value),
                Argument::Path(path) => path.find(scope).ok_or_else(|| {
                    let cause = format!("`{}` finds nothing, in {}", path.text(), self.function.name());
                    Failure::new(PARAMETER_PATH_FAILURE, cause)
                })?,
                Argument::Call(call) => Cow::Owned(call.evaluate(scope)?),
            });
        }
        let value = functions::apply(self.function, arguments, scope.world)
            .map_err(|reason| Failure::new(INTRINSIC_FAILURE, format!("{}: {reason}", self.function.name())))?;
        scope.world.admit(&value, 0)?;
        Ok(value)
    }
}

/// Computes the function of this name, which needs no state, outside of a template.
pub(super) fn compute(name: &str, arguments: Vec<Cow<'_, Value>>) -> Result<Value, String> {
    let function = Function::named(name).ok_or_else(|| format!("there is no function `{name}`"))?;
    let (least, most) = function.arity();
    if arguments.len() < least || most.is_some_and(|most| most < arguments.len()) {
        return Err(format!("takes {least} arguments, not {}", arguments.len()));
    }
    functions::compute(function, arguments)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::blueprint::scope::tests::with_scope;

    fn call(text: &str, data: &Value) -> Result<Value, Failure> {
        let call = Call::parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
        with_scope(data, |scope| call.evaluate(scope))
    }

    #[test]
    fn calls_answer_as_the_language_says() {
        let data = json!({
            "name": "Ana", "n": 3, "list": [1, 2, 3, 3, 4], "a": {"x": {"y": 1}, "k": 1}, "b": {"x": {"z": 2}},
            "json": "{\"k\":[1,null]}", "split": "This.is+a,test=string", "deep": {"list": ["p", "q"]}, "t": "<{}>"
        });
        for (text, meant) in [
            (r"States.Format('Hi {}, {} of {}', $.name, $.n, null)", json!("Hi Ana, 3 of null")),
            (r"States.Format('\{\} {} it\'s \\', true)", json!(r"{} true it's \")),
            ("States.Format($.t, $.list)", json!("<[1,2,3,3,4]>")),
            ("States.StringToJson($.json)", json!({"k": [1, null]})),
            ("States.JsonToString($.b)", json!(r#"{"x":{"z":2}}"#)),
            ("States.Array()", json!([])),
            ("States.Array('x', 1.5, $.list[0], States.Array(null))", json!(["x", 1.5, 1, [null]])),
            ("States.ArrayPartition($.list, 2)", json!([[1, 2], [3, 3], [4]])),
            ("States.ArrayContains($.list, 4)", json!(true)),
            ("States.ArrayContains($.deep.list, 'z')", json!(false)),
            ("States.ArrayRange(1, 9, 2)", json!([1, 3, 5, 7, 9])),
            ("States.ArrayRange(3, 1, -1)", json!([3, 2, 1])),
            ("States.ArrayRange(3, 1, 1)", json!([])),
            ("States.ArrayGetItem($.list, 4)", json!(4)),
            ("States.ArrayLength($.list)", json!(5)),
            ("States.ArrayUnique($.list)", json!([1, 2, 3, 4])),
            ("States.Base64Encode('añb')", json!("YcOxYg==")),
            ("States.Base64Decode('YcOxYg==')", json!("añb")),
            ("States.Hash('abc', 'MD5')", json!("900150983cd24fb0d6963f7d28e17f72")),
            ("States.Hash('abc', 'SHA-1')", json!("a9993e364706816aba3e25717850c26c9cd0d89d")),
            ("States.JsonMerge($.a, $.b, false)", json!({"x": {"z": 2}, "k": 1})),
            ("States.MathAdd($.n, -5)", json!(-2)),
            ("States.StringSplit('1,2,,3', ',')", json!(["1", "2", "3"])),
            ("States.StringSplit($.split, '.+,=')", json!(["This", "is", "a", "test", "string"])),
            ("States.ArrayGetItem(States.StringSplit('a b', ' '), States.MathAdd(0, 1))", json!("b")),
            ("States.Format('{}/{}', $$.Execution.Id, $.deep['list'][1])", json!("job-1/q")),
            ("States.ArrayLength($.list[?(@ > 2)])", json!(3)),
            ("States.Format('{}', $$.State.RetryCount)", json!("2")),
        ] {
            assert_eq!(call(text, &data), Ok(meant), "{text}");
        }
    }

    #[test]
    fn digests_have_their_lengths() {
        for (algorithm, digits) in [("SHA-256", 64), ("SHA-384", 96), ("SHA-512", 128)] {
            let text = format!("States.Hash('abc', '{algorithm}')");
            assert_eq!(call(&text, &json!({})).ok().and_then(|v| v.as_str().map(str::len)), Some(digits));
        }
    }

    #[test]
    fn random_numbers_stay_in_range_and_a_seed_fixes_them() {
        for _ in 0..50 {
            let drawn = call("States.MathRandom(1, 4)", &json!({})).ok().and_then(|v| v.as_i64());
            assert!(drawn.is_some_and(|n| (1..4).contains(&n)), "{drawn:?}");
        }
        let seeded = "States.MathRandom(1, 1000000, 7)";
        assert_eq!(call(seeded, &json!({})), call(seeded, &json!({"other": 1})));
    }

    #[test]
    fn every_uuid_is_a_version_four_uuid_of_its_own() {
        let pair = call("States.Array(States.UUID(), States.UUID())", &json!({})).expect("two ids");

        assert_ne!(pair[0], pair[1]);
        let id = pair[0].as_str().expect("text");
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
    }

    #[test]
    fn what_the_data_makes_impossible_is_an_intrinsic_failure() {
        let data = json!({"s": "x", "l": [1], "n": 0, "big": "x".repeat(10_001)});
        for text in [
            "States.ArrayGetItem($.l, 1)",
            "States.ArrayGetItem($.l, -1)",
            "States.ArrayLength($.s)",
            "States.ArrayPartition($.l, $.n)",
            "States.ArrayRange(0, 5, $.n)",
            "States.ArrayRange($.n, 1000, 1)",
            "States.StringToJson($.s)",
            "States.Base64Encode($.big)",
            "States.Base64Decode('*')",
            "States.Hash($.s, $.s)",
            "States.JsonMerge($.l, $.l, false)",
            "States.JsonMerge($$.Execution, $$.Execution, true)",
            "States.MathAdd($.s, 1)",
            "States.MathAdd(2147483647, 1)",
            "States.MathRandom(5, $.n)",
            "States.Format($.s, 1)",
        ] {
            let error = match Call::parse(text) {
                Ok(call) => with_scope(&data, |scope| call.evaluate(scope)).expect_err(text).error,
                // Found even earlier: all of its arguments are known.
                Err(_) => INTRINSIC_FAILURE.to_owned(),
            };
            assert_eq!(error, INTRINSIC_FAILURE, "{text}");
        }
    }

    #[test]
    fn a_path_that_finds_nothing_is_a_path_failure() {
        assert_eq!(call("States.Format('{}', $.x)", &json!({})).expect_err("no x").error, PARAMETER_PATH_FAILURE);
    }

    #[test]
    fn wrong_calls_are_found_when_they_are_read() {
        for (text, reason) in [
            ("States.Fromat('x')", "did you mean `States.Format`?"),
            ("States.UUID", "`(`"),
            ("States.UUID(", "ends"),
            ("States.UUID() x", "after the call"),
            ("States.UUID(1)", "takes no arguments"),
            ("States.ArrayLength()", "takes 1 argument"),
            ("States.Hash('x')", "takes 2 arguments"),
            ("States.Format('{} {}', 1)", "2 places"),
            ("States.Format('x", "quote"),
            (r"States.Format('\n')", "backslash"),
            ("States.Array(1,)", "argument"),
            ("States.Array(1 2)", "`,` or `)`"),
            ("States.Array(x)", "argument"),
            ("States.Array($.a[)", "JSONPath"),
            ("States.Hash('x', 'MD4')", "MD5"),
            ("States.ArrayRange(1, 5, 0)", "zero"),
            ("States.Format('{', 1)", "brace"),
        ] {
            let error = Call::parse(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
        let deep = format!("{}1{}", "States.Array(".repeat(11), ")".repeat(11));
        assert!(Call::parse(&deep).is_err_and(|e| e.contains("nested")));
    }
}
