//! How a skill goes through its work: stage by stage, and away from the threads that other tasks wait on.

use super::SkillError;
use crate::context::TaskContext;

/// Runs one stage, at whose end the task is `ends_at` done: tells when it begins and ends, and starts none when the task was
/// cancelled.
pub(crate) async fn stage<T>(
    context: &TaskContext,
    (name, ends_at): (&str, f64),
    work: impl Future<Output = Result<T, SkillError>>,
) -> Result<T, SkillError> {
    if context.is_cancelled() {
        return Err(SkillError::Cancelled);
    }
    context.stage_started(name);
    let done = work.await?;
    context.stage_completed(name);
    context.progress(ends_at, format!("{name} done"));
    Ok(done)
}

/// Work that would keep other tasks waiting if it ran among them.
pub(crate) async fn off_the_clock<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SkillError> + Send + 'static,
) -> Result<T, SkillError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|_| Err(SkillError::Permanent("a part of the work ended without an answer".to_owned())))
}
