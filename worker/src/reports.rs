//! What a task told and was not sent yet: the latest progress and stages, and the log lines since.
//!
//! Pure: no clock, no I/O.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use relevo_shared::{
    WorkerId,
    job::{LogLevel, LogLine, Stage, StageStatus},
    worker::{MetricPoint, ProgressReport},
};

/// Log lines that wait for the next report; beyond these the oldest are dropped, and the drop is told.
const LINES: usize = 500;
/// The same limit in bytes.
const LINE_BYTES: usize = 256 * 1024;
/// Figures that wait for the next report; beyond these the oldest are dropped, which a chart does not show.
const FIGURES: usize = 1_000;
/// A longer message is cut.
const MESSAGE_BYTES: usize = 8 * 1024;

/// Collects what a task tells until it is taken.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    progress: Option<f64>,
    message: Option<String>,
    stages: Vec<Tracked>,
    lines: VecDeque<(usize, LogLine)>,
    bytes: usize,
    dropped: u64,
    metrics: VecDeque<MetricPoint>,
}

#[derive(Debug)]
struct Tracked {
    name: String,
    status: StageStatus,
    progress: f64,
    began: Option<Instant>,
    lasted: Option<Duration>,
    changed: bool,
}

impl Pending {
    pub(crate) fn progress(&mut self, progress: f64, message: String) {
        // A skill that divides by zero rows must not spoil its report.
        if let Some(progress) = part(progress) {
            self.progress = Some(progress);
        }
        self.message = Some(cut(message));
    }

    pub(crate) fn stage_started(&mut self, name: &str, now: Instant) {
        let stage = self.stage(name);
        (stage.status, stage.progress, stage.began, stage.lasted) = (StageStatus::Running, 0.0, Some(now), None);
    }

    pub(crate) fn stage_progress(&mut self, name: &str, progress: f64, now: Instant) {
        let stage = self.stage(name);
        stage.status = StageStatus::Running;
        stage.progress = part(progress).unwrap_or(stage.progress);
        stage.began.get_or_insert(now);
    }

    pub(crate) fn stage_completed(&mut self, name: &str, now: Instant) {
        let stage = self.stage(name);
        (stage.status, stage.progress) = (StageStatus::Completed, 1.0);
        stage.lasted = stage.began.map(|began| now - began);
    }

    /// Marks the stages that were under way when the task failed.
    pub(crate) fn fail_running_stages(&mut self, now: Instant) {
        for stage in self.stages.iter_mut().filter(|stage| stage.status == StageStatus::Running) {
            (stage.status, stage.changed) = (StageStatus::Failed, true);
            stage.lasted = stage.began.map(|began| now - began);
        }
    }

    pub(crate) fn log(&mut self, line: LogLine) {
        let line = LogLine { message: cut(line.message), ..line };
        let bytes = line.message.len() + line.context.as_ref().map_or(0, |context| context.to_string().len());
        self.bytes += bytes;
        self.lines.push_back((bytes, line));
        while self.lines.len() > LINES || self.bytes > LINE_BYTES {
            let Some((bytes, _)) = self.lines.pop_front() else { break };
            self.bytes -= bytes;
            self.dropped += 1;
        }
    }

    pub(crate) fn metrics(&mut self, points: impl IntoIterator<Item = MetricPoint>) {
        self.metrics.extend(points);
        let surplus = self.metrics.len().saturating_sub(FIGURES);
        self.metrics.drain(..surplus);
    }

    /// Everything that was told since the last time; none when that is nothing.
    pub(crate) fn take(
        &mut self,
        worker_id: &WorkerId,
        lease_token: Option<u64>,
        now: Instant,
    ) -> Option<ProgressReport> {
        let dropped = (self.dropped > 0).then(|| LogLine {
            timestamp: None,
            level: LogLevel::Warning,
            message: format!("{} log lines were dropped: the task wrote faster than they could be sent", self.dropped),
            context: None,
        });
        let report = ProgressReport {
            worker_id: worker_id.clone(),
            lease_token,
            progress: self.progress.take(),
            message: self.message.take(),
            stages: self
                .stages
                .iter_mut()
                .filter_map(|stage| std::mem::take(&mut stage.changed).then(|| stage.told(now)))
                .collect(),
            logs: dropped.into_iter().chain(self.lines.drain(..).map(|(_, line)| line)).collect(),
            metrics: self.metrics.drain(..).collect(),
        };
        (self.bytes, self.dropped) = (0, 0);

        let told = report.progress.is_some()
            || report.message.is_some()
            || !report.stages.is_empty()
            || !report.logs.is_empty()
            || !report.metrics.is_empty();
        told.then_some(report)
    }

