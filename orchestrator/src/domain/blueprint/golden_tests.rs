//! The same machines in two other interpreters of the language: `tests/blueprints/golden.mjs` and `golden.py` say which
//! and how. Where one of them differs from us, the case says why, and where neither agrees, what the language asks for.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Blueprint, Event, Facts, FanOrder, Fault, Next, Step, TaskOrder, begin_branch, resume, start};

const CASES: [&str; 5] = [
    include_str!("../../../../tests/blueprints/cases/language.json"),
    include_str!("../../../../tests/blueprints/cases/fans.json"),
    include_str!("../../../../tests/blueprints/cases/errors.json"),
    include_str!("../../../../tests/blueprints/cases/variables.json"),
    include_str!("../../../../tests/blueprints/cases/queries.json"),
];
const INTERPRETERS: [(&str, &str); 2] = [
    ("local", include_str!("../../../../tests/blueprints/golden/local.json")),
    ("moto", include_str!("../../../../tests/blueprints/golden/moto.json")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    definition: Value,
    input: Value,
    /// How each state's tasks end, run by run.
    #[serde(default)]
    tasks: HashMap<String, Vec<Outcome>>,
    /// Which interpreters do something else, and why they are not followed.
    #[serde(default)]
    differs: BTreeMap<String, String>,
    /// What the language asks for, where neither interpreter does it.
    ours: Option<Run>,
}

#[derive(Deserialize)]
struct Outcome {
    /// Only a task that is given this ends so.
    given: Option<Value>,
    #[serde(flatten)]
    end: End,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum End {
    /// Every such task answers what it was given.
    #[allow(dead_code)]
    Echo {
        echo: bool,
    },
    Ok {
        ok: Value,
    },
    Error {
        error: String,
        #[serde(default)]
        cause: String,
    },
}

/// What a machine did: the states it entered, what its tasks were given, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    entered: Vec<String>,
    params: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Lacks {
        #[serde(rename = "lacks")]
        _lacks: String,
    },
    Run(Run),
}

/// Runs a machine as an engine would, in memory, branch after branch.
struct Driver<'c> {
    blueprint: Blueprint,
    case: &'c mut Case,
    run: Run,
}

impl<'c> Driver<'c> {
    fn new(case: &'c mut Case) -> Result<Self, Vec<Fault>> {
        let file = json!({"name": "golden", "version": "1", "endpoint": "/golden", "definition": case.definition});
        let blueprint = Blueprint::parse(&file.to_string())?;
        let run = Run { entered: Vec::new(), params: Vec::new(), output: None, error: None };
        Ok(Self { blueprint, case, run })
    }

    fn run(mut self) -> Run {
        let input = self.case.input.clone();
        match self.branch(&input, None, start) {
            Ok(output) => self.run.output = Some(output),
            Err(Event::FanFailed { error, .. }) => self.run.error = Some(error),
            Err(other) => unreachable!("a branch cannot end with {other:?}"),
        }
        self.run
    }

