//! Tasks, Parallels and Maps: their orders, and what follows when what was ordered has ended.

use serde_json::{Value, json};

use super::{
    Run,
    flow::{ERROR_OUTPUT, RESULT},
    numbers::{MAX_SECONDS, whole},
    stay::{Move, Stay},
};
use crate::domain::{
    blueprint::{
        execution::{Awaits, Next, Setback, TaskOrder},
        failure::{EXCEED_TOLERATED, Failure, QUERY_EVALUATION_ERROR, RUNTIME},
        model::{Flow, Kind, State, Task, Then},
        resource::Resource,
        work::Work,
    },
    retry::{self, Verdict},
};

impl Run<'_> {
    /// Orders the state's task or fan, for the first time or again.
    pub(super) fn order<'s>(&'s self, state: &'s State, work: &'s Work, stay: Stay<'s>) -> Move<'s> {
        let fan = match &state.kind {
            Kind::Task(task) => {
                return match self.task_order(state, task, &stay) {
                    Ok(order) => stay.rest(Awaits::Task, Next::Task(order)),
                    Err(failure) => self.failed(state, work, stay, failure),
                };
            }
            Kind::Parallel(parallel) => self.parallel_order(state, parallel, &stay),
            Kind::Map(map) => self.map_order(state, map, &stay),
            _ => Err(Failure::runtime(format!("state `{}` orders nothing", state.name))),
        };
        match fan {
            Ok(order) if order.branches.is_empty() => self.succeeded(state, work, stay, json!([])),
            Ok(order) => stay.rest(Awaits::Fan, Next::Fan(order)),
            Err(failure) => self.failed(state, work, stay, failure),
        }
    }

    fn task_order(&self, state: &State, task: &Task, stay: &Stay<'_>) -> Result<TaskOrder, Failure> {
        let input = self.effective(&state.flow, stay)?;
        let scope = self.scope(stay, &input);
        let seconds = |limit: &_| whole(limit, 1..=MAX_SECONDS, &scope);
        let timeout_seconds = task.timeout.as_ref().map(seconds).transpose()?;
        let heartbeat_seconds = task.heartbeat.as_ref().map(seconds).transpose()?;
        if let (Some(timeout), Some(heartbeat)) = (timeout_seconds, heartbeat_seconds)
            && heartbeat >= timeout
        {
            let error = match state.flow {
                Flow::JsonPath(_) => RUNTIME,
                Flow::Jsonata(_) => QUERY_EVALUATION_ERROR,
            };
            let cause = format!("the heartbeat of {heartbeat} seconds is not shorter than the timeout of {timeout}");
            return Err(Failure::new(error, cause));
        }
        let params = task.parameters.as_ref().map(|template| template.fill(&scope)).transpose()?;
        let params = params.unwrap_or_else(|| input.into_owned());
        if !params.is_object() {
            let cause = "what a task gets must be an object: give it Parameters (in JSONata, Arguments) that are one";
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

    pub(super) fn succeeded<'s>(
        &'s self,
        state: &'s State,
        work: &'s Work,
        mut stay: Stay<'s>,
        output: Value,
    ) -> Move<'s> {
        let ended = self.settle(&state.flow, state.assign.as_ref(), &mut stay, (RESULT, output));
        match ended {
            Ok(assigned) => self.follow(stay, assigned, work.then),
            Err(failure) => self.failed(state, work, stay, failure),
        }
    }

    /// The end of a fan in which more branches failed than may.
    pub(super) fn fan_failed<'s>(
        &'s self,
        state: &'s State,
        work: &'s Work,
        stay: Stay<'s>,
        mut failure: Failure,
    ) -> Move<'s> {
        if let Kind::Map(map) = &state.kind
            && map.tolerated.is_given()
        {
            failure.cause = format!(
                "more items of state `{}` failed than it tolerates, lastly with {}: {}",
                state.name, failure.error, failure.cause
            );
            EXCEED_TOLERATED.clone_into(&mut failure.error);
        }
        self.failed(state, work, stay, failure)
    }

    /// Looks for a retrier, then for a catcher, then to the default policy.
    pub(super) fn failed<'s>(
        &'s self,
        state: &'s State,
        work: &'s Work,
        mut stay: Stay<'s>,
        failure: Failure,
    ) -> Move<'s> {
        let random = self.world.facts.random;
        if let Some(index) = work.retry.iter().position(|retrier| failure.is_meant_by(&retrier.errors)) {
            let retrier = &work.retry[index];
            stay.retries.resize(work.retry.len(), 0);
            let done = stay.retries[index];
            if done < retrier.max_attempts {
                stay.retries[index] += 1;
                let for_ms = retrier.backoff.delay_ms(done, random);
                return stay.rest(Awaits::Retry, again(for_ms, failure));
            }
        }
        if let Some(catcher) = work.catch.iter().find(|catcher| failure.is_meant_by(&catcher.errors)) {
            let error = json!({ "Error": failure.error, "Cause": failure.cause });
            let caught = self.settle(&catcher.flow, catcher.assign.as_ref(), &mut stay, (ERROR_OUTPUT, error));
            return match caught {
                Ok(assigned) => self.follow(stay, assigned, Then::Next(catcher.next)),
                Err(failure) => stay.failed(failure),
            };
        }
        if let Some(quarantine) = failure.quarantine {
            return stay.ended(failure, quarantine);
        }
        // An approval or a job of its own ends for good; only a skill is tried again without being told to.
        let by_default = matches!(&state.kind, Kind::Task(task) if matches!(task.resource, Resource::Skill(_)));
        let done = stay.here().retries;
        match retry::by_default(&failure.error, (by_default && !work.has_policy).then_some(done), random) {
            Verdict::RetryIn(for_ms) => {
                stay.retries = vec![done + 1];
                stay.rest(Awaits::Retry, again(for_ms, failure))
            }
            Verdict::Quarantine => stay.ended(failure, true),
            Verdict::Fail => stay.ended(failure, false),
        }
    }
}

fn again(for_ms: u64, failure: Failure) -> Next {
    Next::Wait { for_ms, setback: Some(Setback { error: failure.error, cause: failure.cause }) }
}
