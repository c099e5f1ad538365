//! Runs a machine from one wait to the next.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{
    Blueprint,
    execution::{Awaits, Event, Execution, Next, Step, TaskOrder, WaitReason},
    failure::{Failure, NO_CHOICE_MATCHED, means},
    model::{
        Choice, Fail, Kind, Machine, Pass, ResultPath, Seconds, Selection, State, StateIndex, Task, Then, Until, Wait,
        Words,
    },
    scope::{Facts, Here, Scope, World, instant},
};
use crate::domain::retry::{self, Verdict};

/// States that one step may enter; a machine that goes round without ever waiting ends here.
const MAX_ENTERED: usize = 10_000;

/// The longest that a Wait state or a timeout may last.
pub(super) const MAX_SECONDS: u32 = 99_999_999;

/// The error of a Fail state that names none.
const UNNAMED: &str = "Failed";

/// Runs a new job up to its first wait or its end.
#[must_use]
pub fn start(blueprint: &Blueprint, facts: &Facts<'_>) -> Step {
    let run = Run::new(blueprint, facts);
    run.go(Move::Enter(run.machine.start, Cow::Borrowed(facts.input)))
}

/// Goes on with a job that waited, up to its next wait or its end.
///
/// `facts.input` must be what it was when the job was started. An event that the job does not wait for ends it with
/// `States.Runtime`.
#[must_use]
pub fn resume(blueprint: &Blueprint, mut execution: Execution, event: Event, facts: &Facts<'_>) -> Step {
    let run = Run::new(blueprint, facts);
    let data = execution.data.take().map_or(Cow::Borrowed(facts.input), Cow::Owned);
    let name = execution.state;
    let stay = Stay { state: &name, entered_ms: execution.entered_ms, retries: execution.retries, data };
    let Some(state) = run.machine.index.get(&name).map(|index| &run.machine.states[*index]) else {
        return run.go(stay.failed(Failure::runtime(format!("the blueprint has no state `{name}`"))));
    };
    let next = match (&state.kind, execution.awaits, event) {
        (Kind::Task(task), Awaits::Task, Event::TaskSucceeded { output }) => run.succeeded(state, task, stay, output),
        (Kind::Task(task), Awaits::Task, Event::TaskFailed { error, cause, details }) => {
            run.task_failed(task, stay, Failure { error, cause, details })
        }
        (Kind::Task(task), Awaits::Retry, Event::TimerFired) => run.order(state, task, stay),
        (Kind::Wait(wait), Awaits::Timer, Event::TimerFired) => run.leave(state, stay, wait.then),
        (_, _, event) => {
            let what = match event {
                Event::TaskSucceeded { .. } | Event::TaskFailed { .. } => "the end of a task",
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

/// The machine's stay in one state. Its data is borrowed as long as it is the job's own input.
struct Stay<'a> {
    state: &'a str,
    entered_ms: i64,
    retries: Vec<u32>,
    data: Cow<'a, Value>,
}

/// What a state has led to.
// One lives at a time, on the stack: a box would cost every step an allocation and save nothing.
#[allow(clippy::large_enum_variant)]
enum Move<'a> {
    /// Another state, with its input.
    Enter(StateIndex, Cow<'a, Value>),
    /// A wait, or the end.
    Rest(Execution, Next),
}

impl<'a> Stay<'a> {
    fn rest(self, awaits: Awaits, next: Next) -> Move<'a> {
        let data = match self.data {
            Cow::Borrowed(_) => None,
            Cow::Owned(data) => Some(data),
        };
        let Self { state, entered_ms, retries, .. } = self;
        Move::Rest(Execution { state: state.to_owned(), data, entered_ms, retries, awaits }, next)
    }

    /// The end of the job; its data is kept, so that it can be looked at.
    fn ended(self, failure: Failure, quarantine: bool) -> Move<'a> {
        let Failure { error, cause, details } = failure;
        let state = Some(self.state.to_owned());
        self.rest(Awaits::Nothing, Next::Failed { state, error, cause, details, quarantine })
    }

    fn failed(self, failure: Failure) -> Move<'a> {
        self.ended(failure, false)
    }

    fn here(&self) -> Here<'_> {
        Here { state: self.state, entered_ms: self.entered_ms, retries: self.retries.iter().sum() }
    }
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
                Move::Enter(index, data) => {
                    let state = &self.machine.states[index];
                    let entered_ms = self.world.facts.now_ms;
                    let stay = Stay { state: &state.name, entered_ms, retries: Vec::new(), data };
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
            Kind::Task(task) => self.order(state, task, stay),
            Kind::Pass(pass) => self.pass(state, pass, stay),
            Kind::Choice(choice) => self.choose(state, choice, stay),
            Kind::Wait(wait) => self.wait(state, wait, stay),
            Kind::Succeed => self.leave(state, stay, Then::End),
            Kind::Fail(fail) => {
                let failure = self.fail(fail, &stay).unwrap_or_else(|failure| failure);
                stay.failed(failure)
            }
        }
    }

    /// Orders the state's task, for the first time or again.
    fn order<'s>(&'s self, state: &'s State, task: &'s Task, stay: Stay<'s>) -> Move<'s> {
        match self.task_order(state, task, &stay) {
            Ok(order) => stay.rest(Awaits::Task, Next::Task(order)),
            Err(failure) => self.task_failed(task, stay, failure),
        }
    }

    fn task_order(&self, state: &State, task: &Task, stay: &Stay<'_>) -> Result<TaskOrder, Failure> {
        let selected = self.select(&state.input, stay, &stay.data)?;
        let input = selected.map_or(Cow::Borrowed(stay.data.as_ref()), Cow::Owned);
        let scope = self.scope(stay, &input);
        let timeout_seconds = task.timeout.as_ref().map(|limit| seconds(limit, 1, &scope)).transpose()?;
        let heartbeat_seconds = task.heartbeat.as_ref().map(|limit| seconds(limit, 1, &scope)).transpose()?;
        let params = task.parameters.as_ref().map(|template| template.fill(&scope)).transpose()?;
        let params = params.unwrap_or_else(|| input.into_owned());
        if !params.is_object() {
            let cause =
                "the parameters of a task must be an object: give it Parameters, or an InputPath that leads to one";
            return Err(Failure::runtime(cause));
        }
        Ok(TaskOrder {
            state: state.name.clone(),
            resource: task.resource.clone(),
            params,
            requirements: task.requirements.clone(),
            timeout_seconds,
            heartbeat_seconds,
            attempt: 1 + stay.here().retries,
        })
    }

    fn succeeded<'s>(&'s self, state: &'s State, task: &'s Task, mut stay: Stay<'s>, output: Value) -> Move<'s> {
        let selected = match &task.result_selector {
            Some(template) => template.fill(&self.scope(&stay, &output)),
            None => Ok(output),
        };
        match selected.and_then(|result| self.output(state, &task.result, &mut stay, Some(result))) {
            Ok(()) => self.follow(stay, task.then),
            Err(failure) => self.task_failed(task, stay, failure),
        }
    }

    /// Looks for a retrier, then for a catcher, then to the default policy.
    fn task_failed<'s>(&'s self, task: &'s Task, mut stay: Stay<'s>, failure: Failure) -> Move<'s> {
        let random = self.world.facts.random;
        if let Some(index) = task.retry.iter().position(|retrier| means(&retrier.errors, &failure.error)) {
            let retrier = &task.retry[index];
            stay.retries.resize(task.retry.len(), 0);
            let done = stay.retries[index];
            if done < retrier.max_attempts {
                stay.retries[index] += 1;
                let for_ms = retrier.backoff.delay_ms(done, random);
                return stay.rest(Awaits::Retry, Next::Wait { for_ms, reason: WaitReason::Retry });
            }
        }
        if let Some(catcher) = task.catch.iter().find(|catcher| means(&catcher.errors, &failure.error)) {
            let error = json!({ "Error": failure.error, "Cause": failure.cause });
            return match self.combine(&catcher.result, &mut stay.data, Some(error)) {
                Ok(()) => Move::Enter(catcher.next, stay.data),
                Err(failure) => stay.failed(failure),
            };
        }
        let done = stay.here().retries;
        match retry::by_default(&failure.error, (!task.has_policy).then_some(done), random) {
            Verdict::RetryIn(for_ms) => {
                stay.retries = vec![done + 1];
                stay.rest(Awaits::Retry, Next::Wait { for_ms, reason: WaitReason::Retry })
            }
            Verdict::Quarantine => stay.ended(failure, true),
            Verdict::Fail => stay.ended(failure, false),
        }
    }

    fn pass<'s>(&'s self, state: &'s State, pass: &'s Pass, mut stay: Stay<'s>) -> Move<'s> {
        let result = match (&pass.literal, &pass.parameters) {
            (Some(literal), _) => Ok(Some(literal.clone())),
            (None, None) => self.select(&state.input, &stay, &stay.data),
            (None, Some(template)) => self.select(&state.input, &stay, &stay.data).and_then(|selected| {
                let input = selected.as_ref().unwrap_or(&stay.data);
                template.fill(&self.scope(&stay, input)).map(Some)
            }),
        };
        match result.and_then(|result| self.output(state, &pass.result, &mut stay, result)) {
            Ok(()) => self.follow(stay, pass.then),
            Err(failure) => stay.failed(failure),
        }
    }

    fn choose<'s>(&'s self, state: &'s State, choice: &'s Choice, stay: Stay<'s>) -> Move<'s> {
        let chosen = self.select(&state.input, &stay, &stay.data).and_then(|selected| {
            let scope = self.scope(&stay, selected.as_ref().unwrap_or(&stay.data));
            for (rule, next) in &choice.branches {
                if rule.holds(&scope)? {
                    return Ok(*next);
                }
            }
            choice.default.ok_or_else(|| {
                let cause = format!("no rule of state `{}` holds and it has no `Default`", state.name);
                Failure::new(NO_CHOICE_MATCHED, cause)
            })
        });
        match chosen {
            Ok(next) => self.leave(state, stay, Then::Next(next)),
            Err(failure) => stay.failed(failure),
        }
    }

    fn wait<'s>(&'s self, state: &'s State, wait: &'s Wait, stay: Stay<'s>) -> Move<'s> {
        let pause = self.select(&state.input, &stay, &stay.data).and_then(|selected| {
            let scope = self.scope(&stay, selected.as_ref().unwrap_or(&stay.data));
            pause_ms(&wait.until, &scope)
        });
        match pause {
            Ok(0) => self.leave(state, stay, wait.then),
            Ok(for_ms) => stay.rest(Awaits::Timer, Next::Wait { for_ms, reason: WaitReason::Timer }),
            Err(failure) => stay.failed(failure),
        }
    }

    fn fail(&self, fail: &Fail, stay: &Stay<'_>) -> Result<Failure, Failure> {
        let scope = self.scope(stay, &stay.data);
        let say = |words: &Option<Words>, what: &str, otherwise: String| match words {
            None => Ok(otherwise),
            Some(Words::Fixed(text)) => Ok(text.clone()),
            Some(Words::Computed(expression)) => match expression.evaluate(&scope)? {
                Value::String(text) => Ok(text),
                _ => Err(Failure::runtime(format!("{what} of state `{}` finds no text", stay.state))),
            },
        };
        let error = say(&fail.error, "ErrorPath", UNNAMED.to_owned())?;
        let cause = say(&fail.cause, "CausePath", format!("state `{}` ended the job", stay.state))?;
        Ok(Failure::new(&error, cause))
    }

    /// Leaves a state that changes nothing but by `InputPath` and `OutputPath`.
    fn leave<'s>(&'s self, state: &'s State, mut stay: Stay<'s>, then: Then) -> Move<'s> {
        for selection in [&state.input, &state.output] {
            match self.select(selection, &stay, &stay.data) {
                Ok(None) => {}
                Ok(Some(selected)) => stay.data = Cow::Owned(selected),
                Err(failure) => return stay.failed(failure),
            }
        }
        self.follow(stay, then)
    }

    fn follow<'s>(&'s self, mut stay: Stay<'s>, then: Then) -> Move<'s> {
        match then {
            Then::Next(index) => Move::Enter(index, stay.data),
            Then::End => {
                let output = std::mem::replace(&mut stay.data, Cow::Borrowed(self.world.facts.input)).into_owned();
                stay.rest(Awaits::Nothing, Next::Succeed { output })
            }
        }
    }

    /// Makes the state's output of its result: `ResultPath`, then `OutputPath`. `None` stands for the data itself.
    ///
    /// The data is untouched after an error, because a catcher goes on with it.
    fn output(
        &self,
        state: &State,
        to: &ResultPath,
        stay: &mut Stay<'_>,
        result: Option<Value>,
    ) -> Result<(), Failure> {
        if state.output == Selection::All {
            return self.combine(to, &mut stay.data, result);
        }
        let mut combined = stay.data.clone();
        self.combine(to, &mut combined, result)?;
        let selected = self.select(&state.output, stay, &combined)?;
        stay.data = selected.map_or(combined, Cow::Owned);
        Ok(())
    }

    fn combine(&self, to: &ResultPath, data: &mut Cow<'_, Value>, result: Option<Value>) -> Result<(), Failure> {
        match (to, result) {
            (ResultPath::Discard, _) | (ResultPath::Replace, None) => Ok(()),
            (ResultPath::Replace, Some(result)) => {
                self.world.admit(&result, 0)?;
                *data = Cow::Owned(result);
                Ok(())
            }
            (ResultPath::Into(path), result) => {
                let result = result.unwrap_or_else(|| data.as_ref().clone());
                self.world.admit(&result, path.depth())?;
                path.put(data.to_mut(), result)
            }
        }
    }

    /// The part of `data` that goes on; `None` stands for all of it.
    fn select(&self, selection: &Selection, stay: &Stay<'_>, data: &Value) -> Result<Option<Value>, Failure> {
        match selection {
            Selection::All => Ok(None),
            Selection::Nothing => Ok(Some(Value::Object(Map::new()))),
            Selection::Part(path) => {
                let scope = self.scope(stay, data);
                let found = path.find(&scope).ok_or_else(|| {
                    Failure::runtime(format!("`{}` finds nothing in the data of state `{}`", path.text(), stay.state))
                })?;
                self.world.admit(&found, 0)?;
                Ok(Some(found.into_owned()))
            }
        }
    }

    fn scope<'s>(&'s self, stay: &'s Stay<'_>, data: &'s Value) -> Scope<'s> {
        Scope { data, world: &self.world, here: stay.here() }
    }
}

