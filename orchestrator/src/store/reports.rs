//! What running tasks tell of themselves, a few tasks of one job at a time.

use relevo_shared::{
    JobId, TaskId, WorkerId,
    job::{LogLine, Stage},
    worker::{MetricPoint, ProgressReport},
};

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{REPORT_PROGRESS, corrupt},
    tasks::{LeaseAnswer, token_text},
};
use crate::{domain::series::KeptPoint, time::from_rfc3339};

/// Tasks that one script hears, and their lines, stages and figures together: it must not keep Redis from others for long.
const PART: (usize, usize) = (32, 1_000);
/// Log lines kept per job, about.
pub(super) const LOG_LINES: u32 = 10_000;
/// Figures kept per job, about, and how many names they may have.
pub(super) const POINTS: u32 = 10_000;
const NAMES: u32 = 100;

impl Store {
    /// Takes what tasks of one job tell of themselves, the latest last, and renews their leases. Answers each.
    ///
    /// # Errors
    /// When Redis is away: then some of them may have been taken.
    pub async fn report_progress(&self, job: JobId, reports: &[(TaskId, ProgressReport)]) -> Result<Vec<LeaseAnswer>> {
        let mut answers = Vec::with_capacity(reports.len());
        while answers.len() < reports.len() {
            let left = &reports[answers.len()..];
            let mut told = 0;
            let fits = |(_, report): &&(TaskId, ProgressReport)| {
                told += report.logs.len() + report.stages.len() + report.metrics.len();
                told <= PART.1
            };
            let part = left.iter().take(PART.0).take_while(fits).count().max(1);
            let words = self.report_part(job, &left[..part]).await?;
            if words.len() != part {
                return Err(corrupt(format!("{} answers to {part} reports", words.len())));
            }
            for word in &words {
                answers.push(LeaseAnswer::read(word)?);
            }
        }
        Ok(answers)
    }

    /// Whether a worker holds a task; renews its lease.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn keep_lease(&self, task: TaskId, worker: &WorkerId, token: Option<u64>) -> Result<LeaseAnswer> {
        let alive = [(task, ProgressReport::of_life(worker.clone(), token))];
        let answers = self.report_progress(task.job(), &alive).await?;
        answers.first().copied().ok_or_else(|| corrupt("no answer to a report".to_owned()))
    }

    async fn report_part(&self, job: JobId, reports: &[(TaskId, ProgressReport)]) -> Result<Vec<String>> {
        let mut call = REPORT_PROGRESS.key(Keys::leases(job.partition(self.keys.partitions())));
        call.key(self.keys.job(job)).key(self.keys.live(job)).key(self.keys.logs(job)).key(self.keys.metrics(job));
        call.arg(self.keys.prefix_of(job)).arg(job.to_string());
        call.arg(LOG_LINES).arg(POINTS).arg(NAMES).arg(millis(self.durations.retention));
        for (task, report) in reports {
            call.key(self.keys.branch(task.branch));
            call.arg(task.to_string()).arg(report.worker_id.as_str()).arg(token_text(report.lease_token));
            call.arg(report.progress.map(|fraction| fraction.to_string()).unwrap_or_default());
            call.arg(report.message.as_deref().unwrap_or_default());
            call.arg(stages_text(&report.stages)).arg(report.logs.len()).arg(report.metrics.len());
            for line in &report.logs {
                call.arg(log_text(line));
            }
            for point in &report.metrics {
                call.arg(&point.name).arg(kept(*task, point).write());
            }
        }
        Ok(call.invoke_async(&mut self.connections.get().await?).await?)
    }
}

fn stages_text(stages: &[Stage]) -> String {
    if stages.is_empty() {
        return String::new();
    }
    serde_json::to_string(stages).expect("a stage has string keys only")
}

fn kept(task: TaskId, point: &MetricPoint) -> KeptPoint {
    let MetricPoint { name, step, value, timestamp } = point;
    let at = timestamp.as_deref().and_then(from_rfc3339).unwrap_or_default();
    KeptPoint { task, name: name.clone(), step: *step, value: *value, at }
}

fn log_text(line: &LogLine) -> String {
    serde_json::to_string(line).expect("a log line has string keys only")
}
