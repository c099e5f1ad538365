//! What a program said while it ran, and what that makes of its end.

use std::{collections::HashSet, process::ExitStatus, time::Instant};

use relevo_shared::job::LogLevel;
use serde_json::Value;

use super::{
    allowance::{Allowance, Leave},
    ending::fault,
    lines::Line,
    speech::{Said, on_stderr, on_stdout},
};
use crate::{context::TaskContext, skills::SkillError};

/// Longest line of output that is understood, the result among them.
pub(super) const LONGEST_LINE: usize = 4 << 20;
/// Of a longer line for the log, and of one on standard error, this much is kept.
pub(super) const LONGEST_LOG: usize = 8 << 10;
/// Stages of a task that are kept, and bytes of a stage's name.
const MOST_STAGES: usize = 100;
const LONGEST_STAGE: usize = 128;
/// As much of the end of standard error is told with a failure.
const TAIL: usize = 1 << 10;

/// How a program ended that did what it was asked to.
#[derive(Debug)]
pub(super) enum Answer {
    /// With a result; none where it gave none.
    Success(Option<Value>),
    /// In another way, which the blueprint branches on.
    Outcome(String, Value),
}

/// What a program said on its output.
pub(super) struct Heard {
    result: Option<Value>,
    outcome: Option<(String, Value)>,
    error: Option<SkillError>,
    stages: HashSet<String>,
    said: Spoken,
}

impl Heard {
    pub(super) fn new() -> Self {
        Self { result: None, outcome: None, error: None, stages: HashSet::new(), said: Spoken::new() }
    }

    pub(super) fn hear(&mut self, line: Line<'_>, context: &TaskContext) {
        if line.cut && line.bytes.trim_ascii_start().starts_with(b"{") {
            let message = format!(
                "the program wrote a line of more than {} MiB; a large result belongs into a file",
                LONGEST_LINE >> 20
            );
            self.error = Some(SkillError::Permanent(message));
            return;
        }
        match on_stdout(if line.cut { &line.bytes[..LONGEST_LOG] } else { line.bytes }) {
            // Progress is coalesced further on, so there is never too much of it.
            Some(Said::Progress(progress, message)) => context.progress(progress, message),
            Some(Said::Stage { mut name, progress, completed }) => {
                name.truncate(name.floor_char_boundary(LONGEST_STAGE));
                if !self.said.may(context) || !self.knows(&name) {
                    return;
                }
                match (progress, completed) {
                    (_, true) => context.stage_completed(&name),
                    (Some(progress), false) => context.stage_progress(&name, progress),
                    (None, false) => context.stage_started(&name),
                }
            }
            Some(Said::Metric { name, step, value }) if self.said.may(context) => {
                context.metrics(step, [(name.as_str(), value)]);
            }
            Some(Said::Log(level, message, facts)) if self.said.may(context) => context.log(level, message, facts),
            Some(Said::Log(..) | Said::Metric { .. }) | None => {}
            Some(Said::Result(result)) => (self.result, self.outcome) = (Some(result), None),
            Some(Said::Outcome(word, result)) => self.outcome = Some((word, result)),
            Some(Said::Error(error)) => self.error = Some(error),
        }
    }

    /// Whether there is room for a stage of this name.
    fn knows(&mut self, stage: &str) -> bool {
        self.stages.contains(stage) || (self.stages.len() < MOST_STAGES && self.stages.insert(stage.to_owned()))
    }

    /// Tells what nobody was told of.
    pub(super) fn end(&self, context: &TaskContext) {
        self.said.end(context);
    }

    /// What the program said of its end counts before what its exit code says.
    pub(super) fn answer(self, status: ExitStatus, tail: &str) -> Result<Answer, SkillError> {
        match (self.error.or_else(|| fault(status, tail)), self.outcome) {
            (Some(error), _) => Err(error),
            (None, Some((word, result))) => Ok(Answer::Outcome(word, result)),
            (None, None) => Ok(Answer::Success(self.result)),
        }
    }
}

/// The end of a program's standard error.
pub(super) struct Tail {
    text: String,
    said: Spoken,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self { text: String::new(), said: Spoken::new() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Tells what nobody was told of.
    pub(super) fn end(&self, context: &TaskContext) {
        self.said.end(context);
    }

    pub(super) fn hear(&mut self, line: Line<'_>, context: &TaskContext) {
        let Some((level, text)) = on_stderr(line.bytes) else { return };
        if !self.text.is_empty() {
            self.text.push_str(" | ");
        }
        self.text.push_str(&text);
        if self.text.len() > TAIL {
            let from = self.text.ceil_char_boundary(self.text.len() - TAIL);
            self.text.drain(..from);
        }
        if self.said.may(context) {
            context.log(level, text, None);
        }
    }
}

/// Keeps what is told within bounds.
struct Spoken(Allowance);

impl Spoken {
    fn new() -> Self {
        Self(Allowance::new(Instant::now()))
    }

    fn may(&mut self, context: &TaskContext) -> bool {
        match self.0.ask(Instant::now()) {
            Leave::Drop => return false,
            Leave::TellAfter(dropped) => tell_dropped(dropped, context),
            Leave::Tell => {}
        }
        true
    }

    fn end(&self, context: &TaskContext) {
        if self.0.untold() > 0 {
            tell_dropped(self.0.untold(), context);
        }
    }
}

fn tell_dropped(lines: u64, context: &TaskContext) {
    context.log(LogLevel::Warning, format!("{lines} lines were left out: the program writes too fast"), None);
}
