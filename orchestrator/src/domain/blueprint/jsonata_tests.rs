//! Stories of states whose query language is JSONata.

use serde_json::{Value, json};

use super::{
    Blueprint, Next,
    drive::{blueprint, drive, error, facts, failure, no_tasks, ok, order, output, pause, run},
    parse_tests::faults_of,
    start,
};

/// A machine that speaks JSONata.
fn machine(start: &str, states: &Value) -> Blueprint {
    blueprint(&json!({"QueryLanguage": "JSONata", "StartAt": start, "States": states}))
}

/// A machine of one task with these fields on top, and `Rescue` behind it.
fn task(fields: &Value) -> Blueprint {
    let mut state = json!({"Type": "Task", "Resource": "skill:work", "Next": "After"});
    state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let mut states = json!({"Work": state, "After": {"Type": "Succeed"}});
    if fields.to_string().contains("Rescue") {
        states["Rescue"] = json!({"Type": "Pass", "End": true});
    }
    machine("Work", &states)
}

/// A Map of one Pass over `{% $states.input.items %}`, with these fields on top.
fn map(fields: &Value) -> Blueprint {
    let mut state = json!({
        "Type": "Map", "Items": "{% $states.input.items %}", "End": true,
        "ItemProcessor": {"StartAt": "Same", "States": {"Same": {"Type": "Pass", "End": true}}}
    });
    state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    machine("Each", &json!({"Each": state}))
}

#[test]
fn a_task_gets_its_arguments_and_its_output_replaces_the_data() {
    let working = task(&json!({
        "Arguments": {"id": "{% $states.input.order.id %}", "job": "{% $states.context.Execution.Id %}", "fixed": [1, "two"]},
        "Output": {"sum": "{% $sum($states.result.lines.price) %}", "was": "{% $states.input.order %}"},
        "TimeoutSeconds": "{% $states.input.limit * 2 %}",
        "HeartbeatSeconds": 5
    }));
    let input = json!({"order": {"id": 7}, "limit": 30});

    let first = run(&working, &input, []);
    assert_eq!(order(&first).params, json!({"id": 7, "job": "job-1", "fixed": [1, "two"]}));
    assert_eq!((order(&first).timeout_seconds, order(&first).heartbeat_seconds), (Some(60), Some(5)));
    let last = run(&working, &input, [ok(json!({"lines": [{"price": 2}, {"price": 3.5}]}))]);
    assert_eq!(output(last), json!({"sum": 5.5, "was": {"id": 7}}));
}

#[test]
fn without_arguments_and_output_the_input_goes_in_and_the_result_comes_out() {
    let plain = task(&json!({}));

    assert_eq!(order(&run(&plain, &json!({"x": 1}), [])).params, json!({"x": 1}));
    assert_eq!(output(run(&plain, &json!({"x": 1}), [ok(json!([2]))])), json!([2]));
}

#[test]
fn a_catcher_sees_the_input_and_the_error() {
    let catching = task(&json!({
        "Catch": [{
            "ErrorEquals": ["Outcome.odd"], "Next": "Rescue",
            "Assign": {"why": "{% $states.errorOutput.Error %}"},
            "Output": "{% $merge([$states.input, {'error': $states.errorOutput}]) %}"
        }, {"ErrorEquals": ["States.ALL"], "Next": "Rescue"}]
    }));
    let told = |name: &str| output(run(&catching, &json!({"x": 1}), [error(name)]));

    assert_eq!(told("Outcome.odd"), json!({"x": 1, "error": {"Error": "Outcome.odd", "Cause": "it broke"}}));
    assert_eq!(told("Other"), json!({"Error": "Other", "Cause": "it broke"}));
}

#[test]
fn an_expression_that_fails_can_be_caught_and_the_error_is_not_taken_for_the_result() {
    let catching = task(&json!({
        "Output": "{% $states.result.n + 1 %}",
        "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Output": "{% $states.errorOutput.Error %}", "Next": "Rescue"}]
    }));

    assert_eq!(output(run(&catching, &json!({}), [ok(json!({"n": 1}))])), json!(2));
    assert_eq!(output(run(&catching, &json!({}), [ok(json!({"n": "one"}))])), "States.QueryEvaluationError");
}

