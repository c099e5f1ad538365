//! Between a step as the domain decides it and a step as the store writes it.

use std::sync::PoisonError;

use relevo_shared::{JobId, TaskId, job::JobError};
use serde_json::Value;

use super::Engine;
use crate::{
    domain::{
        blueprint::{Facts, Next, Requirements, Resource, Step, TaskOrder},
        job::state_for,
        placement::queue_name,
    },
    error::{Error, Result},
    store::{Standing, StepWrite, TaskWrite},
    time::rfc3339,
};

/// Owns what [`Facts`] borrows.
pub(super) struct OwnedFacts {
    job_id: String,
    input: Value,
    dataset: Option<Value>,
    started_at: String,
    now_ms: i64,
    random: f64,
}

impl OwnedFacts {
    pub(super) fn read(id: JobId, standing: &Standing) -> Result<Self> {
        let parse = |text: &str| serde_json::from_str(text).map_err(|error| Error::Broken(id, error.to_string()));
        Ok(Self::new(
            id,
            parse(&standing.input)?,
            standing.source.as_deref().map(parse).transpose()?,
            standing.created_at,
            standing.now,
        ))
    }

    pub(super) fn new(id: JobId, input: Value, dataset: Option<Value>, created_at: i64, now_ms: i64) -> Self {
        let random = fastrand::f64();
        Self { job_id: id.to_string(), input, dataset, started_at: rfc3339(created_at), now_ms, random }
    }

    pub(super) fn borrow(&self) -> Facts<'_> {
        Facts {
            job_id: &self.job_id,
            input: &self.input,
            outer: None,
            dataset: self.dataset.as_ref(),
            started_at: &self.started_at,
            now_ms: self.now_ms,
            random: self.random,
        }
    }
}

impl Engine {
    /// The step as the store takes it. A task's number is the revision that queues it, so it is never used twice.
    pub(super) async fn write_of(
        &self,
        id: JobId,
        revision: u64,
        priority: i32,
        begun: bool,
        step: &Step,
    ) -> Result<StepWrite> {
        let state = state_for(&step.next, begun);
        let mut write = StepWrite {
            state,
            execution: serde_json::to_string(&step.execution).expect("an execution has string keys only"),
            current: if state.is_terminal() { String::new() } else { step.execution.state().to_owned() },
            entered: serde_json::to_string(&step.entered).expect("names are strings"),
            due_in_ms: None,
            result: None,
            error: None,
            task: None,
        };
        match &step.next {
            Next::Task(order) => {
                let number = u32::try_from(revision + 1).map_err(|_| Error::Broken(id, "too many steps".to_owned()))?;
                write.task = Some(self.task_of(TaskId { job: id, number }, priority, order).await?);
            }
            Next::Fan(order) => {
                let message = format!("state `{}` opens branches, which this release does not run", order.state);
                return Err(Error::Broken(id, message));
            }
            Next::Wait { for_ms, .. } => write.due_in_ms = Some(*for_ms),
            Next::Succeed { output } => write.result = Some(output.to_string()),
            Next::Failed { state, error, cause, details, .. } => {
                let error = JobError {
                    code: error.clone(),
                    message: cause.clone(),
                    state: state.clone(),
                    details: details.clone(),
                };
                write.error = Some(serde_json::to_string(&error).expect("an error has string keys only"));
            }
        }
        Ok(write)
    }

    /// Tells every replica, once, what the tasks of a queue ask for.
    async fn note_requirements(&self, queue: &str, requirements: &Requirements) -> Result<()> {
        let noted = || self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if !noted().contains(queue) {
            self.store.note_requirements(queue, &requirements.canonical()).await?;
            noted().insert(queue.to_owned());
        }
        Ok(())
    }

    async fn task_of(&self, id: TaskId, priority: i32, order: &TaskOrder) -> Result<TaskWrite> {
        let Resource::Skill(skill) = &order.resource else {
            return Err(Error::Broken(id.job, format!("{} cannot be queued for a worker", order.resource)));
        };
        let queue = queue_name(skill, &order.requirements);
        if !order.requirements.is_empty() {
            self.note_requirements(&queue, &order.requirements).await?;
        }
        let seconds = |seconds: Option<u32>| seconds.map(|seconds| u64::from(seconds) * 1000);
        Ok(TaskWrite {
            id,
            skill: skill.clone(),
            queue,
            params: order.params.to_string(),
            timeout_ms: seconds(order.timeout_seconds),
            heartbeat_ms: seconds(order.heartbeat_seconds),
            attempt: order.attempt,
            priority,
        })
    }
}
