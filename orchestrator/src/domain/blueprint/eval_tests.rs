//! Stories of machines that run, wait, fail and end.

use relevo_shared::problem::Detail;
use serde_json::{Value, json};

use super::{
    Blueprint, Event, Facts, Next, Requirements,
    drive::{NOW_MS, blueprint, error, facts, failure, ok, order, output, pause, run, task},
    resume, start,
};

#[test]
fn a_task_gets_the_input_and_its_result_is_the_output() {
    let blueprint =
        task(&json!({"TimeoutSeconds": 60, "HeartbeatSeconds": 20, "Requirements": {"gpu": true, "vram_gb": 16}}));
    let input = json!({"x": 1});

    let first = start(&blueprint, &facts(&input));

    assert_eq!(first.entered, ["Work"]);
    assert_eq!(first.execution.state(), "Work");
    let order = order(&first);
    assert_eq!((order.state.as_str(), order.resource.to_string().as_str()), ("Work", "skill:work"));
    assert_eq!((&order.params, order.attempt), (&input, 1));
    assert_eq!((order.timeout_seconds, order.heartbeat_seconds), (Some(60), Some(20)));
    let wanted: Requirements = serde_json::from_value(json!({"gpu": true, "vram_gb": 16.0})).expect("requirements");
    assert_eq!(order.requirements, wanted);

    let last = resume(&blueprint, first.execution, ok(json!({"y": 2})), &facts(&input));

    assert_eq!(last.entered, ["After"]);
    assert_eq!(output(last), json!({"y": 2}));
}