#[test]
fn what_gives_nothing_or_the_wrong_kind_is_an_error() {
    for fields in [
        json!({"Arguments": {"a": "{% $states.input.nothing %}"}}),
        json!({"Arguments": "{% 5 + 'x' %}"}),
        json!({"TimeoutSeconds": "{% 'soon' %}"}),
        json!({"TimeoutSeconds": "{% -1 %}"}),
        json!({"HeartbeatSeconds": "{% 0 %}"}),
    ] {
        assert_eq!(failure(&run(&task(&fields), &json!({}), [])).0, "States.QueryEvaluationError", "{fields}");
    }
}

#[test]
fn variables_are_assigned_together_and_read_in_the_next_state() {
    let counting = machine(
        "First",
        &json!({
            "First": {"Type": "Pass", "Assign": {"x": 5, "list": ["{% 1 + 1 %}", 3]}, "Next": "Second"},
            "Second": {
                "Type": "Pass", "Assign": {"x": 42, "old": "{% $x %}"}, "Output": {"seen": "{% $x %}"}, "Next": "Third"
            },
            "Third": {"Type": "Succeed", "Output": "{% {'x': $x, 'old': $old, 'seen': $states.input.seen, 'list': $list} %}"}
        }),
    );

    assert_eq!(output(run(&counting, &json!({}), [])), json!({"x": 42, "old": 5, "seen": 5, "list": [2, 3]}));
}

#[test]
fn a_choice_takes_the_first_condition_that_is_true() {
    let choosing = machine(
        "Choose",
        &json!({
            "Choose": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": false, "Next": "End"},
                    {"Condition": "{% $states.input.n > 10 %}", "Assign": {"size": "big"}, "Output": {"n": "{% $states.input.n %}"}, "Next": "End"},
                    {"Condition": "{% $states.input.n > 5 %}", "Next": "Through"}
                ],
                "Default": "End", "Assign": {"size": "small"}, "Output": "none"
            },
            "End": {"Type": "Succeed", "Output": "{% [$size, $states.input] %}"},
            "Through": {"Type": "Succeed"}
        }),
    );
    let told = |input: Value| output(run(&choosing, &input, []));

    assert_eq!(told(json!({"n": 11})), json!(["big", {"n": 11}]));
    assert_eq!(told(json!({"n": 6, "kept": 1})), json!({"n": 6, "kept": 1}));
    assert_eq!(told(json!({"n": 1})), json!(["small", "none"]));
    let odd = machine(
        "C",
        &json!({"C": {"Type": "Choice", "Choices": [{"Condition": "{% 'yes' %}", "Next": "E"}]}, "E": {"Type": "Succeed"}}),
    );
    assert_eq!(failure(&run(&odd, &json!({}), [])).0, "States.QueryEvaluationError");
}

#[test]
fn a_wait_and_a_fail_compute_what_they_need() {
    let waiting = |fields: Value| {
        let mut state = json!({"Type": "Wait", "Output": {"waited": true}, "End": true});
        state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        run(&machine("W", &json!({"W": state})), &json!({"s": 3, "t": "2026-01-02T03:04:06.678Z"}), [])
    };
    assert_eq!(pause(&waiting(json!({"Seconds": "{% $states.input.s + 1 %}"}))), (4000, None));
    assert_eq!(pause(&waiting(json!({"Timestamp": "{% $states.input.t %}"}))), (1000, None));
    assert_eq!(pause(&waiting(json!({"Seconds": 2}))), (2000, None));
    assert_eq!(output(waiting(json!({"Seconds": 0}))), json!({"waited": true}));
    assert_eq!(failure(&waiting(json!({"Timestamp": "{% 'x' %}"}))).0, "States.QueryEvaluationError");

    let failing = json!({"Type": "Fail", "Error": "{% 'Outcome.' & $states.input.s %}", "Cause": "plain"});
    assert_eq!(
        failure(&run(&machine("F", &json!({"F": failing})), &json!({"s": 3}), [])),
        ("Outcome.3", "plain", false)
    );
}

