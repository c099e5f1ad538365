//! Stories of variables: where they are assigned, who sees them, and when.

use serde_json::{Value, json};

use super::{
    Blueprint, Next,
    drive::{blueprint, drive, error, facts, failure, no_tasks, ok, output, run, stored},
    resume, start,
};

/// A machine of these states, of which the first comes first.
fn machine(start: &str, states: &Value) -> Blueprint {
    blueprint(&json!({"StartAt": start, "States": states}))
}

fn show(what: &Value) -> Value {
    json!({"Type": "Pass", "Parameters": what, "End": true})
}

#[test]
fn a_variable_outlives_the_data_and_is_stored_with_the_job() {
    let remembering = machine(
        "Work",
        &json!({
            "Work": {
                "Type": "Task", "Resource": "skill:work", "Next": "Rest",
                "Assign": {"total.$": "$.sum", "fixed": {"a": [1]}, "state.$": "$$.State.Name"},
                "ResultSelector": {"nothing": true}
            },
            "Rest": {"Type": "Wait", "Seconds": 1, "Next": "Show"},
            "Show": show(&json!({"total.$": "$total", "a.$": "$fixed.a[0]", "s.$": "States.Format('{}', $state)"}))
        }),
    );

    let last = drive(&remembering, &json!({}), &mut |_| ok(json!({"sum": 7})));

    assert_eq!(output(last), json!({"total": 7, "a": 1, "s": "Work"}));
}

#[test]
fn new_values_take_effect_in_the_next_state() {
    let counting = machine(
        "First",
        &json!({
            "First": {"Type": "Pass", "Assign": {"x": 5}, "Next": "Second"},
            "Second": {
                "Type": "Pass", "Assign": {"x": 42, "old.$": "$x"}, "Parameters": {"seen.$": "$x"}, "ResultPath": "$.second",
                "Next": "Third"
            },
            "Third": {"Type": "Pass", "Parameters": {"x.$": "$x", "old.$": "$old", "seen.$": "$.second.seen"}, "End": true}
        }),
    );

    assert_eq!(output(run(&counting, &json!({}), [])), json!({"x": 42, "old": 5, "seen": 5}));
}

#[test]
fn what_a_dollar_means_in_assign_depends_on_the_state() {
    let seeing = |state: Value| {
        let mut state = state;
        state["Assign"] = json!({"seen.$": "$"});
        state["Next"] = json!("Show");
        let states = json!({"It": state, "Show": show(&json!({"seen.$": "$seen"}))});
        output(drive(&machine("It", &states), &json!({"in": {"n": 1}}), &mut |_| ok(json!("result"))))["seen"].clone()
    };

    let task = json!({"Type": "Task", "Resource": "skill:work", "ResultSelector": {"other": 1}});
    assert_eq!(seeing(task), "result");
    assert_eq!(seeing(json!({"Type": "Wait", "Seconds": 0, "InputPath": "$.in"})), json!({"n": 1}));
    assert_eq!(seeing(json!({"Type": "Wait", "Seconds": 9, "InputPath": "$.in"})), json!({"n": 1}));
    assert_eq!(seeing(json!({"Type": "Pass", "InputPath": "$.in"})), json!({"n": 1}));
    assert_eq!(seeing(json!({"Type": "Pass", "Result": 3, "ResultPath": "$.r"})), json!(3));
    assert_eq!(seeing(json!({"Type": "Pass", "Parameters": {"p.$": "$.in.n"}})), json!({"p": 1}));
    let branch = json!({"StartAt": "B", "States": {"B": {"Type": "Pass", "Result": 4, "End": true}}});
    assert_eq!(seeing(json!({"Type": "Parallel", "Branches": [branch]})), json!([4]));
}

#[test]
fn a_choice_assigns_what_the_rule_that_holds_says() {
    let choosing = machine(
        "Choose",
        &json!({
            "Choose": {
                "Type": "Choice",
                "InputPath": "$.in",
                "Choices": [
                    {"Variable": "$.n", "NumericEquals": 1, "Assign": {"size": "one", "n.$": "$.n"}, "Next": "Show"},
                    {"Variable": "$.n", "NumericEquals": 2, "Next": "Show"}
                ],
                "Assign": {"size": "other", "n": 0},
                "Default": "Show"
            },
            "Show": {"Type": "Choice", "Default": "Unset", "Choices": [
                {"Variable": "$size", "IsPresent": true, "Next": "Tell"}
            ]},
            "Tell": show(&json!({"size.$": "$size", "n.$": "$n"})),
            "Unset": show(&json!({"size": null}))
        }),
    );
    let told = |n: i32| output(run(&choosing, &json!({"in": {"n": n}}), []));

    assert_eq!(told(1), json!({"size": "one", "n": 1}));
    assert_eq!(told(2), json!({"size": null}));
    assert_eq!(told(3), json!({"size": "other", "n": 0}));
}

