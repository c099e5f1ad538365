//! The skills: each is a name and a verb behind one small trait.
//!
//! A skill knows nothing of leases, HTTP or retries: it takes parameters and a [`TaskContext`], and gives a result.

pub mod artefacts;
#[cfg(feature = "torch")]
mod audit;
#[cfg(feature = "torch")]
pub mod beto;
#[cfg(feature = "torch")]
pub mod boltzmann;
mod data;
mod echo;
mod exec;
pub(crate) mod fields;
mod import;
pub mod learning;
mod profiling;
mod promote;
mod registry;
pub mod sampling;
mod sleep;
mod stages;
#[cfg(feature = "torch")]
mod sweep;
pub mod tabular;
#[cfg(feature = "torch")]
pub mod torch;

use std::{future::Future, pin::Pin};

use relevo_shared::{problem::Detail, worker::Task};
use serde_json::Value;

pub use self::registry::{Registry, RegistryError, registry};
pub(crate) use self::stages::{off_the_clock, stage};
use crate::context::TaskContext;

/// The answer that a skill is working on.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Value, SkillError>> + Send + 'a>>;

/// One thing that a worker can do.
pub trait Skill: Send + Sync + 'static {
    /// Its name, for example `beto.preprocess`.
    fn name(&self) -> &str;

    /// Runs one task to its end. The value is the task's result.
    ///
    /// # Errors
    /// A [`SkillError`], whose kind decides whether the task is tried again.
    fn run<'a>(&'a self, task: &'a Task, context: &'a TaskContext) -> Running<'a>;

    /// Models that are loaded right now; advertised in heartbeats.
    fn loaded_models(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Why a task failed. The kind is policy for the orchestrator; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkillError {
    /// The parameters or the input are wrong; trying again would not help. The job fails.
    #[error("{message}")]
    InvalidInput {
        /// What is wrong, in one sentence.
        message: String,
        /// Which fields, and what would be right.
        details: Vec<Detail>,
    },
    /// Something outside was away for a moment; the task is tried again.
    #[error("{0}")]
    Transient(String),
    /// It failed and would fail again; the job is kept for a person to look at.
    #[error("{0}")]
    Permanent(String),
    /// Memory, disk or device ran out; tried again, elsewhere if that can be.
    #[error("{0}")]
    ResourceExhausted(String),
    /// It ended in another way than success or failure, on which the blueprint branches.
    #[error("ended as {word}")]
    Outcome {
        /// The word for it.
        word: String,
        /// What goes with it.
        result: Value,
    },
    /// The task was cancelled, or its lease was lost, and the skill stopped.
    #[error("stopped before the end")]
    Cancelled,
}

impl SkillError {
    /// An invalid input with one named field.
    pub fn invalid(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::invalid_fields(vec![Detail::new(field, reason)])
    }

    /// An invalid input with several named fields; the message tells them all.
    #[must_use]
    pub fn invalid_fields(details: Vec<Detail>) -> Self {
        let sentences: Vec<String> = details.iter().map(|it| format!("{}: {}", it.field, it.reason)).collect();
        Self::InvalidInput { message: sentences.join("; "), details }
    }

    /// The code that goes over the wire; an outcome goes by its own word instead.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidInput { .. } => "INVALID_INPUT",
            Self::Transient(_) => "TRANSIENT",
            Self::Permanent(_) => "PERMANENT",
            Self::ResourceExhausted(_) => "RESOURCE_EXHAUSTED",
            Self::Outcome { .. } => "OUTCOME",
            Self::Cancelled => "CANCELLED",
        }
    }
}
