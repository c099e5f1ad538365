//! A step as the domain decided it, on its way into a script.

use redis::ScriptInvocation;
use relevo_shared::{JobId, SkillName, job::JobState};

/// How a branch stands after a step.
#[derive(Debug, Clone)]
pub struct StepWrite {
    /// The job's state after it; of the job's own branch only.
    pub state: JobState,
    /// Where it is in its blueprint, as JSON; empty while it has not begun.
    pub execution: String,
    /// The state of the blueprint that it is in; empty once it has ended.
    pub current: String,
    /// The states that it entered in this step, as a JSON array of names.
    pub entered: String,
    /// When to look at it again, in milliseconds from now.
    pub due_in_ms: Option<u64>,
    /// Its end, when this is its last step.
    pub end: Option<End>,
    /// What failed and is to run again, as JSON.
    pub setback: Option<String>,
    /// What it waits for.
    pub wants: Wants,
}

/// The end of a branch.
#[derive(Debug, Clone)]
pub enum End {
    /// With a result, as JSON.
    Result(String),
    /// With an error, as JSON.
    Error(String),
}

/// What a branch waits for beside a timer.
#[derive(Debug, Clone)]
pub enum Wants {
    /// Nothing.
    Nothing,
    /// A task.
    Task(TaskWrite),
    /// A person's decision.
    Approval {
        /// Takes the number that a task would have.
        number: u32,
        /// Its group, when it ends and so on, as JSON.
        record: String,
    },
    /// Another job, which is submitted after this is written.
    Child {
        /// Its id.
        id: JobId,
        /// Name of its blueprint.
        blueprint: String,
        /// Its input, as JSON.
        params: String,
    },
    /// Branches of its own, whose starts are stored already.
    Fan(FanWrite),
}

/// A task to queue.
#[derive(Debug, Clone)]
pub struct TaskWrite {
    /// Its number within the branch.
    pub number: u32,
    /// The skill that it needs.
    pub skill: SkillName,
    /// Its queue.
    pub queue: String,
    /// Its parameters, as JSON.
    pub params: String,
    /// Milliseconds that it may run.
    pub timeout_ms: Option<u64>,
    /// Milliseconds between two signs of life.
    pub heartbeat_ms: Option<u64>,
    /// From 1.
    pub attempt: u32,
}

/// A fan-out to begin.
#[derive(Debug, Clone)]
pub struct FanWrite {
    /// Its number within the job.
    pub number: u32,
    /// How many branches it has.
    pub total: usize,
    /// At most so many run at once.
    pub limit: Option<u32>,
    /// So many may fail.
    pub tolerated: u32,
    /// Variables that its branches can read, as JSON.
    pub variables: String,
}

impl StepWrite {
    /// The step of a job that begins later.
    #[must_use]
    pub const fn put_off(ms: u64) -> Self {
        Self {
            state: JobState::Pending,
            execution: String::new(),
            current: String::new(),
            entered: String::new(),
            due_in_ms: Some(ms),
            end: None,
            setback: None,
            wants: Wants::Nothing,
        }
    }

    /// Adds the step as names and values, as `named` of the prelude reads them. What is "none" is left out.
    pub(super) fn add_to(&self, call: &mut ScriptInvocation<'_>) {
        let mut add = |name: &str, value: &str| {
            call.arg(name).arg(value);
        };
        let add_number = |name: &str, value: Option<u64>, add: &mut dyn FnMut(&str, &str)| {
            if let Some(value) = value {
                add(name, &value.to_string());
            }
        };
        add("state", self.state.as_str());
        add("execution", &self.execution);
        add("current", &self.current);
        add("entered", &self.entered);
        add_number("due_ms", self.due_in_ms, &mut add);
        match &self.end {
            None => {}
            Some(End::Result(result)) => add("result", result),
            Some(End::Error(error)) => add("error", error),
        }
        if self.end.is_some() {
            add("ended", "1");
        }
        if let Some(setback) = &self.setback {
            add("setback", setback);
        }
        match &self.wants {
            Wants::Nothing => {}
            Wants::Task(task) => {
                add_number("number", Some(task.number.into()), &mut add);
                add("skill", task.skill.as_str());
                add("queue", &task.queue);
                add("params", &task.params);
                add_number("timeout_ms", task.timeout_ms, &mut add);
                add_number("heartbeat_ms", task.heartbeat_ms, &mut add);
                add_number("attempt", Some(task.attempt.into()), &mut add);
            }
            Wants::Approval { number, record } => {
                add_number("number", Some((*number).into()), &mut add);
                add("approval", record);
            }
            Wants::Child { id, blueprint, params } => {
                add("child", &id.to_string());
                add("skill", blueprint);
                add("params", params);
            }
            Wants::Fan(fan) => {
                add_number("fan", Some(fan.number.into()), &mut add);
                add_number("fan_total", u64::try_from(fan.total).ok(), &mut add);
                add_number("fan_limit", fan.limit.map(u64::from), &mut add);
                add_number("fan_tolerated", Some(fan.tolerated.into()), &mut add);
                add("fan_variables", &fan.variables);
            }
        }
    }
}