#[test]
fn an_execution_is_small_while_its_data_is_the_jobs_input() {
    let input = json!({"long": "x".repeat(10_000)});

    let step = start(&task(&json!({})), &facts(&input));

    let text = serde_json::to_string(&step.execution).expect("it has a text");
    assert_eq!(text, format!(r#"{{"state":"Work","entered_ms":{NOW_MS}}}"#));
}

#[test]
fn data_that_is_null_is_not_taken_for_the_jobs_input() {
    let waiting = blueprint(&json!({"StartAt": "P", "States": {
        "P": {"Type": "Pass", "Result": null, "Next": "W"}, "W": {"Type": "Wait", "Seconds": 1, "End": true}
    }}));

    assert_eq!(output(run(&waiting, &json!({"x": 1}), [Event::TimerFired])), Value::Null);
}

#[test]
fn data_flows_through_every_field() {
    let blueprint = task(&json!({
        "InputPath": "$.order",
        "Parameters": {"id.$": "$.id", "fixed": [1], "job.$": "$$.Execution.Id", "who.$": "States.Format('{}!', $.who)"},
        "ResultSelector": {"sum.$": "$.total", "name.$": "$$.State.Name"},
        "ResultPath": "$.result",
        "OutputPath": "$.result"
    }));
    let input = json!({"order": {"id": 7, "who": "Ana"}, "kept": true});

    let first = run(&blueprint, &input, []);
    assert_eq!(order(&first).params, json!({"id": 7, "fixed": [1], "job": "job-1", "who": "Ana!"}));

    let last = run(&blueprint, &input, [ok(json!({"total": 3, "noise": 0}))]);
    assert_eq!(output(last), json!({"sum": 3, "name": "Work"}));
}

#[test]
fn a_result_is_put_beside_the_input_or_dropped() {
    let input = json!({"x": 1});
    let run_with = |path: Value| output(run(&task(&json!({"ResultPath": path})), &input, [ok(json!(2))]));

    assert_eq!(run_with(json!("$.r.s")), json!({"x": 1, "r": {"s": 2}}));
    assert_eq!(run_with(Value::Null), json!({"x": 1}));
    assert_eq!(run_with(json!("$")), json!(2));
}

#[test]
fn null_as_a_path_is_an_empty_object() {
    let nothing = task(&json!({"InputPath": null, "OutputPath": null}));

    assert_eq!(order(&run(&nothing, &json!({"x": 1}), [])).params, json!({}));
    assert_eq!(output(run(&nothing, &json!({"x": 1}), [ok(json!(2))])), json!({}));
}

#[test]
fn a_retrier_waits_longer_each_time_and_then_gives_up() {
    let retrying = task(&json!({"Retry": [
        {"ErrorEquals": ["Worker.Permanent"], "MaxAttempts": 0},
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 2}
    ]}));
    let input = json!({});
    let again = || [error("Worker.Transient"), Event::TimerFired];

    let first = run(&retrying, &input, [error("Worker.Transient")]);
    assert_eq!(pause(&first), (2000, Some("Worker.Transient")));
    assert!(first.entered.is_empty());
    assert_eq!(first.execution.retries(), 1);
    assert_eq!(order(&run(&retrying, &input, again())).attempt, 2);
    let second = run(&retrying, &input, again().into_iter().chain([error("Worker.Transient")]));
    assert_eq!(pause(&second), (6000, Some("Worker.Transient")));
    let last = run(&retrying, &input, again().into_iter().chain(again()).chain([error("Worker.Transient")]));
    assert_eq!(failure(&last), ("Worker.Transient", "it broke", true));
    let never = run(&retrying, &input, [error("Worker.Permanent")]);
    assert_eq!(failure(&never), ("Worker.Permanent", "it broke", true));
}

#[test]
fn every_retrier_counts_for_itself() {
    let retrying = task(&json!({"Retry": [
        {"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["B"], "MaxAttempts": 1}
    ]}));

    let both = run(&retrying, &json!({}), [error("A"), Event::TimerFired, error("B"), Event::TimerFired]);
    assert_eq!(order(&both).attempt, 3);
    let twice = run(&retrying, &json!({}), [error("A"), Event::TimerFired, error("A")]);
    assert_eq!(failure(&twice).0, "A");
}

#[test]
fn a_catcher_goes_on_with_the_error_in_the_data() {
    let catching = |path: Value| {
        task(&json!({"Catch": [
            {"ErrorEquals": ["Other"], "Next": "After"},
            {"ErrorEquals": ["Outcome.rejected"], "ResultPath": path, "Next": "Rescue"}
        ]}))
    };
    let input = json!({"x": 1});
    let told = json!({"Error": "Outcome.rejected", "Cause": "it broke"});

    let beside = run(&catching(json!("$.error")), &input, [error("Outcome.rejected")]);
    assert_eq!(beside.entered, ["Rescue"]);
    assert_eq!(output(beside), json!({"x": 1, "error": told}));
    assert_eq!(output(run(&catching(json!("$")), &input, [error("Outcome.rejected")])), told);
    assert_eq!(output(run(&catching(Value::Null), &input, [error("Outcome.rejected")])), input);
    assert_eq!(failure(&run(&catching(json!("$")), &input, [error("Outcome.odd")])).0, "Outcome.odd");
}

#[test]
fn a_task_without_a_policy_gets_the_default_one() {
    let plain = task(&json!({}));
    let failures = |count: usize| {
        (0..count).flat_map(|_| [error("Worker.Transient"), Event::TimerFired]).take(count * 2 - 1).collect::<Vec<_>>()
    };

    assert_eq!(pause(&run(&plain, &json!({}), failures(1))), (1000, Some("Worker.Transient")));
    assert_eq!(pause(&run(&plain, &json!({}), failures(3))), (4000, Some("Worker.Transient")));
    assert_eq!(failure(&run(&plain, &json!({}), failures(4))), ("Worker.Transient", "it broke", true));
    assert_eq!(failure(&run(&plain, &json!({}), [error("Worker.Permanent")])), ("Worker.Permanent", "it broke", true));
    assert!(!failure(&run(&plain, &json!({}), [error("Worker.InvalidInput")])).2);
    assert!(failure(&run(&plain, &json!({}), [error("States.Timeout")])).2);
}

#[test]
fn an_empty_retry_turns_the_default_policy_off() {
    let stern = task(&json!({"Retry": []}));

    assert_eq!(failure(&run(&stern, &json!({}), [error("Worker.Transient")])), ("Worker.Transient", "it broke", true));
}

#[test]
fn the_details_of_a_workers_error_reach_the_client() {
    let details = vec![Detail::new("text_col", "there is no column `x`; there are a, b")];
    let refused =
        Event::TaskFailed { error: "Worker.InvalidInput".to_owned(), cause: "no".to_owned(), details: details.clone() };

    let step = run(&task(&json!({})), &json!({}), [refused]);

    assert!(
        matches!(step.next, Next::Failed { details: told, state: Some(state), .. } if told == details && state == "Work")
    );
}

#[test]
fn what_cannot_be_evaluated_can_be_caught() {
    let catch = json!([{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Rescue"}]);
    for (field, value, named) in [
        ("Parameters", json!({"a.$": "$.nothing"}), "States.ParameterPathFailure"),
        ("Parameters", json!({"a.$": "States.ArrayGetItem($.list, 9)"}), "States.IntrinsicFailure"),
    ] {
        let step = run(&task(&json!({field: value, "Catch": catch})), &json!({"list": []}), []);
        assert_eq!(output(step)["e"]["Error"], named);
    }
    let misfit = task(&json!({"ResultPath": "$.list[3]", "Catch": catch}));
    let caught = output(run(&misfit, &json!({"list": []}), [ok(json!(1))]));
    assert_eq!(caught["e"]["Error"], "States.ResultPathMatchFailure");
    assert_eq!(caught["list"], json!([]));
}

#[test]
fn a_missing_input_path_ends_the_job_even_under_states_all() {
    let catching =
        task(&json!({"InputPath": "$.nothing", "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Rescue"}]}));

    let step = run(&catching, &json!({}), []);

    assert_eq!(failure(&step), ("States.Runtime", "`$.nothing` finds nothing in the data of state `Work`", false));
}

#[test]
fn limits_can_come_from_the_data() {
    let limited = task(&json!({"TimeoutSecondsPath": "$.t", "HeartbeatSecondsPath": "$.h"}));

    let step = run(&limited, &json!({"t": 90, "h": 9}), []);
    assert_eq!((order(&step).timeout_seconds, order(&step).heartbeat_seconds), (Some(90), Some(9)));
    for bad in [
        json!({"t": 9, "h": 9}),
        json!({"t": 0, "h": 1}),
        json!({"t": "x", "h": 1}),
        json!({"t": 1.5, "h": 1}),
        json!({"h": 1}),
    ] {
        let step = run(&limited, &bad, []);
        assert_eq!(failure(&step).0, "States.Runtime", "{bad}");
    }
}

#[test]
fn a_wait_state_waits_from_now() {
    let waiting = |how: Value| {
        let mut state = json!({"Type": "Wait", "OutputPath": "$.x", "End": true});
        state.as_object_mut().expect("an object").extend(how.as_object().expect("an object").clone());
        blueprint(&json!({"StartAt": "Pause", "States": {"Pause": state}}))
    };
    let input = json!({"x": 1, "s": 3, "t": "2026-01-02T03:04:06.678Z", "past": "2020-01-01T00:00:00Z"});
    for (how, for_ms) in [
        (json!({"Seconds": 5}), 5000),
        (json!({"SecondsPath": "$.s"}), 3000),
        (json!({"Timestamp": "2026-01-02T04:04:15.678+01:00"}), 10_000),
        (json!({"TimestampPath": "$.t"}), 1000),
    ] {
        assert_eq!(pause(&run(&waiting(how.clone()), &input, [])), (for_ms, None), "{how}");
        assert_eq!(output(run(&waiting(how), &input, [Event::TimerFired])), json!(1));
    }
    assert_eq!(output(run(&waiting(json!({"TimestampPath": "$.past"})), &input, [])), json!(1));
    assert_eq!(output(run(&waiting(json!({"Seconds": 0})), &input, [])), json!(1));
    assert_eq!(failure(&run(&waiting(json!({"SecondsPath": "$.t"})), &input, [])).0, "States.Runtime");
    assert_eq!(failure(&run(&waiting(json!({"TimestampPath": "$.s"})), &input, [])).0, "States.Runtime");
}

#[test]
fn a_fail_state_ends_the_job_with_its_words() {
    let failing = |fields: Value| {
        let mut state = json!({"Type": "Fail"});
        state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        run(&blueprint(&json!({"StartAt": "No", "States": {"No": state}})), &json!({"e": "E", "n": 3}), [])
    };

    assert_eq!(failure(&failing(json!({"Error": "Bad", "Cause": "so"}))), ("Bad", "so", false));
    assert_eq!(failure(&failing(json!({}))), ("Failed", "state `No` ended the job", false));
    let computed = failing(json!({"ErrorPath": "$.e", "CausePath": "States.Format('n = {}', $.n)"}));
    assert_eq!(failure(&computed), ("E", "n = 3", false));
    assert_eq!(failure(&failing(json!({"ErrorPath": "$.n"}))).0, "States.Runtime");
}

#[test]
fn a_choice_without_a_match_ends_the_job() {
    let choosing = blueprint(&json!({"StartAt": "C", "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$.x", "NumericGreaterThan": 5, "Next": "Big"}]},
        "Big": {"Type": "Succeed"}
    }}));

    assert_eq!(run(&choosing, &json!({"x": 6}), []).entered, ["C", "Big"]);
    assert_eq!(failure(&run(&choosing, &json!({"x": 5}), [])).0, "States.NoChoiceMatched");
    assert_eq!(failure(&run(&choosing, &json!({}), [])).0, "States.Runtime");
}