#[test]
fn a_catcher_assigns_from_the_error_and_the_state_does_not() {
    let catching = machine(
        "Work",
        &json!({
            "Work": {
                "Type": "Task", "Resource": "skill:work", "Next": "Show",
                "Assign": {"ended": "well", "why": "-"},
                "Catch": [{
                    "ErrorEquals": ["States.ALL"], "ResultPath": null, "Next": "Show",
                    "Assign": {"ended": "badly", "why.$": "$.Error"}
                }]
            },
            "Show": show(&json!({"ended.$": "$ended", "why.$": "$why"}))
        }),
    );

    assert_eq!(
        output(run(&catching, &json!({}), [error("Outcome.odd")])),
        json!({"ended": "badly", "why": "Outcome.odd"})
    );
    assert_eq!(output(run(&catching, &json!({}), [ok(json!({}))])), json!({"ended": "well", "why": "-"}));
}

#[test]
fn branches_read_what_is_around_them_and_keep_their_own() {
    let nested = machine(
        "Greet",
        &json!({
            "Greet": {"Type": "Pass", "Assign": {"outer": "hello"}, "Next": "Each"},
            "Each": {
                "Type": "Map", "ItemsPath": "$.items", "Assign": {"outer.$": "$[1]"}, "Next": "Bye",
                "ItemProcessor": {"StartAt": "Begin", "States": {
                    "Begin": {"Type": "Pass", "Assign": {"own.$": "$"}, "Next": "Both"},
                    "Both": {"Type": "Parallel", "Next": "End", "ResultSelector": {"said.$": "$[0]"}, "Branches": [
                        {"StartAt": "Say", "States": {"Say": {
                            "Type": "Wait", "Seconds": 1, "Next": "Say it"
                        }, "Say it": {
                            "Type": "Pass", "Parameters": {"s.$": "States.Format('{} {}', $outer, $own)"}, "OutputPath": "$.s", "End": true
                        }}}
                    ]},
                    "End": {"Type": "Succeed", "OutputPath": "$.said"}
                }}
            },
            "Bye": show(&json!({"all.$": "$", "outer.$": "$outer"}))
        }),
    );

    let last = drive(&nested, &json!({"items": ["Ana", "Bo"]}), &mut no_tasks);

    assert_eq!(output(last), json!({"all": ["hello Ana", "hello Bo"], "outer": "hello Bo"}));
}

#[test]
fn a_failed_attempt_assigns_nothing() {
    let retrying = machine(
        "Work",
        &json!({
            "Work": {
                "Type": "Task", "Resource": "skill:work", "Assign": {"x.$": "$.x"}, "End": true,
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Show"}]
            },
            "Show": {"Type": "Choice", "Choices": [{"Variable": "$x", "IsPresent": true, "Next": "Odd"}], "Default": "Good"},
            "Odd": {"Type": "Fail"},
            "Good": {"Type": "Succeed"}
        }),
    );

    let caught = run(&retrying, &json!({}), [ok(json!({"y": 1}))]);

    assert_eq!(output(caught)["Error"], "States.ParameterPathFailure");
}

#[test]
fn a_variable_without_a_value_is_found_nowhere() {
    let early = machine(
        "Show",
        &json!({
            "Show": {"Type": "Pass", "Parameters": {"x.$": "$x"}, "Next": "Set"},
            "Set": {"Type": "Pass", "Assign": {"x": 1}, "End": true}
        }),
    );

    assert_eq!(failure(&run(&early, &json!({}), [])).0, "States.ParameterPathFailure");
}

#[test]
fn variables_have_a_limit() {
    let growing = machine(
        "Set",
        &json!({
            "Set": {"Type": "Pass", "Assign": {"x.$": "$.text"}, "Next": "Again"},
            "Again": {"Type": "Pass", "Assign": {"y.$": "$.text"}, "End": true}
        }),
    );
    let of = |length: usize| json!({"text": "x".repeat(length)});

    assert!(matches!(run(&growing, &of(5_000_000), []).next, Next::Succeed { .. }));
    assert_eq!(failure(&run(&growing, &of(6_000_000), [])).0, "States.DataLimitExceeded");
}

#[test]
fn a_job_that_has_ended_keeps_no_variables() {
    let setting = machine("Set", &json!({"Set": {"Type": "Pass", "Assign": {"x": 1}, "End": true}}));

    let step = start(&setting, &facts(&json!({})));

    assert!(!serde_json::to_string(&step.execution).expect("a text").contains("variables"));
}

#[test]
fn a_job_that_failed_still_knows_its_variables_when_it_is_tried_again() {
    let failing = machine(
        "Set",
        &json!({
            "Set": {"Type": "Pass", "Assign": {"x": 1}, "Next": "Work"},
            "Work": {
                "Type": "Task", "Resource": "skill:work", "Parameters": {"x.$": "$x"}, "Retry": [], "End": true
            }
        }),
    );
    let input = json!({});
    let failed = run(&failing, &input, [error("Outcome.odd")]);

    let again = super::retry(&failing, stored(&failed.execution), &facts(&input));
    let last = resume(&failing, stored(&again.execution), ok(json!(1)), &facts(&input));

    assert!(matches!(&again.next, Next::Task(order) if order.params == json!({"x": 1})));
    assert_eq!(output(last), json!(1));
}
