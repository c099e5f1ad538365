//! What tests run machines with: facts, events, and a driver that answers every order at once.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{
    Blueprint, BranchStart, Event, Execution, Facts, FanOrder, Next, Step, TaskOrder, begin_branch, resume, start,
};

pub(super) const NOW_MS: i64 = 1_767_323_045_678;

pub(super) fn blueprint(definition: &Value) -> Blueprint {
    let file = json!({"name": "story", "version": "1", "endpoint": "/story", "definition": definition});
    Blueprint::parse(&file.to_string()).unwrap_or_else(|faults| {
        panic!(
            "{}",
            faults.iter().fold(String::new(), |mut text, fault| {
                writeln!(text, "{fault}").expect("text");
                text
            })
        )
    })
}

/// A machine whose first state is a task of these fields, with `After` and `Rescue` behind it.
pub(super) fn task(fields: &Value) -> Blueprint {
    let mut state = json!({"Type": "Task", "Resource": "skill:work", "Next": "After"});
    state.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
    let mut states = json!({"Work": state, "After": {"Type": "Succeed"}});
    if fields.to_string().contains("Rescue") {
        states["Rescue"] = json!({"Type": "Pass", "End": true});
    }
    blueprint(&json!({"StartAt": "Work", "States": states}))
}

pub(super) fn facts(input: &Value) -> Facts<'_> {
    Facts {
        job_id: "job-1",
        input,
        outer: None,
        dataset: None,
        started_at: "2026-01-02T03:04:05.678Z",
        now_ms: NOW_MS,
        random: 0.5,
    }
}

pub(super) fn ok(output: Value) -> Event {
    Event::TaskSucceeded { output }
}

pub(super) fn error(name: &str) -> Event {
    Event::TaskFailed { error: name.to_owned(), cause: "it broke".to_owned(), details: Vec::new() }
}

/// The execution after it was stored and read back.
pub(super) fn stored(execution: &Execution) -> Execution {
    let text = serde_json::to_string(execution).expect("it has a text");
    serde_json::from_str(&text).expect("it reads back")
}

/// Starts a job and lets each event happen to it; every execution is stored and read back in between.
pub(super) fn run(blueprint: &Blueprint, input: &Value, events: impl IntoIterator<Item = Event>) -> Step {
    events.into_iter().fold(start(blueprint, &facts(input)), |step, event| {
        resume(blueprint, stored(&step.execution), event, &facts(input))
    })
}

pub(super) fn order(step: &Step) -> &TaskOrder {
    match &step.next {
        Next::Task(order) => order,
        other => panic!("no task: {other:?}"),
    }
}

pub(super) fn output(step: Step) -> Value {
    match step.next {
        Next::Succeed { output } => output,
        other => panic!("no output: {other:?}"),
    }
}

/// Error, cause and whether the job is quarantined.
pub(super) fn failure(step: &Step) -> (&str, &str, bool) {
    match &step.next {
        Next::Failed { error, cause, quarantine, .. } => (error, cause, *quarantine),
        other => panic!("no failure: {other:?}"),
    }
}

/// Milliseconds, and the error after which the machine tries again.
pub(super) fn pause(step: &Step) -> (u64, Option<&str>) {
    match &step.next {
        Next::Wait { for_ms, setback } => (*for_ms, setback.as_ref().map(|setback| setback.error.as_str())),
        other => panic!("no wait: {other:?}"),
    }
}

/// Runs a job to its end: `answer` says how each task ends, every fan is run branch by branch, and timers fire at once.
pub(super) fn drive(blueprint: &Blueprint, input: &Value, answer: &mut dyn FnMut(&TaskOrder) -> Event) -> Step {
    finish(blueprint, start(blueprint, &facts(input)), &facts(input), answer)
}

fn finish(
    blueprint: &Blueprint,
    mut step: Step,
    facts: &Facts<'_>,
    answer: &mut dyn FnMut(&TaskOrder) -> Event,
) -> Step {
    loop {
        let event = match &step.next {
            Next::Task(order) => answer(order),
            Next::Fan(order) => fan(blueprint, order, facts, answer),
            Next::Wait { .. } => Event::TimerFired,
            Next::Succeed { .. } | Next::Failed { .. } => return step,
        };
        step = resume(blueprint, stored(&step.execution), event, facts);
    }
}

/// Runs the branches one after the other until all have ended or too many have failed.
fn fan(
    blueprint: &Blueprint,
    order: &FanOrder,
    facts: &Facts<'_>,
    answer: &mut dyn FnMut(&TaskOrder) -> Event,
) -> Event {
    let inner = Facts { outer: Some(&order.variables), ..*facts };
    let mut outputs = Vec::new();
    let mut failures = 0;
    for branch in &order.branches {
        let text = serde_json::to_string(branch).expect("it has a text");
        let branch: BranchStart = serde_json::from_str(&text).expect("it reads back");
        match finish(blueprint, begin_branch(blueprint, branch, &inner), &inner, answer).next {
            Next::Succeed { output } => outputs.push(output),
            Next::Failed { error, cause, details, quarantine, .. } => {
                failures += 1;
                if failures > order.tolerated_failures {
                    return Event::FanFailed { error, cause, details, quarantine };
                }
            }
            other => panic!("the branch did not end: {other:?}"),
        }
    }
    Event::FanSucceeded { outputs }
}

/// Answers no task.
pub(super) fn no_tasks(order: &TaskOrder) -> Event {
    panic!("no task was expected: {order:?}")
}