    /// Runs a branch to its end: what it gives, or how a fan fails by it.
    fn branch(
        &mut self,
        input: &Value,
        outer: Option<&Map<String, Value>>,
        begin: impl FnOnce(&Blueprint, &Facts<'_>) -> Step,
    ) -> Result<Value, Event> {
        let facts = Facts {
            job_id: "job-1",
            input,
            outer,
            dataset: None,
            started_at: "2026-01-02T03:04:05.678Z",
            now_ms: 1_767_323_045_678,
            random: 0.5,
        };
        let mut step = begin(&self.blueprint, &facts);
        loop {
            self.run.entered.append(&mut step.entered);
            let event = match step.next {
                Next::Task(order) => self.task(order),
                Next::Fan(order) => self.fan(input, order),
                Next::Wait { .. } => Event::TimerFired,
                Next::Succeed { output } => return Ok(output),
                Next::Failed { error, cause, details, quarantine, .. } => {
                    return Err(Event::FanFailed { error, cause, details, quarantine });
                }
            };
            step = resume(&self.blueprint, step.execution, event, &facts);
        }
    }

    fn task(&mut self, order: TaskOrder) -> Event {
        let outcomes = self.case.tasks.get_mut(&order.state).expect("the case has outcomes for the state");
        let fits = |outcome: &Outcome| outcome.given.as_ref().is_none_or(|given| *given == order.params);
        let at = outcomes.iter().position(fits).expect("the case has an outcome for every run");
        let end = match &outcomes[at].end {
            End::Echo { .. } => End::Ok { ok: order.params.clone() },
            _ => outcomes.remove(at).end,
        };
        self.run.params.push(order.params);
        match end {
            End::Error { error, cause } => Event::TaskFailed { error, cause, details: Vec::new() },
            End::Ok { ok } => Event::TaskSucceeded { output: ok },
            End::Echo { .. } => unreachable!("it was answered above"),
        }
    }

    fn fan(&mut self, input: &Value, order: FanOrder) -> Event {
        let mut outputs = Vec::new();
        let mut failures = 0;
        for branch in order.branches {
            match self.branch(input, Some(&order.variables), |blueprint, facts| begin_branch(blueprint, branch, facts))
            {
                Ok(output) => outputs.push(output),
                Err(_) if failures < order.tolerated_failures => failures += 1,
                Err(failed) => return failed,
            }
        }
        Event::FanSucceeded { outputs }
    }
}

/// The run without its order, which is anyone's choice where branches take turns.
fn unordered(mut run: Run) -> Run {
    run.entered.sort();
    run.params.sort_by_key(Value::to_string);
    run
}

/// What is wrong with a case, if anything is.
fn judge(mut case: Case, answers: &[(&str, BTreeMap<String, Answer>)]) -> Vec<String> {
    let name = case.name.clone();
    let driver = match Driver::new(&mut case) {
        Ok(driver) => driver,
        Err(faults) => return faults.into_iter().map(|fault| format!("{name}: refused: {fault}")).collect(),
    };
    let has_fans = driver.blueprint.canonical().matches("\"States\":").count() > 1;
    let ordered = |run: Run| if has_fans { unordered(run) } else { run };
    let ours = ordered(driver.run());
    let mut wrong = Vec::new();
    let mut agreed = 0;
    for (interpreter, runs) in answers {
        let Answer::Run(theirs) = &runs[&case.name] else { continue };
        let same = ordered(theirs.clone()) == ours;
        agreed += usize::from(same);
        match (same, case.differs.contains_key(*interpreter)) {
            (false, false) => wrong.push(format!("{interpreter} {theirs:?}\n    ours {ours:?}")),
            (true, true) => wrong.push(format!("does not differ from {interpreter} any more")),
            _ => {}
        }
    }
    match &case.ours {
        Some(expected) if ordered(expected.clone()) != ours => {
            wrong.push(format!("expected {expected:?}\n    ours {ours:?}"));
        }
        Some(_) if agreed > 0 => wrong.push("an interpreter agrees, so `ours` says nothing new".to_owned()),
        None if agreed == 0 => {
            let ours = serde_json::to_string(&ours).expect("a run is JSON");
            wrong.push(format!("nobody agrees, so the case must have its `ours`: {ours}"));
        }
        _ => {}
    }
    wrong.into_iter().map(|reason| format!("{name}: {reason}")).collect()
}

#[test]
fn machines_do_what_other_interpreters_do() {
    let cases: Vec<Case> =
        CASES.iter().flat_map(|text| serde_json::from_str::<Vec<Case>>(text).expect("the cases are sound")).collect();
    let answers = INTERPRETERS.map(|(name, text)| (name, serde_json::from_str(text).expect("the answers are sound")));

    let wrong: Vec<String> = cases.into_iter().flat_map(|case| judge(case, &answers)).collect();

    assert!(wrong.is_empty(), "{} are wrong\n{}", wrong.len(), wrong.join("\n"));
}
