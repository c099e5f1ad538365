//! How likely the rows that judge are under a machine that was trained, found in short pieces of work.

use super::{
    machine::{Effort, LikelihoodRun, LogLikelihood},
    run::Run,
};
use crate::{context::TaskContext, skills::SkillError};

/// Rows that are asked about.
const ROWS: i64 = 2000;

/// The mean log-likelihood of rows that judge, some thousand at most.
///
/// # Errors
/// `Cancelled`; `ResourceExhausted`.
pub(super) async fn likelihood(run: &mut Run, seed: u64, context: &TaskContext) -> Result<LogLikelihood, SkillError> {
    let begin = move |machine: &_, rows: &_| LikelihoodRun::begin(machine, rows, Effort::default(), seed);
    let mut estimate = run.with_machine(ROWS, begin).await?;
    loop {
        if context.is_cancelled() {
            return Err(SkillError::Cancelled);
        }
        let (advanced, more) = run
            .with_machine(0, move |_, _| {
                let more = estimate.advance()?;
                Ok((estimate, more))
            })
            .await?;
        estimate = advanced;
        if !more {
            return run.with_machine(0, move |_, _| estimate.end()).await;
        }
    }
}
