//! Reports of one task that come soon after one another, made into one: what they end with, and every line that they tell.

use std::collections::VecDeque;

use relevo_shared::{
    job::{LogLevel, LogLine, Stage, StageStatus},
    worker::{MetricPoint, ProgressReport},
};

/// Log lines that are kept of several reports, and their bytes. Beyond these the oldest are dropped, and the drop is told.
const LINES: usize = 1_000;
const LINE_BYTES: usize = 1024 * 1024;
/// Figures that are kept of several reports; beyond these the oldest are dropped, and the drop is told.
const POINTS: usize = 1_000;
/// Changes of stages that are kept; beyond these a stage is told of as it was last only.
const STAGE_CHANGES: usize = 200;

/// Reports of one task under one lease.
#[derive(Debug)]
pub struct Gathered {
    report: ProgressReport,
    /// Each with its bytes.
    lines: VecDeque<(usize, LogLine)>,
    bytes: usize,
    dropped: u64,
    points: VecDeque<MetricPoint>,
    points_dropped: u64,
}

impl Gathered {
    /// Begins with a report, all of which is kept.
    #[must_use]
    pub fn new(mut report: ProgressReport) -> Self {
        let lines = measured(&mut report);
        let bytes = lines.iter().map(|(bytes, _)| bytes).sum();
        let points = std::mem::take(&mut report.metrics).into();
        Self { report, lines, bytes, dropped: 0, points, points_dropped: 0 }
    }

    /// Whether a report is of the same worker under the same lease.
    #[must_use]
    pub fn takes(&self, other: &ProgressReport) -> bool {
        self.report.worker_id == other.worker_id && self.report.lease_token == other.lease_token
    }

    /// Adds a report that came later: its progress and its message count, its stages, lines and figures follow those before.
    pub fn add(&mut self, mut later: ProgressReport) {
        self.report.progress = later.progress.or(self.report.progress);
        self.report.message = later.message.take().or(self.report.message.take());
        for stage in std::mem::take(&mut later.stages) {
            self.add_stage(stage);
        }
        let fresh = measured(&mut later);
        let kept = fresh.len();
        for (bytes, line) in fresh {
            self.bytes += bytes;
            self.lines.push_back((bytes, line));
        }
        while self.lines.len() > kept && (self.lines.len() > LINES || self.bytes > LINE_BYTES) {
            let Some((bytes, _)) = self.lines.pop_front() else { break };
            self.bytes -= bytes;
            self.dropped += 1;
        }
        let kept = later.metrics.len().max(POINTS);
        self.points.extend(later.metrics);
        let surplus = self.points.len().saturating_sub(kept);
        self.points.drain(..surplus);
        self.points_dropped += surplus as u64;
    }

    /// A later word on a stage takes the place of an earlier one, unless that told of its end and this of a new beginning.
    fn add_stage(&mut self, stage: Stage) {
        let stages = &mut self.report.stages;
        let full = stages.len() >= STAGE_CHANGES;
        match stages.iter_mut().rev().find(|known| known.name == stage.name) {
            Some(known) if full || !has_ended(known) || has_ended(&stage) => *known = stage,
            None if full => {}
            _ => stages.push(stage),
        }
    }

    /// All of it as one report.
    #[must_use]
    pub fn into_report(mut self) -> ProgressReport {
        let lines = std::mem::take(&mut self.lines);
        self.report.metrics = self.points.into();
        let at = lines.front().and_then(|(_, line)| line.timestamp.clone());
        let figures_at = self.report.metrics.first().and_then(|point| point.timestamp.clone());
        let gaps = [(self.dropped, "log lines", at), (self.points_dropped, "figures", figures_at)];
        let gaps = gaps.into_iter().filter(|(dropped, ..)| *dropped > 0).map(|(dropped, what, timestamp)| LogLine {
            timestamp,
            level: LogLevel::Warning,
            message: format!("{dropped} {what} were dropped: they came faster than they can be kept"),
            context: None,
        });
        self.report.logs = gaps.chain(lines.into_iter().map(|(_, line)| line)).collect();
        self.report
    }
}

/// Takes the lines out of a report, each with about as many bytes as it has.
fn measured(report: &mut ProgressReport) -> VecDeque<(usize, LogLine)> {
    let bytes = |line: &LogLine| line.message.len() + line.context.as_ref().map_or(0, |facts| facts.to_string().len());
    std::mem::take(&mut report.logs).into_iter().map(|line| (bytes(&line), line)).collect()
}