    fn stage(&mut self, name: &str) -> &mut Tracked {
        let at = self.stages.iter().position(|stage| stage.name == name).unwrap_or_else(|| {
            let (status, progress) = (StageStatus::Pending, 0.0);
            self.stages.push(Tracked {
                name: name.to_owned(),
                status,
                progress,
                began: None,
                lasted: None,
                changed: true,
            });
            self.stages.len() - 1
        });
        let stage = &mut self.stages[at];
        stage.changed = true;
        stage
    }
}

impl Tracked {
    fn told(&self, now: Instant) -> Stage {
        let lasted = self.lasted.or_else(|| self.began.map(|began| now - began));
        let duration_seconds = lasted.map(|lasted| (lasted.as_secs_f64() * 1000.0).round() / 1000.0);
        Stage { name: self.name.clone(), status: self.status, progress: self.progress, duration_seconds }
    }
}

fn part(progress: f64) -> Option<f64> {
    (!progress.is_nan()).then(|| progress.clamp(0.0, 1.0))
}

fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> LogLine {
        LogLine { timestamp: None, level: LogLevel::Info, message: message.to_owned(), context: None }
    }

    fn take(pending: &mut Pending, now: Instant) -> Option<ProgressReport> {
        pending.take(&"w".parse().unwrap(), Some(3), now)
    }

    #[test]
    fn nothing_told_is_no_report() {
        let mut pending = Pending::default();
        pending.progress(0.5, "half".to_owned());

        assert!(take(&mut pending, Instant::now()).is_some());
        assert_eq!(take(&mut pending, Instant::now()), None);
    }

    #[test]
    fn the_latest_progress_wins_and_every_line_is_kept() {
        let mut pending = Pending::default();
        for n in 0..100 {
            pending.progress(f64::from(n) / 100.0, format!("{n}"));
            pending.log(line(&n.to_string()));
        }

        let report = take(&mut pending, Instant::now()).unwrap();

        assert_eq!((report.progress, report.message.as_deref()), (Some(0.99), Some("99")));
        assert_eq!(report.logs.len(), 100);
        assert_eq!(report.logs[7].message, "7");
    }

    #[test]
    fn progress_outside_0_to_1_is_mended() {
        let mut pending = Pending::default();

        let told = [f64::NAN, -1.0, 7.0].map(|progress| {
            pending.progress(progress, String::new());
            take(&mut pending, Instant::now()).unwrap().progress
        });

        assert_eq!(told, [None, Some(0.0), Some(1.0)]);
    }

    #[test]
    fn stages_tell_how_long_they_took_and_only_when_they_changed() {
        let began = Instant::now();
        let mut pending = Pending::default();
        pending.stage_started("read", began);
        pending.stage_completed("read", began + Duration::from_millis(1500));
        pending.stage_started("write", began + Duration::from_secs(2));
        take(&mut pending, began + Duration::from_secs(2)).unwrap();
        pending.stage_progress("write", 0.25, began + Duration::from_secs(3));

        let stages = take(&mut pending, began + Duration::from_secs(4)).unwrap().stages;

        let write = Stage {
            name: "write".to_owned(),
            status: StageStatus::Running,
            progress: 0.25,
            duration_seconds: Some(2.0),
        };
        assert_eq!(stages, [write]);
    }

    #[test]
    fn a_failure_marks_the_stage_that_was_under_way() {
        let began = Instant::now();
        let mut pending = Pending::default();
        pending.stage_started("read", began);
        pending.stage_completed("read", began);
        pending.stage_started("write", began);

        pending.fail_running_stages(began + Duration::from_secs(1));

        let stages = take(&mut pending, began + Duration::from_secs(9)).unwrap().stages;
        let told: Vec<_> = stages.into_iter().map(|stage| (stage.status, stage.duration_seconds)).collect();
        assert_eq!(told, [(StageStatus::Completed, Some(0.0)), (StageStatus::Failed, Some(1.0))]);
    }

    #[test]
    fn a_flood_of_lines_keeps_the_newest_and_says_how_many_are_missing() {
        let mut pending = Pending::default();
        for n in 0..LINES + 20 {
            pending.log(line(&n.to_string()));
        }

        let logs = take(&mut pending, Instant::now()).unwrap().logs;

        assert_eq!(logs.len(), LINES + 1);
        assert!(logs[0].message.starts_with("20 log lines were dropped"), "{}", logs[0].message);
        assert_eq!(logs[1].message, "20");
    }

    #[test]
    fn a_flood_of_bytes_is_bounded_too() {
        let mut pending = Pending::default();
        for _ in 0..LINES {
            pending.log(line(&"é".repeat(MESSAGE_BYTES)));
        }

        let logs = take(&mut pending, Instant::now()).unwrap().logs;

        let bytes: usize = logs.iter().map(|line| line.message.len()).sum();
        assert!((LINE_BYTES / 2..LINE_BYTES + MESSAGE_BYTES).contains(&bytes), "{bytes}");
    }
}
