//! What is wrong with a blueprint file is told all at once, each fault with its place.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Blueprint;

fn faults(text: &str) -> Vec<String> {
    Blueprint::parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The faults of a machine with these states, without their lines, as `path: reason`.
pub(super) fn faults_of(states: &Value) -> Vec<String> {
    let start = states.as_object().and_then(|states| states.keys().next()).cloned().unwrap_or_default();
    let definition = json!({"StartAt": start, "States": states});
    let file = json!({"name": "f", "version": "1", "endpoint": "/f", "definition": definition});
    let found = Blueprint::parse(&file.to_string()).err().unwrap_or_default();
    found.into_iter().map(|fault| format!("{}: {}", fault.path, fault.reason)).collect()
}

/// A machine of one task with these fields on top.
fn task_with(fields: &Value) -> Value {
    let mut state = json!({"Type": "Task", "Resource": "skill:work", "End": true});
    state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    json!({"T": state})
}

#[test]
fn all_faults_of_a_file_are_told_in_the_order_of_its_lines() {
    let text = "\
name: Bad name!
version: 1.0
endpoint: jobs/bad
colour: red
input:
  type: object
  properties:
    n: {type: intger}
defaults: []
definition:
  StartAt: Frist
  States:
    First:
      Type: Task
      Resource: lambda:x
      Retires: []
      TimeoutSeconds: -1
      Retry:
        - ErrorEquals: [States.ALL, Other]
          IntervalSeconds: 1.5
        - ErrorEquals: [States.Timout]
      Next: Second
    Second:
      Type: Pass
      ResultPath: $.a[*]
      Parameters:
        x.$: States.Fromat('{}')
    Third:
      Type: Maap
";

    let told = faults(text);

    let expected = [
        "1:1: name: must be 1 to 64 letters, digits, `_`, `-` and `.`",
        "2:1: version: must be text, not a number: put it in quotes",
        "3:1: endpoint: must be words with a `/` before each, for example `/jobs/my_blueprint`",
        "4:1: colour: unknown field",
        "8:9: input.properties.n.type: ",
        "9:1: defaults: must be an object, not an array",
        "11:3: definition.StartAt: there is no state `Frist` (did you mean `First`?)",
        "15:7: definition.States.First.Resource: write `skill:<name>`, `approval:<group>` or `blueprint:<name>`, for example `skill:echo`",
        "16:7: definition.States.First.Retires: unknown field",
        "17:7: definition.States.First.TimeoutSeconds: must be a whole number from 1 to 99999999, not -1",
        "19:11: definition.States.First.Retry[0]: a rule for `States.ALL` must be the last one",
        "19:25: definition.States.First.Retry[0].ErrorEquals[0]: `States.ALL` must stand alone",
        "20:11: definition.States.First.Retry[0].IntervalSeconds: must be a whole number from 1 to 99999999, not 1.5",
        "21:25: definition.States.First.Retry[1].ErrorEquals[0]: the language has no error `States.Timout` (did you mean `States.Timeout`?)",
        "23:5: definition.States.Second.Next: is missing: name the next state, or write `End: true`",
        "25:7: definition.States.Second.ResultPath: `$.a[*]` cannot be written to",
        "27:9: definition.States.Second.Parameters['x.$']: there is no function `States.Fromat` (did you mean `States.Format`?)",
        "29:7: definition.States.Third.Type: must be one of Task, Pass, Choice, Wait, Parallel, Map, Succeed, Fail, not `Maap`",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "\n    told {told}\nexpected {expected}");
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
}

#[test]
fn a_json_file_has_lines_too() {
    let text = "{\n \"name\": \"j\",\n \"version\": \"1\",\n \"endpoint\": \"/j\",\n \"definition\": {}\n}";

    assert_eq!(faults(text), ["5:2: definition.States: is missing: write the states of the machine here, by name"]);
}

#[test]
fn a_file_that_is_no_object_is_refused() {
    assert_eq!(faults(""), ["must be an object, not null"]);
    assert_eq!(faults("- a"), ["1:1: must be an object, not an array"]);
    assert!(faults("a: b: c")[0].starts_with("1:"));
    assert!(faults(&format!("name: {}", "x".repeat(2_000_000)))[0].contains("bytes"));
}

#[test]
fn every_header_field_that_is_needed_is_asked_for() {
    let told = faults("{}");

    let named: Vec<&str> = told.iter().filter_map(|fault| fault.split(": ").nth(1)).collect();
    assert_eq!(named, ["name", "version", "endpoint", "definition"]);
}

#[test]
fn faults_of_a_task_are_named() {
    for (fields, path, reason) in [
        (json!({"Next": "T"}), "End", "excludes `Next`"),
        (json!({"End": "yes"}), "End", "must be true or false"),
        (json!({"Resource": "approval:"}), "Resource", "after `approval:`"),
        (json!({"Resource": "blueprint:x", "Requirements": {"gpu": true}}), "Requirements", "only a `skill:` has them"),
        (json!({"TimeoutSeconds": 10, "HeartbeatSeconds": 10}), "HeartbeatSeconds", "less than `TimeoutSeconds`"),
        (json!({"TimeoutSeconds": 10, "TimeoutSecondsPath": "$.t"}), "TimeoutSecondsPath", "excludes `TimeoutSeconds`"),
        (json!({"TimeoutSecondsPath": "$.t[*]"}), "TimeoutSecondsPath", "several places"),
        (json!({"InputPath": "x"}), "InputPath", "begins with `$`"),
        (json!({"InputPath": 1}), "InputPath", "must be text"),
        (json!({"ResultPath": "$$.x"}), "ResultPath", "cannot be written to"),
        (json!({"Parameters": "x"}), "Parameters", "must be an object"),
        (json!({"Parameters": {"a": [{"b.$": "x"}]}}), "Parameters.a[0]['b.$']", "neither a path"),
        (json!({"ResultSelector": {"a.$": "$$.Stat.Name"}}), "ResultSelector['a.$']", "the context has only"),
        (json!({"Requirements": {"gpu": 1}}), "Requirements.gpu", "true or false"),
        (json!({"Requirements": {"labels": "a"}}), "Requirements.labels", "an array of text"),
        (json!({"Requirements": {"vram_gb": "16"}}), "Requirements.vram_gb", "must be a number"),
        (json!({"Requirements": {"vram_gb": -1}}), "Requirements.vram_gb", "less than 0"),
        (json!({"Requirements": {"label": ["a"]}}), "Requirements.label", "did you mean `labels`?"),
        (json!({"Retry": {}}), "Retry", "must be an array"),
        (json!({"Retry": [{}]}), "Retry[0].ErrorEquals", "is missing"),
        (json!({"Retry": [{"ErrorEquals": []}]}), "Retry[0].ErrorEquals", "must not be empty"),
        (json!({"Retry": [{"ErrorEquals": ["A"], "BackoffRate": 0.5}]}), "Retry[0].BackoffRate", "from 1.0 up"),
        (json!({"Retry": [{"ErrorEquals": ["A"], "MaxAttempts": -1}]}), "Retry[0].MaxAttempts", "from 0 to"),
        (json!({"Retry": [{"ErrorEquals": ["A"], "MaxDelaySeconds": 1}]}), "Retry[0].MaxDelaySeconds", "greater than"),
        (json!({"Retry": [{"ErrorEquals": ["A"], "JitterStrategy": "HALF"}]}), "Retry[0].JitterStrategy", "`FULL`"),
        (json!({"Retry": [{"ErrorEquals": ["A"], "Next": "T"}]}), "Retry[0].Next", "unknown field"),
        (json!({"Catch": [{"ErrorEquals": ["A"]}]}), "Catch[0].Next", "is missing"),
        (json!({"Catch": [{"ErrorEquals": ["A"], "Next": "U"}]}), "Catch[0].Next", "there is no state `U`"),
        (
            json!({"Catch": [{"ErrorEquals": ["A"], "Next": "T", "ResultPath": "x"}]}),
            "Catch[0].ResultPath",
            "written to",
        ),
        (json!({"Assign": 1}), "Assign", "must be an object"),
        (json!({"Assign": {"states": 1}}), "Assign.states", "keeps that name"),
        (json!({"Assign": {"a-b.$": "$"}}), "Assign['a-b.$']", "letters, digits"),
        (json!({"Parameters": {"a.$": "$who"}}), "Parameters['a.$']", "assigns `$who`"),
        (json!({"Assign": {"whom": 1}, "InputPath": "$who.x"}), "InputPath", "did you mean `whom`?"),
        (json!({"ResultPath": "$who"}), "ResultPath", "cannot be written to"),
        (json!({"Arguments": {}}), "Arguments", "belongs to JSONata"),
        (json!({"QueryLanguage": "JSONat"}), "QueryLanguage", "`JSONPath` or `JSONata`"),
        (json!({"Credentials": {}}), "Credentials", "not supported"),
        (json!({"Comment": 1}), "Comment", "must be text"),
    ] {
        let told = faults_of(&task_with(&fields));
        assert_eq!(told.len(), 1, "{fields}: {told:#?}");
        assert!(told[0].starts_with(&format!("definition.States.T.{path}: ")), "{fields}: {told:#?}");
        assert!(told[0].contains(reason), "{fields}: {told:#?}");
    }
}

#[test]
fn faults_of_other_states_are_named() {
    for (state, path, reason) in [
        (json!({"Type": "Parallel", "Branches": [], "End": true}), ".Branches", "must not be empty"),
        (json!({"Type": "Parallel", "End": true}), ".Branches", "is missing"),
        (json!({"Type": "Map", "End": true}), ".ItemProcessor", "is missing"),
        (json!({"type": "Pass"}), ".Type", "is missing"),
        (json!({"Type": "Pass"}), ".Next", "is missing"),
        (json!({"Type": "Succeed", "Next": "S"}), ".Next", "unknown field"),
        (json!({"Type": "Succeed", "ResultPath": "$"}), ".ResultPath", "unknown field"),
        (json!({"Type": "Fail", "InputPath": "$"}), ".InputPath", "unknown field"),
        (json!({"Type": "Fail", "Error": "E", "ErrorPath": "$.e"}), ".ErrorPath", "excludes `Error`"),
        (json!({"Type": "Fail", "CausePath": "States.Format('{}')"}), ".CausePath", "1 places"),
        (json!({"Type": "Wait", "End": true}), "", "how long it waits"),
        (
            json!({"Type": "Wait", "Seconds": 1, "Timestamp": "2030-01-01T00:00:00Z", "End": true}),
            ".Timestamp",
            "excludes",
        ),
        (json!({"Type": "Wait", "Seconds": -1, "End": true}), ".Seconds", "whole number"),
        (json!({"Type": "Wait", "Timestamp": "tomorrow", "End": true}), ".Timestamp", "must be like"),
        (json!({"Type": "Choice"}), ".Choices", "is missing"),
        (json!({"Type": "Choice", "Choices": []}), ".Choices", "must not be empty"),
        (json!(7), "", "must be an object"),
    ] {
        let told = faults_of(&json!({"S": state}));
        let expected = format!("definition.States.S{path}: ");
        assert!(told.iter().any(|fault| fault.starts_with(&expected) && fault.contains(reason)), "{state}: {told:#?}");
    }
}

#[test]
fn faults_of_rules_are_named() {
    for (rule, path, reason) in [
        (json!({"Variable": "$.x", "Next": "E"}), "", "compares nothing"),
        (json!({"IsNull": true, "Next": "E"}), ".Variable", "is missing"),
        (json!({"Variable": "$.x", "IsNull": true}), ".Next", "is missing"),
        (json!({"Variable": "$.x", "IsNull": 1, "Next": "E"}), ".IsNull", "true or false"),
        (json!({"Variable": "$.x", "StringEquals": 1, "Next": "E"}), ".StringEquals", "must be text"),
        (json!({"Variable": "$.x", "NumericEquals": "1", "Next": "E"}), ".NumericEquals", "must be a number"),
        (json!({"Variable": "$.x", "TimestampEquals": "1", "Next": "E"}), ".TimestampEquals", "an instant"),
        (json!({"Variable": "$.x", "StringEqualsPath": "y", "Next": "E"}), ".StringEqualsPath", "begins with `$`"),
        (json!({"Variable": "$.x", "StringMatches": "a\\b", "Next": "E"}), ".StringMatches", "backslash"),
        (json!({"Variable": "$.x", "IsNull": true, "IsString": true, "Next": "E"}), ".IsString", "excludes `IsNull`"),
        (json!({"Variable": "$.x", "StringEqual": "a", "Next": "E"}), ".StringEqual", "did you mean `StringEquals`?"),
        (json!({"And": [], "Next": "E"}), ".And", "must not be empty"),
        (json!({"Not": {"Variable": "$.x", "IsNull": true, "Next": "E"}, "Next": "E"}), ".Not.Next", "outermost"),
        (json!({"Or": [{"Variable": "x", "IsNull": true}], "Next": "E"}), ".Or[0].Variable", "begins with `$`"),
        (
            json!({"And": [{"Variable": "$.x", "IsNull": true}], "Variable": "$.x", "Next": "E"}),
            ".Variable",
            "excludes `And`",
        ),
    ] {
        let states = json!({"C": {"Type": "Choice", "Choices": [rule], "Default": "E"}, "E": {"Type": "Succeed"}});
        let told = faults_of(&states);
        let expected = format!("definition.States.C.Choices[0]{path}: ");
        assert!(told.iter().any(|fault| fault.starts_with(&expected) && fault.contains(reason)), "{rule}: {told:#?}");
    }
}

#[test]
fn states_that_are_never_reached_or_never_end_are_faults() {
    let told = faults_of(&json!({
        "A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsNull": true, "Next": "B"}], "Default": "End"},
        "B": {"Type": "Wait", "Seconds": 1, "Next": "C"},
        "C": {"Type": "Pass", "Next": "B"},
        "Lost": {"Type": "Pass", "Next": "End"},
        "End": {"Type": "Succeed"}
    }));

    assert_eq!(
        told,
        [
            "definition.States.B: no path leads from here to an end of the machine",
            "definition.States.C: no path leads from here to an end of the machine",
            "definition.States.Lost: no path leads here from the first state, `A`",
        ]
    );
}