#[test]
fn a_machine_that_never_waits_is_ended() {
    let looping = blueprint(&json!({"StartAt": "A", "States": {
        "A": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "B"}], "Default": "P"},
        "P": {"Type": "Pass", "Next": "A"},
        "B": {"Type": "Succeed"}
    }}));

    let step = run(&looping, &json!({}), []);

    assert_eq!(step.entered.len(), 10_000);
    let cause = "the machine entered 10000 states without ever waiting";
    assert_eq!(failure(&step), ("States.Runtime", cause, false));
}

#[test]
fn a_machine_that_doubles_its_data_is_ended() {
    let growing = |parameters: Value| {
        blueprint(&json!({"StartAt": "Grow", "States": {
            "Grow": {"Type": "Pass", "Parameters": parameters, "Next": "C"},
            "C": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": true, "Next": "B"}], "Default": "Grow"},
            "B": {"Type": "Succeed"}
        }}))
    };
    for parameters in [
        json!({"x.$": "States.Format('{}{}', $.x, $.x)"}),
        json!({"x.$": "States.Array($.x, $.x)"}),
        json!({"x": {"l.$": "$.x", "r.$": "$.x"}}),
        json!({"x": {"deeper.$": "$.x"}}),
    ] {
        let step = run(&growing(parameters.clone()), &json!({"x": "seed"}), []);
        assert_eq!(failure(&step).0, "States.DataLimitExceeded", "{parameters}");
    }
}