#[test]
fn a_map_selects_and_batches_by_expressions() {
    let input = json!({"items": [1, 2, 3], "k": 7, "n": 2});
    let told = |fields: Value| output(drive(&map(&fields), &input, &mut no_tasks));

    assert_eq!(told(json!({})), json!([1, 2, 3]));
    assert_eq!(told(json!({"Items": ["{% $states.input.k %}", 8]})), json!([7, 8]));
    assert_eq!(
        told(json!({"ItemSelector": {
            "v": "{% $states.context.Map.Item.Value %}", "i": "{% $states.context.Map.Item.Index %}", "k": "{% $states.input.k %}"
        }})),
        json!([{"v": 1, "i": 0, "k": 7}, {"v": 2, "i": 1, "k": 7}, {"v": 3, "i": 2, "k": 7}])
    );
    assert_eq!(
        told(
            json!({"ItemBatcher": {"MaxItemsPerBatch": "{% $states.input.n %}", "BatchInput": "{% $states.input.k %}"}})
        ),
        json!([{"BatchInput": 7, "Items": [1, 2]}, {"BatchInput": 7, "Items": [3]}])
    );
    assert_eq!(told(json!({"Output": "{% $sum($states.result) %}"})), json!(6));
    let limited = start(&map(&json!({"MaxConcurrency": "{% $states.input.n %}"})), &facts(&input));
    assert!(matches!(&limited.next, Next::Fan(order) if order.max_concurrency == Some(2)));
    let odd = start(&map(&json!({"Items": "{% $states.input.k %}"})), &facts(&input));
    assert_eq!(failure(&odd).0, "States.QueryEvaluationError");
}

#[test]
fn the_states_of_an_iteration_see_their_item() {
    let asking = map(&json!({
        "ItemSelector": {"plain": true},
        "ItemProcessor": {"StartAt": "Wait", "States": {
            "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Ask"},
            "Ask": {"Type": "Pass", "Output": "{% $states.context.Map.Item.Value & '!' %}", "End": true}
        }}
    }));

    assert_eq!(output(drive(&asking, &json!({"items": ["a", "b"]}), &mut no_tasks)), json!(["a!", "b!"]));
}

#[test]
fn branches_get_the_arguments_and_their_variables_are_their_own() {
    let both = machine(
        "Set",
        &json!({
            "Set": {"Type": "Pass", "Assign": {"outer": "hello"}, "Next": "Both"},
            "Both": {
                "Type": "Parallel", "Arguments": {"n": "{% $states.input.x + 1 %}"}, "End": true,
                "Output": {"all": "{% $states.result %}", "x": "{% $states.input.x %}"},
                "Branches": [
                    {"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"mine": 1}, "Next": "A2"},
                        "A2": {"Type": "Succeed", "Output": "{% [$outer, $mine, $states.input.n] %}"}}},
                    {"StartAt": "B", "States": {"B": {"Type": "Succeed", "Output": "{% $exists($outer) ? false : true %}"}}}
                ]
            }
        }),
    );

    let last = drive(&both, &json!({"x": 1}), &mut no_tasks);

    assert_eq!(output(last), json!({"all": [["hello", 1, 2], false], "x": 1}));
}

#[test]
fn one_state_may_speak_another_language_and_its_branches_speak_the_machines() {
    let mixed = blueprint(&json!({"StartAt": "Path", "States": {
        "Path": {"Type": "Pass", "Parameters": {"total.$": "$.sum"}, "Assign": {"kept.$": "$.total"}, "Next": "Ata"},
        "Ata": {
            "Type": "Map", "QueryLanguage": "JSONata", "Items": "{% [$states.input.total, $kept] %}", "End": true,
            "ItemProcessor": {"StartAt": "In", "States": {"In": {"Type": "Pass", "InputPath": "$", "End": true}}}
        }
    }}));

    assert_eq!(output(drive(&mixed, &json!({"sum": 4}), &mut no_tasks)), json!([4, 4]));
}