const fn has_ended(stage: &Stage) -> bool {
    matches!(stage.status, StageStatus::Completed | StageStatus::Failed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn report(mut members: Value) -> ProgressReport {
        members["worker_id"] = json!("w");
        serde_json::from_value(members).unwrap()
    }

    fn lines(messages: impl IntoIterator<Item = String>) -> ProgressReport {
        let lines: Vec<_> = messages.into_iter().map(|text| json!({ "level": "info", "message": text })).collect();
        report(json!({ "logs": lines }))
    }

    fn stages(changes: &[(&str, &str)]) -> ProgressReport {
        let stages: Vec<_> = changes.iter().map(|(name, status)| json!({ "name": name, "status": status })).collect();
        report(json!({ "stages": stages }))
    }

    #[test]
    fn the_latest_progress_counts_and_every_line_is_kept_in_order() {
        let mut gathered = Gathered::new(report(json!({ "progress": 0.1, "message": "a" })));
        gathered.add(report(json!({ "progress": 0.2, "logs": [{ "level": "info", "message": "one" }] })));
        gathered.add(report(json!({ "message": "b", "logs": [{ "level": "info", "message": "two" }] })));

        let whole = gathered.into_report();

        assert_eq!((whole.progress, whole.message.as_deref()), (Some(0.2), Some("b")));
        assert_eq!(whole.logs.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn a_stage_is_told_of_as_it_was_last_but_its_end_is_never_lost() {
        let mut gathered = Gathered::new(stages(&[("read", "running")]));
        gathered.add(stages(&[("read", "running"), ("write", "pending")]));
        gathered.add(stages(&[("read", "completed")]));
        gathered.add(stages(&[("read", "running"), ("write", "running")]));

        let told = gathered.into_report().stages;

        let told: Vec<_> = told.iter().map(|stage| (stage.name.as_str(), stage.status)).collect();
        use StageStatus::{Completed, Running};
        assert_eq!(told, [("read", Completed), ("write", Running), ("read", Running)]);
    }

    #[test]
    fn stages_that_begin_and_end_for_ever_stay_few() {
        let mut gathered = Gathered::new(stages(&[]));
        for n in 0..1_000 {
            gathered.add(stages(&[("read", "running"), ("read", "completed"), (&n.to_string(), "running")]));
        }

        assert_eq!(gathered.into_report().stages.len(), STAGE_CHANGES);
    }

    #[test]
    fn a_flood_of_lines_keeps_the_newest_and_says_how_many_are_missing() {
        let mut gathered = Gathered::new(lines([]));
        for n in 0..LINES + 20 {
            gathered.add(lines([n.to_string()]));
        }

        let logs = gathered.into_report().logs;

        assert_eq!(logs.len(), LINES + 1);
        assert!(logs[0].message.starts_with("20 log lines were dropped"), "{}", logs[0].message);
        assert_eq!((logs[0].level, logs[1].message.as_str()), (LogLevel::Warning, "20"));
    }

    #[test]
    fn a_flood_of_figures_keeps_the_newest_and_says_how_many_are_missing() {
        let figures = |steps: std::ops::Range<usize>| {
            let points: Vec<_> = steps.map(|step| json!({ "name": "loss", "step": step, "value": 0.5 })).collect();
            report(json!({ "metrics": points }))
        };
        let mut gathered = Gathered::new(figures(0..600));
        gathered.add(figures(600..1_000));
        assert_eq!(gathered.points_dropped, 0);

        gathered.add(figures(1_000..1_030));

        let whole = gathered.into_report();
        assert_eq!((whole.metrics.len(), whole.metrics[0].step, whole.metrics[999].step), (POINTS, 30, 1_029));
        assert_eq!(whole.logs[0].message, "30 figures were dropped: they came faster than they can be kept");
    }

    #[test]
    fn a_flood_of_bytes_is_bounded_but_one_report_is_kept_whole() {
        let long = "y".repeat(4_000);
        let mut gathered = Gathered::new(lines(vec![long.clone(); 1_000]));
        assert_eq!(gathered.lines.len(), 1_000);

        for _ in 0..10 {
            gathered.add(lines(vec![long.clone(); 100]));
        }

        assert!((LINE_BYTES / 2..=LINE_BYTES).contains(&gathered.bytes), "{}", gathered.bytes);
        assert_eq!(gathered.lines.len() as u64 + gathered.dropped, 2_000);
    }
}
