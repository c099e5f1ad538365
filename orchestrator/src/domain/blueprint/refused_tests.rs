//! Definitions with one fault each, most of which another checker of the language refuses: `tests/blueprints/refused.mjs`
//! says which and how. Ours must refuse them all, and name the place.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::Blueprint;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    definition: Value,
    /// The field at fault, or what should have held it.
    at: String,
}

#[test]
fn every_faulty_definition_is_refused_at_its_fault() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../tests/blueprints/refused.json")).expect("sound");

    let mut wrong = Vec::new();
    for Case { name, definition, at } in &cases {
        let file = json!({"name": "faulty", "version": "1", "endpoint": "/faulty", "definition": definition});
        match Blueprint::parse(&file.to_string()) {
            Ok(_) => wrong.push(format!("{name}: taken, though {at} is wrong")),
            Err(faults) if faults.iter().any(|fault| fault.path == *at && fault.line.is_some()) => {}
            Err(faults) => {
                let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
                wrong.push(format!("{name}: not at {at} but {told:#?}"));
            }
        }
    }

    assert!(wrong.is_empty(), "{} are wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_faults_cover_every_rule_of_the_other_checker() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../tests/blueprints/refused.json")).expect("sound");
    let refused: BTreeMap<String, BTreeSet<String>> =
        serde_json::from_str(include_str!("../../../../tests/blueprints/golden/refused.json")).expect("sound");

    let names: BTreeSet<&String> = cases.iter().map(|case| &case.name).collect();
    let rules: BTreeSet<&str> = refused.values().flatten().map(String::as_str).collect();

    assert_eq!(names, refused.keys().collect());
    for rule in RULES {
        assert!(rules.contains(rule), "no definition breaks {rule}");
    }
}

/// The rules of asl-validator 4.0.0. What it calls `MAP_ITEMS_ERROR` its schema refuses before.
const RULES: [&str; 18] = [
    "BRANCH_OUTBOUND_TRANSITION_TARGET",
    "DUPLICATE_FIELD_NAME",
    "DUPLICATE_STATE_NAMES",
    "FAIL_CAUSE_PROPERTY",
    "FAIL_ERROR_PROPERTY",
    "MAP_CONCURRENCY_ERROR",
    "MAP_ITEMREADER_MAXITEM",
    "MAP_ITEM_BATCHER",
    "MAP_ITEM_PROCESSOR",
    "MAP_ITEM_SELECTOR",
    "MAP_OUTBOUND_TRANSITION_TARGET",
    "MAP_TOLERATED_FAILURE",
    "MISSING_TERMINAL_STATE",
    "MISSING_TRANSITION_TARGET",
    "SCHEMA_VALIDATION_FAILED",
    "TASK_HEARTBEAT",
    "TASK_TIMEOUT",
    "WAIT_DURATION",
];