/// Seconds from the blueprint or from the data, where they must be a whole number from `least` up.
fn seconds(limit: &Seconds, least: u32, scope: &Scope<'_>) -> Result<u32, Failure> {
    let path = match limit {
        Seconds::Fixed(seconds) => return Ok(*seconds),
        Seconds::At(path) => path,
    };
    let found = path.find(scope).and_then(|value| value.as_u64()).and_then(|seconds| u32::try_from(seconds).ok());
    found.filter(|seconds| (least..=MAX_SECONDS).contains(seconds)).ok_or_else(|| {
        let state = scope.here.state;
        let path = path.text();
        Failure::runtime(format!("`{path}` of state `{state}` must find a whole number from {least} to {MAX_SECONDS}"))
    })
}

/// How long a Wait state waits from now.
fn pause_ms(until: &Until, scope: &Scope<'_>) -> Result<u64, Failure> {
    let end = match until {
        Until::Seconds(limit) => return Ok(u64::from(seconds(limit, 0, scope)?) * 1000),
        Until::Instant(end) => *end,
        Until::InstantAt(path) => {
            let found = path.find(scope);
            found.as_deref().and_then(Value::as_str).and_then(instant).ok_or_else(|| {
                let state = scope.here.state;
                Failure::runtime(format!("`{}` of state `{state}` must find an RFC 3339 instant", path.text()))
            })?
        }
    };
    let left_ms = end.div_euclid(1_000_000) - i128::from(scope.world.facts.now_ms);
    Ok(u64::try_from(left_ms).unwrap_or(0).min(u64::from(MAX_SECONDS) * 1000))
}