#[test]
fn an_event_that_is_not_awaited_ends_the_job_with_a_clear_cause() {
    let plain = task(&json!({}));

    let early = run(&plain, &json!({}), [Event::TimerFired]);
    assert_eq!(failure(&early), ("States.Runtime", "state `Work` did not wait for a timer", false));
    let late = run(&plain, &json!({}), [error("Worker.Transient"), ok(json!(1))]);
    assert_eq!(failure(&late).1, "state `Work` did not wait for the end of a task");
    let over = run(&plain, &json!({}), [ok(json!(1)), ok(json!(2))]);
    assert_eq!(failure(&over).0, "States.Runtime");
}

#[test]
fn a_job_with_a_dataset_hands_the_pinned_table_to_the_skill() {
    let blueprint = Blueprint::parse(include_str!("../../../../blueprints/beto_sentiment.yaml")).expect("it is sound");
    let table = json!({"uri": "s3://b/k"});
    let sent = json!({"dataset_id": "courses"}).as_object().expect("an object").clone();
    let input = blueprint.fill(sent).expect("it is sound");

    let with = start(&blueprint, &Facts { dataset: Some(&table), ..facts(&input) });
    assert_eq!(with.entered, ["Has a dataset?", "Pin the table", "Label"]);
    let params = &order(&with).params;
    assert_eq!(
        (&params["source"], &params["dataset_id"], &params["margin"]),
        (&table, &json!("courses"), &json!(0.15))
    );

    let without = start(&blueprint, &facts(&input));
    assert_eq!(without.entered, ["Has a dataset?", "Label"]);
    assert_eq!(order(&without).params, input);
}
