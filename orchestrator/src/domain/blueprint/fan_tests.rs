//! Stories of Parallel and Map states: what each branch gets, and what becomes of what it ends with.

use serde_json::{Value, json};

use super::{
    Blueprint, Event, FanOrder, Next,
    drive::{blueprint, drive, error, facts, failure, no_tasks, ok, order, output, pause, run},
    resume, start,
};

fn fan(step: &super::Step) -> &FanOrder {
    match &step.next {
        Next::Fan(order) => order,
        other => panic!("no fan: {other:?}"),
    }
}

/// A machine of one Map over `$.items`, whose items go through these states, with these fields on top.
fn map(fields: &Value, start: &str, states: &Value) -> Blueprint {
    let mut state = json!({
        "Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": start, "States": states}, "End": true
    });
    state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let mut machine = json!({"Each": state});
    if fields.to_string().contains("Rescue") {
        machine["Rescue"] = json!({"Type": "Pass", "End": true});
    }
    blueprint(&json!({"StartAt": "Each", "States": machine}))
}

/// A Map whose items pass through unchanged.
fn same(fields: &Value) -> Blueprint {
    map(fields, "Same", &json!({"Same": {"Type": "Pass", "End": true}}))
}

/// A Map of one task for each item.
fn working(fields: &Value) -> Blueprint {
    map(fields, "Work", &json!({"Work": {"Type": "Task", "Resource": "skill:work", "Retry": [], "End": true}}))
}

/// What the branches of the fan begin with.
fn inputs(blueprint: &Blueprint, input: &Value) -> Vec<Value> {
    fan(&start(blueprint, &facts(input))).branches.iter().map(|branch| branch.input.clone()).collect()
}

const TWO_BRANCHES: &str = r#"{"StartAt": "Both", "States": {
    "Both": {"Type": "Parallel", "End": true, "Branches": [
        {"StartAt": "One", "States": {"One": {"Type": "Task", "Resource": "skill:one", "Retry": [], "End": true}}},
        {"StartAt": "Rest", "States": {
            "Rest": {"Type": "Wait", "Seconds": 1, "Next": "Two"},
            "Two": {"Type": "Task", "Resource": "skill:two", "Retry": [], "End": true}
        }}
    ]}
}}"#;

/// A Parallel of two branches, with these fields on top.
fn both(fields: &Value) -> Blueprint {
    let mut machine: Value = serde_json::from_str(TWO_BRANCHES).expect("JSON");
    machine["States"]["Both"].as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
    if fields.to_string().contains("Rescue") {
        machine["States"]["Rescue"] = json!({"Type": "Pass", "End": true});
    }
    blueprint(&machine)
}

#[test]
fn every_branch_gets_the_input_and_the_outputs_come_in_the_order_of_the_file() {
    let input = json!({"x": 1});

    let step = start(&both(&json!({})), &facts(&input));
    assert_eq!(step.entered, ["Both"]);
    assert_eq!((fan(&step).max_concurrency, fan(&step).tolerated_failures), (None, 0));
    let mut told = Vec::new();
    let last = drive(&both(&json!({})), &input, &mut |order| {
        told.push((order.state.clone(), order.params.clone()));
        ok(json!(order.resource.to_string()))
    });

    assert_eq!(told, [("One".to_owned(), input.clone()), ("Two".to_owned(), input)]);
    assert_eq!(output(last), json!(["skill:one", "skill:two"]));
}

#[test]
fn the_result_of_a_fan_flows_like_that_of_a_task() {
    let shaped = both(&json!({
        "InputPath": "$.in",
        "Parameters": {"who.$": "$.name", "fixed": 1},
        "ResultSelector": {"first.$": "$[0]", "of.$": "States.ArrayLength($)"},
        "ResultPath": "$.r",
        "OutputPath": "$.r"
    }));
    let input = json!({"in": {"name": "Ana"}});

    let last = drive(&shaped, &input, &mut |order| ok(order.params.clone()));

    assert_eq!(output(last), json!({"first": {"who": "Ana", "fixed": 1}, "of": 2}));
}

