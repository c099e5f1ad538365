//! Whatever machine was accepted and whatever happens to it: every step gives an answer that can be stored.

use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Value, json};

use super::{
    Blueprint, BranchStart, Event, Facts, Next, Step, begin_branch,
    drive::{facts, stored},
    resume, retry, start,
};

const CASES: [&str; 5] = [
    include_str!("../../../../tests/blueprints/cases/language.json"),
    include_str!("../../../../tests/blueprints/cases/fans.json"),
    include_str!("../../../../tests/blueprints/cases/errors.json"),
    include_str!("../../../../tests/blueprints/cases/queries.json"),
    include_str!("../../../../tests/blueprints/cases/variables.json"),
];

/// Steps that one branch takes before it is left alone.
const MAX_STEPS: usize = 12;
/// Branches of a fan that are run.
const MAX_BRANCHES: usize = 2;

/// Machines that are known to run, with an input for each.
fn machines() -> Vec<(Value, Value)> {
    let cases: Vec<Value> =
        CASES.iter().flat_map(|text| serde_json::from_str::<Vec<Value>>(text).expect("the cases are sound")).collect();
    cases.into_iter().map(|case| (case["definition"].clone(), case["input"].clone())).collect()
}

/// A value that a field, an input or a result could have, fitting or not.
fn value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(2.5),
        json!(1e300),
        json!(""),
        json!("text"),
        json!("$"),
        json!("$.a.b"),
        json!("$.list[*]"),
        json!("$$.Map.Item.Value"),
        json!("$$.Execution.Input"),
        json!("{% $states.input %}"),
        json!("{% $states.context.Map.Item.Index + 1 %}"),
        json!("{% $states.nothing %}"),
        json!("{% function($x) { $x } %}"),
        json!("States.Format('{}', $.a)"),
        json!([]),
        json!([1, [2], {"a": 3}]),
        json!({}),
        json!({"a": {"b": 1}, "list": [1, 2], "n": 3}),
        json!({"x.$": "$.a"}),
        json!("2026-01-02T03:04:06Z"),
    ])
}

fn event() -> impl Strategy<Value = Event> {
    let error = prop::sample::select(vec![
        "Worker.Transient",
        "Worker.InvalidInput",
        "Outcome.odd",
        "States.Timeout",
        "States.HeartbeatTimeout",
        "States.Runtime",
    ]);
    let failed = |error: &str| (error.to_owned(), "it broke".to_owned());
    prop_oneof![
        3 => value().prop_map(|output| Event::TaskSucceeded { output }),
        2 => error.clone().prop_map(move |name| {
            let (error, cause) = failed(name);
            Event::TaskFailed { error, cause, details: Vec::new() }
        }),
        3 => prop::collection::vec(value(), 0..4).prop_map(|outputs| Event::FanSucceeded { outputs }),
        1 => (error, any::<bool>()).prop_map(move |(name, quarantine)| {
            let (error, cause) = failed(name);
            Event::FanFailed { error, cause, details: Vec::new(), quarantine }
        }),
        2 => Just(Event::TimerFired),
    ]
}

/// Changes one place of `value`: puts `other` there, takes it away, or gives it another name.
fn change(value: &mut Value, at: Index, way: u8, other: Value) {
    let mut pointers = Vec::new();
    collect(value, &mut String::new(), &mut pointers);
    let pointer = at.get(&pointers);
    let Some((holder, key)) = pointer.rsplit_once('/') else { return };
    let key = key.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(holder) {
        Some(Value::Object(fields)) => match way % 4 {
            0 => drop(fields.remove(&key)),
            1 => drop(fields.insert(format!("{key}Path"), other)),
            _ => drop(fields.insert(key, other)),
        },
        Some(Value::Array(items)) => {
            let index: usize = key.parse().expect("it is an index");
            if way.is_multiple_of(4) { drop(items.remove(index)) } else { items[index] = other }
        }
        _ => {}
    }
}

fn collect(value: &Value, here: &mut String, pointers: &mut Vec<String>) {
    pointers.push(here.clone());
    let length = here.len();
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(key, field)| (key.replace('~', "~0").replace('/', "~1"), field)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        _ => return,
    };
    for (key, part) in parts {
        here.push('/');
        here.push_str(&key);
        collect(part, here, pointers);
        here.truncate(length);
    }
}

/// Lets events happen to a branch, and to the first branches of every fan that it opens.
fn play(blueprint: &Blueprint, mut step: Step, facts: &Facts<'_>, events: &mut impl Iterator<Item = Event>) {
    for _ in 0..MAX_STEPS {
        assert_eq!(stored(&step.execution), step.execution);
        match &step.next {
            Next::Fan(order) => {
                assert!(!order.branches.is_empty());
                let inner = Facts { outer: Some(&order.variables), ..*facts };
                for branch in order.branches.iter().take(MAX_BRANCHES) {
                    let text = serde_json::to_string(branch).expect("it has a text");
                    let branch: BranchStart = serde_json::from_str(&text).expect("it reads back");
                    play(blueprint, begin_branch(blueprint, branch, &inner), &inner, events);
                }
            }
            Next::Task(order) => assert!(order.params.is_object()),
            Next::Succeed { .. } | Next::Failed { .. } => {
                let _ = retry(blueprint, step.execution, facts);
                return;
            }
            Next::Wait { .. } => {}
        }
        let Some(event) = events.next() else { return };
        step = resume(blueprint, stored(&step.execution), event, facts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_machine_and_no_event_stops_the_evaluator(
        machine in prop::sample::select(machines()),
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), value()), 0..3),
        input in prop::option::of(value()),
        outer in prop::option::of(value()),
        events in prop::collection::vec(event(), 0..40),
    ) {
        let (mut definition, known) = machine;
        for (at, way, other) in changes {
            change(&mut definition, at, way, other);
        }
        let file = json!({"name": "any", "version": "1", "endpoint": "/any", "definition": definition});
        if let Ok(blueprint) = Blueprint::parse(&file.to_string()) {
            let input = input.unwrap_or(known);
            let outer = outer.map(|value| Map::from_iter([("around".to_owned(), value)]));
            let facts = Facts { outer: outer.as_ref(), ..facts(&input) };
            play(&blueprint, start(&blueprint, &facts), &facts, &mut events.into_iter());
        }
    }
}