#[test]
fn thousands_of_items_convert_the_input_once() {
    let large = json!({"items": (0..2_000).collect::<Vec<_>>(), "text": "x".repeat(1_000_000)});
    let selecting = map(&json!({"ItemSelector": {
        "n": "{% $states.context.Map.Item.Value + $length($states.input.text) %}"
    }}));

    let step = start(&selecting, &facts(&large));

    assert!(matches!(&step.next, Next::Fan(order) if order.branches[1_999].input == json!({"n": 1_001_999})));
}

#[test]
fn fields_of_the_other_language_are_refused_by_name() {
    for (state, path) in [
        (json!({"Type": "Pass", "InputPath": "$", "End": true}), "InputPath"),
        (json!({"Type": "Pass", "Result": 1, "End": true}), "Result"),
        (json!({"Type": "Task", "Resource": "skill:a", "Parameters": {}, "End": true}), "Parameters"),
        (
            json!({"Type": "Task", "Resource": "skill:a", "TimeoutSecondsPath": "$.t", "End": true}),
            "TimeoutSecondsPath",
        ),
        (json!({"Type": "Task", "Resource": "skill:a", "ResultSelector": {}, "End": true}), "ResultSelector"),
        (json!({"Type": "Fail", "ErrorPath": "$.e"}), "ErrorPath"),
        (json!({"Type": "Wait", "Seconds": 1, "SecondsPath": "$.s", "End": true}), "SecondsPath"),
    ] {
        let mut speaking = state;
        speaking["QueryLanguage"] = json!("JSONata");
        let told = faults_of(&json!({"S": speaking}));
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(told[0].starts_with(&format!("definition.States.S.{path}: ")), "{told:#?}");
        assert!(told[0].contains("belongs to JSONPath"), "{told:#?}");
    }
}

#[test]
fn faults_of_expressions_are_named() {
    for (state, path, reason) in [
        (json!({"Type": "Pass", "Output": {"a": ["{% 1 + %}"]}, "End": true}), "Output.a[0]", "no JSONata"),
        (json!({"Type": "Pass", "Output": "{% 1", "End": true}), "Output", "end with `%}`"),
        (json!({"Type": "Pass", "Output": ["{% $states.result.a %}"], "End": true}), "Output", "seen only by"),
        (
            json!({"Type": "Wait", "Seconds": 1, "Assign": {"a": "{% $states.errorOutput %}"}, "End": true}),
            "Assign",
            "a catcher",
        ),
        (
            json!({"Type": "Pass", "Output": "{% $states.context.Task.Token %}", "End": true}),
            "Output",
            "no task tokens",
        ),
        (json!({"Type": "Pass", "Assign": "{% {} %}", "End": true}), "Assign", "must be an object"),
        (json!({"Type": "Pass", "Output": {"a": "{% $nobody.x %}"}, "End": true}), "Output.a", "assigns `$nobody`"),
        (json!({"Type": "Wait", "Seconds": "{% $nobody %}", "End": true}), "Seconds", "assigns `$nobody`"),
        (json!({"Type": "Task", "Resource": "skill:a", "Arguments": 5, "End": true}), "Arguments", "must be an object"),
        (json!({"Type": "Wait", "Seconds": "5", "End": true}), "Seconds", "whole number"),
        (json!({"Type": "Wait", "End": true}), "", "one of Seconds, Timestamp"),
        (json!({"Type": "Choice", "Choices": [{"Next": "S"}]}), "Choices[0].Condition", "is missing"),
        (
            json!({"Type": "Choice", "Choices": [{"Condition": "yes", "Next": "S"}]}),
            "Choices[0].Condition",
            "true, false",
        ),
        (
            json!({"Type": "Choice", "Choices": [{"Variable": "$.x", "Condition": true, "Next": "S"}]}),
            "Choices[0].Variable",
            "JSONPath",
        ),
    ] {
        let mut speaking = state;
        speaking["QueryLanguage"] = json!("JSONata");
        let told = faults_of(&json!({"S": speaking}));
        let expected =
            if path.is_empty() { "definition.States.S: ".to_owned() } else { format!("definition.States.S.{path}: ") };
        assert!(told.iter().any(|fault| fault.starts_with(&expected) && fault.contains(reason)), "{told:#?}");
    }
}
