//! What running tasks tell of themselves, a few tasks of one job at a time.

use relevo_shared::{
    JobId, TaskId, WorkerId,
    job::{LogLine, Stage},
    worker::ProgressReport,
};

use super::{
    Result, Store,
    keys::Keys,
    millis,
    script::{REPORT_PROGRESS, corrupt},
    tasks::{LeaseAnswer, token_text},
};

/// Tasks that one script hears, and their lines and stages together: it must not keep Redis from others for long.
const PART: (usize, usize) = (32, 1_000);
/// Log lines kept per job, about.
pub(super) const LOG_LINES: u32 = 10_000;

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
                told += report.logs.len() + report.stages.len();
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
        call.key(self.keys.job(job)).key(self.keys.live(job)).key(self.keys.logs(job));
        call.arg(self.keys.prefix_of(job)).arg(job.to_string());
        call.arg(LOG_LINES).arg(millis(self.durations.retention));
        for (task, report) in reports {
            call.key(self.keys.branch(task.branch));
            call.arg(task.to_string()).arg(report.worker_id.as_str()).arg(token_text(report.lease_token));
            call.arg(report.progress.map(|fraction| fraction.to_string()).unwrap_or_default());
            call.arg(report.message.as_deref().unwrap_or_default());
            call.arg(stages_text(&report.stages)).arg(report.logs.len());
            for line in &report.logs {
                call.arg(log_text(line));
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

fn log_text(line: &LogLine) -> String {
    serde_json::to_string(line).expect("a log line has string keys only")
}
