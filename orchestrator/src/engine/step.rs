//! Takes one step of a branch: has the domain decide it, and the store write it.

use std::sync::PoisonError;

use relevo_shared::{
    BranchId, JobId,
    job::{JobError, JobState},
};
use tracing::{debug, warn};

use super::{
    Engine, Move,
    approvals::Approval,
    facts::OwnedFacts,
    follow::{FanFailure, Follow},
};
use crate::{
    domain::{
        blueprint::{
            self, Blueprint, BranchStart, Facts, FanOrder, Next, Requirements, Resource, Setback, Step, TaskOrder,
        },
        job::state_for,
        placement::queue_name,
    },
    error::{Error, Result},
    store::{Advance, BranchAdvance, End, FanId, FanWrite, Standing, StepWrite, TaskWrite, Wants},
};

impl Engine {
    /// Decides the next step of a branch and writes it. Answers what that leads to.
    pub(super) async fn take_step(&self, branch: BranchId, standing: &Standing, next: Move) -> Result<Vec<Follow>> {
        let facts = self.facts(branch, standing).await?;
        if branch.place.is_none() && facts.known.job.cancelling {
            return self.write(branch, standing, &facts, cancelled(standing)).await;
        }
        let hash = &facts.known.job.hash;
        let Some(blueprint) = self.catalogue.pinned(&self.store, hash).await? else {
            return Err(Error::Broken(branch.job, format!("its blueprint {hash} is gone or cannot be read")));
        };
        let step = decide(branch, &blueprint, standing, next, &facts.borrow())?;
        let write = self.write_of(branch, standing, &blueprint, step, &facts).await?;
        self.write(branch, standing, &facts, write).await
    }

    /// Puts a branch aside that cannot be read: looking at it again would not mend it.
    pub(super) async fn put_aside(&self, branch: BranchId, standing: &Standing, reason: String) -> Result<Vec<Follow>> {
        warn!(job = %branch.job, %branch, reason, "put aside: it cannot be read");
        let error = JobError { code: "States.Runtime".to_owned(), message: reason, state: None, details: Vec::new() };
        let failure = FanFailure { error, quarantine: true };
        let write = StepWrite {
            state: JobState::Quarantined,
            end: Some(End::Error(serde_json::to_string(&failure).expect("an error has string keys only"))),
            ..cancelled(standing)
        };
        self.store_step(branch, standing, &write).await.map(|(_, follow)| follow)
    }

    /// Writes a step and tells of the end of a job.
    async fn write(
        &self,
        branch: BranchId,
        standing: &Standing,
        facts: &OwnedFacts,
        write: StepWrite,
    ) -> Result<Vec<Follow>> {
        let (written, mut follow) = self.store_step(branch, standing, &write).await?;
        if !written {
            return Ok(follow);
        }
        follow.extend(Follow::on(branch, &write.wants));
        if branch.place.is_none() && write.state.is_terminal() {
            let (id, job, state) = (branch.job, &facts.known.job, write.state);
            self.metrics.job_ended(state, standing.now - job.created_at);
            // Thousands complete in a second; those that need a look are told of.
            if state == JobState::Completed {
                debug!(job = %id, client = %job.client, "job completed");
            } else {
                warn!(job = %id, client = %job.client, state = state.as_str(), "job ended");
            }
        }
        Ok(follow)
    }

    async fn store_step(
        &self,
        branch: BranchId,
        standing: &Standing,
        write: &StepWrite,
    ) -> Result<(bool, Vec<Follow>)> {
        let Standing { revision, task, .. } = *standing;
        if let Some(place) = branch.place {
            let fan = FanId { job: branch.job, number: place.fan };
            return Ok(match self.store.advance_branch(branch, revision, task, write).await? {
                BranchAdvance::Written => (true, Vec::new()),
                BranchAdvance::Joined => (true, self.parent_of(fan).await?),
                BranchAdvance::HasRoom => (true, vec![Follow::Open(fan)]),
                BranchAdvance::Stale => (false, Vec::new()),
            });
        }
        Ok(match self.store.advance_job(branch.job, revision, task, write).await? {
            Advance::Written { parent } => (true, parent.map(Follow::Look).into_iter().collect()),
            // Its cancellation came between reading and writing: it is looked at again, and ends.
            Advance::Cancelling => (false, vec![Follow::Look(branch)]),
            Advance::Stale => (false, Vec::new()),
        })
    }

    async fn parent_of(&self, fan: FanId) -> Result<Vec<Follow>> {
        Ok(self.store.fan_parent(fan).await?.map(Follow::Look).into_iter().collect())
    }

