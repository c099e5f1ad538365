//! Runs a machine from one wait to the next.

mod fan;
mod flow;
mod numbers;
mod stay;
mod work;

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Blueprint,
    execution::{Awaits, BranchStart, Event, Execution, Next, Own, Step},
    failure::{Failure, NO_CHOICE_MATCHED},
    model::{Branch, Choice, Fail, Flow, Kind, Machine, Pass, Paths, State, Then, Wait},
    scope::{Facts, World},
    template::Template,
};
use stay::{Move, Stay};

pub(super) use numbers::MAX_SECONDS;

/// States that one step may enter; a machine that goes round without ever waiting ends here.
const MAX_ENTERED: usize = 10_000;

/// The error of a Fail state that names none.
const UNNAMED: &str = "Failed";

/// Runs a new job up to its first wait or its end.
#[must_use]
pub fn start(blueprint: &Blueprint, facts: &Facts<'_>) -> Step {
    let run = Run::new(blueprint, facts);
    run.go(Move::Enter(run.machine.start, Cow::Borrowed(facts.input), Own::default()))
}

/// Runs a new branch of a fan up to its first wait or its end.
///
/// `facts.outer` must be the [`FanOrder::variables`](super::FanOrder::variables) of its fan, here and in every
/// [`resume`] of the branch.
#[must_use]
pub fn begin_branch(blueprint: &Blueprint, branch: BranchStart, facts: &Facts<'_>) -> Step {
    let BranchStart { state, input, own } = branch;
    enter(blueprint, &state, Cow::Owned(input), own, facts)
}

/// Enters the state in which a branch has ended once more, with the input that it had, as if for the first time.
#[must_use]
pub fn retry(blueprint: &Blueprint, execution: Execution, facts: &Facts<'_>) -> Step {
    let data = execution.data.map_or(Cow::Borrowed(facts.input), Cow::Owned);
    enter(blueprint, &execution.state, data, execution.own, facts)
}

fn enter(blueprint: &Blueprint, state: &str, data: Cow<'_, Value>, own: Own, facts: &Facts<'_>) -> Step {
    let run = Run::new(blueprint, facts);
    match run.machine.index.get(state) {
        Some(index) => run.go(Move::Enter(*index, data, own)),
        None => {
            let stay = Stay::new(state, facts.now_ms, data, own);
            run.go(stay.unknown())
        }
    }
}

/// Goes on with a branch that waited, up to its next wait or its end.
///
/// `facts.input` must be what it was when the job was started. An event that the branch does not wait for ends it with
/// `States.Runtime`.
#[must_use]
pub fn resume(blueprint: &Blueprint, mut execution: Execution, event: Event, facts: &Facts<'_>) -> Step {
    let run = Run::new(blueprint, facts);
    let data = execution.data.take().map_or(Cow::Borrowed(facts.input), Cow::Owned);
    let Execution { state: name, entered_ms, retries, awaits, own, .. } = execution;
    let stay = Stay { retries, ..Stay::new(&name, entered_ms, data, own) };
    let Some(state) = run.machine.index.get(&name).map(|index| &run.machine.states[*index]) else {
        return run.go(stay.unknown());
    };
    let next = match (&state.kind, state.kind.work(), awaits, event) {
        (_, Some(work), Awaits::Task, Event::TaskSucceeded { output }) => run.succeeded(state, work, stay, output),
        (_, Some(work), Awaits::Task, Event::TaskFailed { error, cause, details }) => {
            run.failed(state, work, stay, Failure { error, cause, details, quarantine: None })
        }
        (_, Some(work), Awaits::Fan, Event::FanSucceeded { outputs }) => {
            run.succeeded(state, work, stay, Value::Array(outputs))
        }
        (_, Some(work), Awaits::Fan, Event::FanFailed { error, cause, details, quarantine }) => {
            run.fan_failed(state, work, stay, Failure { error, cause, details, quarantine: Some(quarantine) })
        }
        (_, Some(work), Awaits::Retry, Event::TimerFired) => run.order(state, work, stay),
        (Kind::Wait(wait), _, Awaits::Timer, Event::TimerFired) => {
            run.leave(&state.flow, state.assign.as_ref(), stay, wait.then)
        }
        (.., event) => {
            let what = match event {
                Event::TaskSucceeded { .. } | Event::TaskFailed { .. } => "the end of a task",
                Event::FanSucceeded { .. } | Event::FanFailed { .. } => "the end of a fan",
                Event::TimerFired => "a timer",
            };
            stay.failed(Failure::runtime(format!("state `{}` did not wait for {what}", state.name)))
        }
    };
    run.go(next)
}

/// One machine on its way, for one step.
struct Run<'a> {
    machine: &'a Machine,
    world: World<'a>,
}

impl<'a> Run<'a> {
    fn new(blueprint: &'a Blueprint, facts: &'a Facts<'a>) -> Self {
        Self { machine: &blueprint.machine, world: World::new(facts, blueprint.hash(), &blueprint.name) }
    }

