//! `echo`: gives its parameters back. The smallest skill there is.

use relevo_shared::worker::Task;
use serde_json::Value;

use super::{Running, Skill};
use crate::context::TaskContext;

/// Answers with the task's parameters.
#[derive(Debug)]
pub(super) struct Echo;

impl Skill for Echo {
    fn name(&self) -> &str {
        "echo"
    }

    fn run<'a>(&'a self, task: &'a Task, _context: &'a TaskContext) -> Running<'a> {
        Box::pin(std::future::ready(Ok(Value::Object(task.params.clone()))))
    }
}