#[test]
fn a_branch_that_fails_fails_the_fan_with_its_error() {
    let failing = |name: &'static str| drive(&both(&json!({})), &json!({}), &mut |_| error(name));

    assert_eq!(failure(&failing("Outcome.odd")), ("Outcome.odd", "it broke", true));
    assert_eq!(failure(&failing("Worker.InvalidInput")), ("Worker.InvalidInput", "it broke", false));
}

#[test]
fn a_fan_is_caught_like_a_task() {
    let catching = both(&json!({"Catch": [{"ErrorEquals": ["Outcome.odd"], "ResultPath": "$.e", "Next": "Rescue"}]}));

    let last = drive(&catching, &json!({"x": 1}), &mut |_| error("Outcome.odd"));

    assert_eq!(output(last), json!({"x": 1, "e": {"Error": "Outcome.odd", "Cause": "it broke"}}));
}

#[test]
fn branch_failed_means_any_error_of_a_branch() {
    let catching = both(&json!({"Catch": [{"ErrorEquals": ["States.BranchFailed"], "Next": "Rescue"}]}));

    let last = drive(&catching, &json!({}), &mut |_| error("Outcome.odd"));

    assert_eq!(output(last)["Error"], "Outcome.odd");
}

#[test]
fn a_fan_is_retried_as_a_whole() {
    let retrying = both(&json!({"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 4}]}));
    let too_much = || Event::FanFailed {
        error: "Outcome.odd".to_owned(),
        cause: "it broke".to_owned(),
        details: Vec::new(),
        quarantine: true,
    };
    let input = json!({});

    assert_eq!(pause(&run(&retrying, &input, [too_much()])), (4000, Some("Outcome.odd")));
    let again = run(&retrying, &input, [too_much(), Event::TimerFired]);
    assert_eq!(fan(&again).branches.len(), 2);
    assert_eq!(again.execution.retries(), 1);
    let mut calls = 0;
    let last = drive(&retrying, &input, &mut |_| {
        calls += 1;
        if calls == 2 { error("Outcome.odd") } else { ok(json!(calls)) }
    });
    assert_eq!(output(last), json!([3, 4]));
}

#[test]
fn a_fan_has_no_default_policy() {
    let lost = Event::FanFailed {
        error: "Worker.Transient".to_owned(),
        cause: "it broke".to_owned(),
        details: Vec::new(),
        quarantine: true,
    };

    assert_eq!(failure(&run(&both(&json!({})), &json!({}), [lost])), ("Worker.Transient", "it broke", true));
}

#[test]
fn a_map_opens_a_branch_for_each_item() {
    let input = json!({"items": [1, {"a": 2}, "three"]});

    let step = start(&same(&json!({"MaxConcurrency": 2})), &facts(&input));

    assert_eq!(fan(&step).max_concurrency, Some(2));
    assert_eq!(inputs(&same(&json!({})), &input), [json!(1), json!({"a": 2}), json!("three")]);
    assert_eq!(output(drive(&same(&json!({})), &input, &mut no_tasks)), input["items"]);
}

#[test]
fn a_map_without_items_ends_at_once() {
    let step = start(&same(&json!({"ResultPath": "$.r"})), &facts(&json!({"items": []})));

    assert_eq!(step.entered, ["Each"]);
    assert_eq!(output(step), json!({"items": [], "r": []}));
}

#[test]
fn what_is_no_array_is_no_items() {
    let step = start(&same(&json!({})), &facts(&json!({"items": {"a": 1}})));

    assert_eq!(failure(&step), ("States.Runtime", "`$.items` of state `Each` must find an array of items", false));
}

#[test]
fn an_item_is_shaped_by_the_selector() {
    let input = json!({"in": {"items": ["p", "q"], "k": 7}});
    for name in ["ItemSelector", "Parameters"] {
        let selecting = same(&json!({
            "InputPath": "$.in",
            name: {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k", "s.$": "$$.State.Name"}
        }));
        assert_eq!(
            inputs(&selecting, &input),
            [json!({"i": 0, "v": "p", "k": 7, "s": "Each"}), json!({"i": 1, "v": "q", "k": 7, "s": "Each"})]
        );
    }
}

#[test]
fn the_states_of_a_branch_can_ask_for_their_item() {
    let asking = map(
        &json!({"ItemSelector": {"plain": true}}),
        "In both",
        &json!({"In both": {"Type": "Parallel", "End": true, "Branches": [
            {"StartAt": "Wait", "States": {
                "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Ask"},
                "Ask": {"Type": "Pass", "End": true, "Parameters": {"n.$": "$$.Map.Item.Value.n", "i.$": "$$.Map.Item.Index"}}
            }},
            {"StartAt": "Ask not", "States": {"Ask not": {"Type": "Pass", "End": true}}}
        ]}}),
    );

    let last = drive(&asking, &json!({"items": [{"n": 5}, {"n": 6}]}), &mut no_tasks);

    let plain = json!({"plain": true});
    assert_eq!(output(last), json!([[{"n": 5, "i": 0}, plain], [{"n": 6, "i": 1}, plain]]));
}

#[test]
fn a_branch_carries_its_item_only_where_it_is_asked_for() {
    let input = json!({"items": ["p"]});

    let step = start(&same(&json!({})), &facts(&input));

    let text = serde_json::to_string(&fan(&step).branches).expect("a text");
    assert_eq!(text, r#"[{"state":"Same","input":"p"}]"#);
}

#[test]
fn maps_nest() {
    let nested = map(
        &json!({}),
        "Inner",
        &json!({"Inner": {
            "Type": "Map",
            "Iterator": {"StartAt": "Add", "States": {
                "Add": {"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($$.Map.Item.Value, 1)"}, "End": true}
            }},
            "End": true
        }}),
    );

    let last = drive(&nested, &json!({"items": [[1, 2], [], [3]]}), &mut no_tasks);

    assert_eq!(output(last), json!([[{"n": 2}, {"n": 3}], [], [{"n": 4}]]));
}

#[test]
fn items_come_in_batches() {
    let input = json!({"items": [1, 2, 3, 4, 5], "size": 2, "who": "Ana"});
    let by_number = same(&json!({"ItemBatcher": {"MaxItemsPerBatchPath": "$.size", "BatchInput": {"who.$": "$.who"}}}));
    let batch = |items: Value| json!({"BatchInput": {"who": "Ana"}, "Items": items});

    assert_eq!(inputs(&by_number, &input), [batch(json!([1, 2])), batch(json!([3, 4])), batch(json!([5]))]);
}

#[test]
fn a_batch_is_no_larger_than_it_may_be() {
    let input = json!({"items": ["aaaa", "bbbb", "c", "d", "e"]});
    for limit in 18..40 {
        let batched = same(&json!({"ItemBatcher": {"MaxInputBytesPerBatch": limit}}));
        let inputs = inputs(&batched, &input);

        let texts: Vec<usize> = inputs.iter().map(|input| input.to_string().len()).collect();
        assert!(texts.iter().all(|length| *length <= limit), "{limit}: {inputs:?}");
        let items: Vec<&Value> = inputs.iter().flat_map(|input| input["Items"].as_array().expect("items")).collect();
        assert_eq!(items.len(), 5, "{limit}");
        // No batch could have taken the first item of the next one.
        for (batch, next) in inputs.iter().zip(inputs.iter().skip(1)) {
            let more = next["Items"][0].to_string().len() + 1;
            assert!(batch.to_string().len() + more > limit, "{limit}: {inputs:?}");
        }
    }
    let small = start(&same(&json!({"ItemBatcher": {"MaxInputBytesPerBatch": 17}})), &facts(&input));
    assert_eq!(failure(&small).0, "States.DataLimitExceeded");
}

#[test]
fn some_items_may_fail() {
    let outcome = |fields: Value, input: &Value| {
        drive(&working(&fields), input, &mut |order| {
            if order.params["bad"] == true { error("Outcome.odd") } else { ok(order.params["n"].clone()) }
        })
    };
    let input = json!({"items": [{"n": 1}, {"bad": true}, {"n": 3}, {"bad": true}], "count": 2, "share": 50});

    for tolerant in [
        json!({"ToleratedFailureCount": 2}),
        json!({"ToleratedFailureCountPath": "$.count"}),
        json!({"ToleratedFailurePercentage": 50}),
        json!({"ToleratedFailurePercentagePath": "$.share"}),
        json!({"ToleratedFailurePercentage": 74.9, "ToleratedFailureCount": 4}),
    ] {
        assert_eq!(output(outcome(tolerant, &input)), json!([1, 3]));
    }
    for strict in [
        json!({"ToleratedFailureCount": 1}),
        json!({"ToleratedFailurePercentage": 49}),
        json!({"ToleratedFailurePercentage": 100, "ToleratedFailureCount": 0}),
    ] {
        let step = outcome(strict, &input);
        let (error, cause, quarantine) = failure(&step);
        assert_eq!((error, quarantine), ("States.ExceedToleratedFailureThreshold", true));
        assert!(cause.contains("Outcome.odd: it broke"), "{cause}");
    }
    assert_eq!(failure(&outcome(json!({}), &input)).0, "Outcome.odd");
}

#[test]
fn limits_of_a_fan_that_make_no_sense_end_it() {
    let input = json!({"items": [1], "n": -1, "p": 101});
    for fields in [
        json!({"MaxConcurrencyPath": "$.n"}),
        json!({"ToleratedFailureCountPath": "$.n"}),
        json!({"ToleratedFailurePercentagePath": "$.p"}),
        json!({"ItemBatcher": {"MaxItemsPerBatchPath": "$.n"}}),
    ] {
        assert_eq!(failure(&start(&same(&fields), &facts(&input))).0, "States.Runtime", "{fields}");
    }
    assert_eq!(fan(&start(&same(&json!({"MaxConcurrency": 0})), &facts(&input))).max_concurrency, None);
}

#[test]
fn a_job_that_failed_in_a_branch_opens_its_fan_again() {
    let input = json!({"items": [{}, {}]});
    let failed = drive(&working(&json!({})), &input, &mut |_| error("Outcome.odd"));

    let again = super::retry(&working(&json!({})), failed.execution, &facts(&input));

    assert_eq!(again.entered, ["Each"]);
    assert_eq!(fan(&again).branches.len(), 2);
}

#[test]
fn a_fan_of_ten_thousand_items_takes_one_pass() {
    let large = json!({"items": (0..10_000).map(|n| json!({"n": n, "text": "x".repeat(100)})).collect::<Vec<_>>()});
    let selecting =
        same(&json!({"ItemSelector": {"v.$": "$$.Map.Item.Value.n", "who.$": "$$.Execution.Input.items[0].n"}}));

    let step = start(&selecting, &facts(&large));

    assert_eq!(fan(&step).branches.len(), 10_000);
    assert_eq!(fan(&step).branches[9_999].input, json!({"v": 9_999, "who": 0}));
}

#[test]
fn the_end_of_a_task_is_no_end_of_a_fan() {
    let input = json!({});
    let step = start(&both(&json!({})), &facts(&input));

    let wrong = resume(&both(&json!({})), step.execution, ok(json!(1)), &facts(&input));

    assert_eq!(failure(&wrong), ("States.Runtime", "state `Both` did not wait for the end of a task", false));
}

#[test]
fn a_task_may_be_an_approval_or_a_job_of_another_blueprint() {
    let asking = |resource: &str| {
        blueprint(&json!({"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": resource, "End": true}}}))
    };

    assert_eq!(order(&run(&asking("approval:board"), &json!({}), [])).resource.to_string(), "approval:board");
    let child = run(&asking("blueprint:echo"), &json!({}), [error("Worker.Transient")]);
    assert_eq!(failure(&child), ("Worker.Transient", "it broke", true));
}