    fn go<'s>(&'s self, mut next: Move<'s>) -> Step {
        let mut entered = Vec::new();
        loop {
            match next {
                Move::Rest(execution, next) => return Step { execution, entered, next },
                Move::Enter(index, data, own) => {
                    let state = &self.machine.states[index];
                    let entered_ms = self.world.facts.now_ms;
                    let stay = Stay::new(&state.name, entered_ms, data, own);
                    if entered.len() == MAX_ENTERED {
                        let cause = format!("the machine entered {MAX_ENTERED} states without ever waiting");
                        next = stay.failed(Failure::runtime(cause));
                    } else {
                        entered.push(state.name.clone());
                        next = self.enter(state, stay);
                    }
                }
            }
        }
    }

    fn enter<'s>(&'s self, state: &'s State, stay: Stay<'s>) -> Move<'s> {
        match &state.kind {
            Kind::Task(task) => self.order(state, &task.work, stay),
            Kind::Parallel(parallel) => self.order(state, &parallel.work, stay),
            Kind::Map(map) => self.order(state, &map.work, stay),
            Kind::Pass(pass) => self.pass(state, pass, stay),
            Kind::Choice(choice) => self.choose(state, choice, stay),
            Kind::Wait(wait) => self.wait(state, wait, stay),
            Kind::Succeed => self.leave(&state.flow, None, stay, Then::End),
            Kind::Fail(fail) => {
                let failure = self.fail(fail, &stay).unwrap_or_else(|failure| failure);
                stay.failed(failure)
            }
        }
    }

    fn pass<'s>(&'s self, state: &'s State, pass: &'s Pass, mut stay: Stay<'s>) -> Move<'s> {
        let Flow::JsonPath(paths) = &state.flow else {
            return self.leave(&state.flow, state.assign.as_ref(), stay, pass.then);
        };
        let ended = self.passed(paths, pass, &stay).and_then(|result| {
            let scope = self.scope(&stay, result.as_ref().unwrap_or(&stay.data));
            let assigned = self.assigned(state.assign.as_ref(), &scope)?;
            self.output(paths, &mut stay, result)?;
            Ok(assigned)
        });
        match ended {
            Ok(assigned) => self.follow(stay, assigned, pass.then),
            Err(failure) => stay.failed(failure),
        }
    }

    /// The result of a Pass state; `None` stands for the data itself.
    fn passed(&self, paths: &Paths, pass: &Pass, stay: &Stay<'_>) -> Result<Option<Value>, Failure> {
        if let Some(literal) = &pass.literal {
            return Ok(Some(literal.clone()));
        }
        let selected = self.select(&paths.input, stay, &stay.data)?;
        match &pass.parameters {
            Some(template) => template.fill(&self.scope(stay, selected.as_ref().unwrap_or(&stay.data))).map(Some),
            None => Ok(selected),
        }
    }

    fn choose<'s>(&'s self, state: &'s State, choice: &'s Choice, stay: Stay<'s>) -> Move<'s> {
        match self.chosen(state, choice, &stay) {
            Ok(Some(branch)) => {
                let flow = branch.flow.as_ref().unwrap_or(&state.flow);
                self.leave(flow, branch.assign.as_ref(), stay, Then::Next(branch.next))
            }
            Ok(None) => match choice.default {
                Some(next) => self.leave(&state.flow, state.assign.as_ref(), stay, Then::Next(next)),
                None => {
                    let cause = format!("no rule of state `{}` holds and it has no `Default`", state.name);
                    stay.failed(Failure::new(NO_CHOICE_MATCHED, cause))
                }
            },
            Err(failure) => stay.failed(failure),
        }
    }

    /// The first rule that holds, with what follows it.
    fn chosen<'s>(&self, state: &State, choice: &'s Choice, stay: &Stay<'_>) -> Result<Option<&'s Branch>, Failure> {
        let input = self.effective(&state.flow, stay)?;
        let scope = self.scope(stay, &input);
        for branch in &choice.branches {
            if branch.rule.holds(&scope)? {
                return Ok(Some(branch));
            }
        }
        Ok(None)
    }

    fn wait<'s>(&'s self, state: &'s State, wait: &'s Wait, stay: Stay<'s>) -> Move<'s> {
        let pause = self
            .effective(&state.flow, &stay)
            .and_then(|input| numbers::pause_ms(&wait.until, &self.scope(&stay, &input)));
        match pause {
            Ok(0) => self.leave(&state.flow, state.assign.as_ref(), stay, wait.then),
            Ok(for_ms) => stay.rest(Awaits::Timer, Next::Wait { for_ms, setback: None }),
            Err(failure) => stay.failed(failure),
        }
    }

    fn fail(&self, fail: &Fail, stay: &Stay<'_>) -> Result<Failure, Failure> {
        let scope = self.scope(stay, &stay.data);
        let error = fail.error.as_ref().map(|given| numbers::words(given, &scope)).transpose()?;
        let cause = fail.cause.as_ref().map(|given| numbers::words(given, &scope)).transpose()?;
        let cause = cause.unwrap_or_else(|| format!("state `{}` ended the job", stay.state));
        Ok(Failure::new(error.as_deref().unwrap_or(UNNAMED), cause))
    }

    /// Leaves a state that has no result.
    fn leave<'s>(&'s self, flow: &Flow, assign: Option<&Template>, mut stay: Stay<'s>, then: Then) -> Move<'s> {
        match self.pass_on(flow, assign, &mut stay) {
            Ok(assigned) => self.follow(stay, assigned, then),
            Err(failure) => stay.failed(failure),
        }
    }

    fn follow<'s>(&'s self, mut stay: Stay<'s>, assigned: Map<String, Value>, then: Then) -> Move<'s> {
        stay.assign(assigned);
        match then {
            Then::Next(index) => stay.enter(index),
            Then::End => {
                let output = std::mem::replace(&mut stay.data, Cow::Borrowed(self.world.facts.input)).into_owned();
                stay.own = Own::default();
                stay.rest(Awaits::Nothing, Next::Succeed { output })
            }
        }
    }
}