#[test]
fn a_machine_wide_field_that_is_not_supported_is_refused() {
    let machine = |fields: &str| {
        format!(
            "{{name: f, version: '1', endpoint: /f, definition: {{{fields}, StartAt: S, States: {{S: {{Type: Succeed}}}}}}}}"
        )
    };

    assert!(faults(&machine("Version: '1.0', QueryLanguage: JSONPath, Comment: c")).is_empty());
    assert!(faults(&machine("Version: '2.0'"))[0].contains("must be `1.0`"));
    assert!(faults(&machine("QueryLanguage: XPath"))[0].contains("`JSONPath` or `JSONata`"));
    assert!(faults(&machine("TimeoutSeconds: 0"))[0].contains("from 1 to"));
}

#[test]
fn a_schema_or_default_that_cannot_work_is_a_fault() {
    let with = |header: &str| {
        faults(&format!(
            "{{name: f, version: '1', endpoint: /f, {header}, definition: {{StartAt: S, States: {{S: {{Type: Succeed}}}}}}}}"
        ))
    };
    let n =
        "input: {type: object, additionalProperties: false, required: [m], properties: {n: {type: integer}, m: {}}}";

    assert!(with("input: {type: string}")[0].contains("type: object"));
    assert!(with("input: {type: object, properties: {n: {minimum: x}}}")[0].contains("input.properties.n.minimum"));
    assert!(with("input: {type: object, properties: {n: {$ref: 'http://localhost/x'}}}")[0].contains("no usable"));
    assert!(with("input: {type: object, properties: {n: {pattern: '('}}}")[0].contains("input"));
    assert!(with(&format!("{n}, defaults: {{n: 1}}")).is_empty());
    assert_eq!(with(&format!("{n}, defaults: {{n: x}}"))[0].split(": ").nth(1), Some("defaults.n"));
    assert!(with(&format!("{n}, defaults: {{k: 1}}"))[0].contains("defaults.k: unknown field"));
}