    /// The step as the store takes it. What belongs to it and is stored elsewhere is stored before it.
    pub(super) async fn write_of(
        &self,
        branch: BranchId,
        standing: &Standing,
        blueprint: &Blueprint,
        mut step: Step,
        facts: &OwnedFacts,
    ) -> Result<StepWrite> {
        let begun = standing.execution.is_some();
        let number = u32::try_from(standing.revision + 1);
        let number = number.map_err(|_| Error::Broken(branch.job, "too many steps".to_owned()))?;
        let mut entered = std::mem::take(&mut step.entered);
        let (mut wants, mut due_in_ms, mut end, mut setback) = (Wants::Nothing, None, None, None);
        loop {
            match &step.next {
                Next::Task(order) => match &order.resource {
                    Resource::Skill(_) => wants = Wants::Task(self.task_of(number, order).await?),
                    Resource::Approval(group) => {
                        due_in_ms = order.timeout_seconds.map(|seconds| u64::from(seconds) * 1000);
                        let approval = Approval::wanted(group, order, number, facts.borrow().now_ms);
                        wants = Wants::Approval { number, record: approval.to_text() };
                    }
                    Resource::Blueprint(name) => {
                        due_in_ms = order.timeout_seconds.map(|seconds| u64::from(seconds) * 1000);
                        match self.check_child(name, &order.params, &facts.known.job).await? {
                            None => {
                                let id = JobId::fresh_beside(branch.job);
                                wants = Wants::Child { id, blueprint: name.clone(), params: order.params.to_string() };
                            }
                            Some(failed) => {
                                // The blueprint hears of it as of any task that failed.
                                step = blueprint::resume(blueprint, step.execution, failed, &facts.borrow());
                                entered.append(&mut step.entered);
                                due_in_ms = None;
                                continue;
                            }
                        }
                    }
                },
                Next::Fan(order) => wants = Wants::Fan(self.stock(branch, standing, order).await?),
                Next::Wait { for_ms, setback: failed } => {
                    due_in_ms = Some(*for_ms);
                    setback = failed.as_ref().map(|failed| setback_text(failed, step.execution.state()));
                }
                Next::Succeed { output } => end = Some(End::Result(output.to_string())),
                Next::Failed { state, error, cause, details, quarantine } => {
                    let error = JobError {
                        code: error.clone(),
                        message: cause.clone(),
                        state: state.clone(),
                        details: details.clone(),
                    };
                    let failure = FanFailure { error, quarantine: *quarantine };
                    end = Some(End::Error(serde_json::to_string(&failure).expect("an error has string keys only")));
                }
            }
            break;
        }
        let state = state_for(&step.next, begun);
        Ok(StepWrite {
            state,
            execution: serde_json::to_string(&step.execution).expect("an execution has string keys only"),
            current: if end.is_some() { String::new() } else { step.execution.state().to_owned() },
            entered: serde_json::to_string(&entered).expect("names are strings"),
            due_in_ms,
            end,
            setback,
            wants,
        })
    }

    /// Stores the starts of a fan-out's branches, so that the step that begins it can be small.
    async fn stock(&self, branch: BranchId, standing: &Standing, order: &FanOrder) -> Result<FanWrite> {
        // A job that is not stored yet has had none.
        let is_stored = standing.revision > 0 || branch.place.is_some();
        let number = if is_stored { self.store.number_fan(branch.job).await? } else { 1 };
        let starts: Vec<String> = order
            .branches
            .iter()
            .map(|start| serde_json::to_string(start).expect("a start has string keys only"))
            .collect();
        self.store.stock_fan(FanId { job: branch.job, number }, &starts).await?;
        Ok(FanWrite {
            number,
            total: starts.len(),
            limit: order.max_concurrency,
            tolerated: order.tolerated_failures,
            variables: serde_json::to_string(&order.variables).expect("variables have string keys only"),
        })
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

    async fn task_of(&self, number: u32, order: &TaskOrder) -> Result<TaskWrite> {
        let Resource::Skill(skill) = &order.resource else { unreachable!("only skills run on workers") };
        let queue = queue_name(skill, &order.requirements);
        if !order.requirements.is_empty() {
            self.note_requirements(&queue, &order.requirements).await?;
        }
        let ms = |seconds: Option<u32>| seconds.map(|seconds| u64::from(seconds) * 1000);
        Ok(TaskWrite {
            number,
            skill: skill.clone(),
            queue,
            params: order.params.to_string(),
            timeout_ms: ms(order.timeout_seconds),
            heartbeat_ms: ms(order.heartbeat_seconds),
            attempt: order.attempt,
        })
    }
}

/// Asks the domain for the next step.
fn decide(branch: BranchId, blueprint: &Blueprint, standing: &Standing, next: Move, facts: &Facts<'_>) -> Result<Step> {
    let broken = |what: &str, error: &serde_json::Error| Error::Broken(branch.job, format!("{what}: {error}"));
    let execution = || {
        let text = standing.execution.as_deref().unwrap_or_default();
        serde_json::from_str(text).map_err(|error| broken("execution", &error))
    };
    Ok(match (next, branch.place) {
        (Move::Begin, None) => blueprint::start(blueprint, facts),
        (Move::Begin, Some(_)) => {
            let start: BranchStart = serde_json::from_str(standing.start.as_deref().unwrap_or_default())
                .map_err(|error| broken("start of a branch", &error))?;
            blueprint::begin_branch(blueprint, start, facts)
        }
        (Move::Again, _) => blueprint::retry(blueprint, execution()?, facts),
        (Move::Go(event), _) => blueprint::resume(blueprint, execution()?, event, facts),
    })
}

/// What failed in a state, for those who watch the job.
fn setback_text(setback: &Setback, state: &str) -> String {
    let Setback { error, cause } = setback.clone();
    let error = JobError { code: error, message: cause, state: Some(state.to_owned()), details: Vec::new() };
    serde_json::to_string(&error).expect("an error has string keys only")
}

/// The last step of a job whose client wants it to end.
fn cancelled(standing: &Standing) -> StepWrite {
    StepWrite {
        state: JobState::Cancelled,
        execution: standing.execution.clone().unwrap_or_default(),
        current: String::new(),
        entered: "[]".to_owned(),
        due_in_ms: None,
        end: Some(End::Error(super::ending::cancelled_error())),
        setback: None,
        wants: Wants::Nothing,
    }
}
