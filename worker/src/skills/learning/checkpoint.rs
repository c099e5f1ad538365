//! Where a long run takes up again: one file of the task's own in S3, written anew at each checkpoint.

use std::path::Path;

use crate::{context::TaskContext, skills::SkillError};

/// The checkpoint of one task. Every attempt of the task has the same one; another task of the job has another.
#[derive(Debug)]
pub struct Checkpoint<'a> {
    context: &'a TaskContext,
    uri: Option<String>,
}

impl<'a> Checkpoint<'a> {
    /// The checkpoint of the task that is run. Where the orchestrator offers no place for files there is none, and the run
    /// starts from the beginning each time.
    #[must_use]
    pub fn of(context: &'a TaskContext) -> Self {
        Self { context, uri: context.checkpoint_uri() }
    }

    /// Brings the last checkpoint into a file; says whether there is one.
    ///
    /// # Errors
    /// Transient when S3 cannot be reached, cancelled when the task should stop.
    pub async fn restore(&self, to: &Path) -> Result<bool, SkillError> {
        let Some(uri) = &self.uri else { return Ok(false) };
        match self.context.download(uri, to).await {
            Ok(_) => Ok(true),
            Err(SkillError::InvalidInput { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a file the last checkpoint. It takes the place of the one before it whole or not at all.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub async fn keep(&self, file: &Path) -> Result<(), SkillError> {
        let Some(uri) = &self.uri else { return Ok(()) };
        self.context.upload(file, uri).await.map(drop)
    }
}