#[test]
fn blueprints_in_the_documentation_are_sound() {
    let pages = [
        include_str!("../../../../README.md"),
        include_str!("../../../../docs/guides/first-job.md"),
        include_str!("../../../../docs/guides/blueprints.md"),
    ];

    for page in pages {
        let mut found = 0;
        for block in page.split("```yaml\n").skip(1) {
            let text = block.split("```").next().unwrap_or_default();
            if text.contains("\ndefinition:") {
                found += 1;
                assert_eq!(faults(text), [""; 0], "{text}");
            }
        }
        assert!(found > 0, "{page}");
    }
}

const SHIPPED: [&str; 3] = [
    include_str!("../../../../blueprints/echo.yaml"),
    include_str!("../../../../blueprints/sleep.yaml"),
    include_str!("../../../../blueprints/beto_sentiment.yaml"),
];

/// Text that a blueprint file could hold by mistake or on purpose.
fn splinter() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "$",
        "$$",
        "$.a[?(@.b",
        "States.Format('{}",
        "States.ALL",
        "- ",
        ": ",
        "[",
        "{",
        "}",
        "]",
        "&a ",
        "*a",
        "!!x ",
        "'",
        "\"",
        "\\",
        "\n",
        "\t",
        "~",
        "null",
        "Type: Map",
        "Next:",
        "<<: ",
        "? ",
        "| ",
        "> ",
        "# ",
        "---\n",
        "%YAML",
        "\u{feff}",
        "\u{0}",
        "9e999",
        "-",
        "..",
        "[?",
        "States.",
        "Choices",
        "é",
        "🦀",
    ]);
    prop_oneof![known.prop_map(str::to_owned), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_the_reader_panic(text in prop::collection::vec(splinter(), 0..40)) {
        let _ = Blueprint::parse(&text.concat());
    }

    #[test]
    fn no_change_to_a_blueprint_makes_the_reader_panic(
        file in prop::sample::select(SHIPPED.to_vec()),
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        put in splinter(),
    ) {
        let bounds: Vec<usize> = file.char_indices().map(|(at, _)| at).collect();
        let (one, other) = (*cut.0.get(&bounds), *cut.1.get(&bounds));
        // Mostly a small change: a large one leaves nothing that looks like a blueprint.
        let from = one.min(other);
        let to = one.max(other).min(from + one % 12);
        let to = bounds.iter().copied().find(|at| *at >= to).unwrap_or(from);
        let changed = format!("{}{put}{}", &file[..from], &file[to..]);

        if let Ok(blueprint) = Blueprint::parse(&changed) {
            let again = Blueprint::parse(blueprint.canonical());
            prop_assert_eq!(again.map(|again| again.hash().to_owned()), Ok(blueprint.hash().to_owned()));
        }
    }

    #[test]
    fn no_expression_makes_the_reader_panic(text in prop::collection::vec(splinter(), 0..12)) {
        let text = text.concat();
        for start in ["$", "$$", "States.Array(", "States.Format('"] {
            let _ = super::template::Expression::parse(&format!("{start}{text}"));
            let _ = super::path::ReferencePath::parse(&format!("{start}{text}"));
        }
    }
}
