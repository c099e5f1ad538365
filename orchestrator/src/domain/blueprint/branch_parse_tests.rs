//! What is wrong with branches and variables is told when the file is read.

use serde_json::{Value, json};

use super::parse_tests::faults_of;

/// A machine of a Pass and a Map in which each of the two kinds of states has these fields on top.
fn nested(outer: &Value, inner: &Value) -> Vec<String> {
    let with = |state: Value, fields: &Value| {
        let mut state = state;
        state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        state
    };
    let inner = with(json!({"Type": "Pass", "End": true}), inner);
    faults_of(&json!({
        "First": with(json!({"Type": "Pass", "Next": "Each"}), outer),
        "Each": {"Type": "Map", "ItemProcessor": {"StartAt": "Inner", "States": {"Inner": inner}}, "End": true}
    }))
}

#[test]
fn a_variable_is_assigned_in_one_scope() {
    let inner = "definition.States.Each.ItemProcessor.States.Inner";

    assert_eq!(nested(&json!({"Assign": {"x": 1}}), &json!({"Parameters": {"x.$": "$x"}})), [""; 0]);
    let twice = nested(&json!({"Assign": {"x": 1}}), &json!({"Assign": {"x": 2}}));
    assert!(twice[0].starts_with(&format!("{inner}.Assign.x: `x` is a variable of the machine around")), "{twice:?}");
    assert!(twice[0].contains("definition.States.First.Assign.x"), "{twice:?}");
    let escaped = nested(&json!({"Parameters": {"x.$": "$x"}}), &json!({"Assign": {"x": 2}}));
    assert!(escaped[0].starts_with("definition.States.First.Parameters['x.$']: "), "{escaped:?}");
}

#[test]
fn a_name_of_a_state_is_used_once_and_no_transition_leaves_a_branch() {
    let branch = |name: &str, next: &str| {
        let states = json!({name: {"Type": "Pass", "Next": next}, "End": {"Type": "Succeed"}});
        json!({"StartAt": name, "States": states})
    };
    let machine = |branches: Value| {
        faults_of(
            &json!({"Both": {"Type": "Parallel", "Branches": branches, "Next": "Last"}, "Last": {"Type": "Succeed"}}),
        )
    };
    let at = "definition.States.Both.Branches";

    let twice = machine(json!([branch("A", "End"), branch("B", "End")]));
    assert!(
        twice[0].starts_with(&format!("{at}[1].States.End: there is a state of this name at {at}[0]")),
        "{twice:?}"
    );
    let out = machine(json!([branch("A", "Last")]));
    assert!(out[0].starts_with(&format!("{at}[0].States.A.Next: there is no state `Last` here, only def")), "{out:?}");
}

#[test]
fn branches_are_nested_only_so_deep() {
    let deep = |levels: usize| {
        (0..levels).fold(json!({"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}), |inner, level| {
            let name = format!("L{level}");
            json!({"StartAt": name, "States": {name: {"Type": "Parallel", "Branches": [inner], "End": true}}})
        })
    };

    assert_eq!(faults_of(&deep(16)["States"]), [""; 0]);
    assert!(faults_of(&deep(17)["States"])[0].contains("nested deeper than the 16 levels"));
}

#[test]
fn faults_of_a_map_are_named() {
    for (fields, path, reason) in [
        (json!({"ItemsPath": "$.a[*]"}), "ItemsPath", "several places"),
        (json!({"Items": []}), "Items", "belongs to JSONata"),
        (json!({"ItemReader": {}}), "ItemReader", "DISTRIBUTED"),
        (json!({"ResultWriter": {}}), "ResultWriter", "DISTRIBUTED"),
        (json!({"ItemSelector": {}, "Parameters": {}}), "Parameters", "excludes `ItemSelector`"),
        (json!({"Iterator": {}}), "Iterator", "excludes `ItemProcessor`"),
        (json!({"MaxConcurrency": -1}), "MaxConcurrency", "from 0 to"),
        (json!({"MaxConcurrency": 1, "MaxConcurrencyPath": "$.n"}), "MaxConcurrencyPath", "excludes"),
        (json!({"ToleratedFailureCount": 0.5}), "ToleratedFailureCount", "whole number"),
        (json!({"ToleratedFailurePercentage": 101}), "ToleratedFailurePercentage", "from 0 to 100"),
        (json!({"ItemBatcher": {}}), "ItemBatcher", "how large"),
        (json!({"ItemBatcher": {"MaxItemsPerBatch": 0}}), "ItemBatcher.MaxItemsPerBatch", "from 1 to"),
        (json!({"ItemBatcher": {"MaxInputBytesPerBatch": 262_145}}), "ItemBatcher.MaxInputBytesPerBatch", "262144"),
    ] {
        let mut state = json!({
            "Type": "Map", "End": true, "ItemProcessor": {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}
        });
        state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let told = faults_of(&json!({"M": state}));
        assert_eq!(told.len(), 1, "{fields}: {told:#?}");
        assert!(told[0].starts_with(&format!("definition.States.M.{path}: ")), "{fields}: {told:#?}");
        assert!(told[0].contains(reason), "{fields}: {told:#?}");
    }
    for (config, path) in [
        (json!({"Mode": "DISTRIBUTED"}), "Mode"),
        (json!({"Mode": "INLINE", "ExecutionType": "STANDARD"}), "ExecutionType"),
    ] {
        let processor = json!({"ProcessorConfig": config, "StartAt": "S", "States": {"S": {"Type": "Succeed"}}});
        let told = faults_of(&json!({"M": {"Type": "Map", "End": true, "ItemProcessor": processor}}));
        assert!(
            told[0].starts_with(&format!("definition.States.M.ItemProcessor.ProcessorConfig.{path}: ")),
            "{told:?}"
        );
    }
}
