//! `exec`: any program as a skill. Its task comes in as JSON, what it tells goes out as lines, its files lie in two folders.

mod allowance;
mod ending;
mod files;
mod group;
mod heard;
mod lines;
mod program;
mod speech;

use std::path::Path;

use relevo_shared::worker::Task;
use serde_json::{Map, Value, json};

use self::{group::Keeper, heard::Answer};
use super::{Running, Skill, SkillError};
use crate::{context::TaskContext, settings::Program};

/// A program under the name of a skill.
#[derive(Debug)]
pub(super) struct Exec {
    program: Program,
    keeper: Keeper,
}

/// A skill for each program.
pub(super) fn skills(programs: &[Program]) -> Vec<Exec> {
    if programs.is_empty() {
        return Vec::new();
    }
    let keeper = Keeper::start();
    programs.iter().map(|program| Exec { program: program.clone(), keeper: keeper.clone() }).collect()
}

impl Skill for Exec {
    fn name(&self) -> &str {
        self.program.name.as_str()
    }

    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a> {
        Box::pin(self.execute(task, context))
    }
}

impl Exec {
    async fn execute(&self, task: &Task, context: &TaskContext) -> Result<Value, SkillError> {
        let (input, output) = (folder(context, "input")?, folder(context, "output")?);
        let files = files::bring(&self.program.inputs, &task.params, &input, context).await?;
        let order = json!({
            "task_id": task.task_id, "job_id": task.job_id, "skill": task.skill, "attempt": task.attempt,
            "params": task.params, "seed": task.params.get("seed"), "input": input, "output": output, "files": files,
        });
        let variables = [
            ("RELEVO_TASK_ID", task.task_id.to_string()),
            ("RELEVO_JOB_ID", task.job_id.to_string()),
            ("RELEVO_ATTEMPT", task.attempt.to_string()),
            ("RELEVO_INPUT", input.display().to_string()),
            ("RELEVO_OUTPUT", output.display().to_string()),
        ];
        let order = format!("{order}\n").into_bytes();
        let answer = program::run(&self.program, &self.keeper, order, &variables, context).await?;
        let published = files::publish(&output, context).await?;
        match answer {
            Answer::Success(result) => Ok(with_files(result.unwrap_or_else(|| json!({})), published)),
            Answer::Outcome(word, result) => Err(SkillError::Outcome { word, result: with_files(result, published) }),
        }
    }
}

fn folder(context: &TaskContext, name: &str) -> Result<std::path::PathBuf, SkillError> {
    let path: &Path = &context.work_dir().join(name);
    let made = std::fs::create_dir_all(path);
    made.map_err(|fault| SkillError::ResourceExhausted(format!("{}: {fault}", path.display())))?;
    Ok(path.to_owned())
}

/// The result with the addresses of the files that the program left, unless it says something else of them itself.
fn with_files(mut result: Value, published: Map<String, Value>) -> Value {
    if !published.is_empty()
        && let Value::Object(members) = &mut result
    {
        members.entry("files").or_insert(Value::Object(published));
    }
    result
}
