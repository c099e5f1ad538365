//! The same machines in another interpreter of the language: `tests/blueprints/golden.mjs` says which and how.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Blueprint, Event, Facts, Next, resume, start};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    definition: Value,
    input: Value,
    /// How each state's task ends, run by run.
    #[serde(default)]
    tasks: HashMap<String, VecDeque<Outcome>>,
    /// What we do instead where the two interpreters differ.
    differs: Option<Difference>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    Ok { ok: Value },
    Error { error: String, cause: Option<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    ours: Run,
    /// For the reader: which of the two follows the language's text.
    #[serde(rename = "because")]
    _because: String,
}

/// What a machine did: the states it entered, what its tasks got, and how it ended.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    entered: Vec<String>,
    params: Vec<Value>,
    output: Option<Value>,
    error: Option<String>,
}

fn run(case: &mut Case) -> Run {
    let file = json!({"name": "golden", "version": "1", "endpoint": "/golden", "definition": case.definition});
    let blueprint = Blueprint::parse(&file.to_string()).unwrap_or_else(|faults| panic!("{}: {faults:#?}", case.name));
    let facts = Facts {
        job_id: "job-1",
        input: &case.input,
        outer: None,
        dataset: None,
        started_at: "2026-01-02T03:04:05.678Z",
        now_ms: 1_767_323_045_678,
        random: 0.5,
    };
    let mut run = Run { entered: Vec::new(), params: Vec::new(), output: None, error: None };
    let mut step = start(&blueprint, &facts);
    loop {
        run.entered.extend(step.entered);
        let event = match step.next {
            Next::Task(order) => {
                run.params.push(order.params);
                let outcomes = case.tasks.get_mut(&order.state).expect("the case has outcomes for the state");
                match outcomes.pop_front().expect("the case has an outcome for every run") {
                    Outcome::Ok { ok } => Event::TaskSucceeded { output: ok },
                    Outcome::Error { error, cause } => {
                        Event::TaskFailed { error, cause: cause.unwrap_or_default(), details: Vec::new() }
                    }
                }
            }
            Next::Fan(order) => unreachable!("no case has branches: {order:?}"),
            Next::Wait { .. } => Event::TimerFired,
            Next::Succeed { output } => {
                run.output = Some(output);
                return run;
            }
            Next::Failed { error, .. } => {
                run.error = Some(error);
                return run;
            }
        };
        step = resume(&blueprint, step.execution, event, &facts);
    }
}

#[test]
fn machines_do_what_another_interpreter_does() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../tests/blueprints/cases.json")).expect("the cases are sound");
    let golden: BTreeMap<String, Run> = serde_json::from_str(include_str!("../../../../tests/blueprints/golden.json"))
        .expect("the golden file is sound");
    assert_eq!(cases.len(), golden.len());

    let mut wrong = Vec::new();
    for mut case in cases {
        let theirs = &golden[&case.name];
        let ours = run(&mut case);
        let expected = case.differs.as_ref().map_or(theirs, |difference| &difference.ours);
        if ours != *expected {
            wrong.push(format!("{}\n    ours {ours:?}\nexpected {expected:?}", case.name));
        }
        if case.differs.is_some() && ours == *theirs {
            wrong.push(format!("{}: does not differ any more", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
