//! What a worker may say of a running task at the most. Longer texts are cut, for they are for people to read.

use relevo_shared::worker::ProgressReport;

const MESSAGE_CHARS: usize = 1_000;
const STAGE_NAME_CHARS: usize = 100;
const STAGES: usize = 100;
const LOG_LINES: usize = 1_000;
const LOG_LINE_CHARS: usize = 4_000;
const LOG_CONTEXT_BYTES: usize = 4_000;

/// The report with every text and list cut to its limit and every fraction between 0 and 1.
#[must_use]
pub fn within_limits(mut report: ProgressReport) -> ProgressReport {
    report.progress = report.progress.map(fraction);
    if let Some(message) = &mut report.message {
        cut(message, MESSAGE_CHARS);
    }
    report.stages.truncate(STAGES);
    for stage in &mut report.stages {
        cut(&mut stage.name, STAGE_NAME_CHARS);
        stage.progress = fraction(stage.progress);
        stage.duration_seconds = stage.duration_seconds.filter(|seconds| seconds.is_finite()).map(|s| s.max(0.0));
    }
    // The latest lines are the ones that are looked for.
    let surplus = report.logs.len().saturating_sub(LOG_LINES);
    report.logs.drain(..surplus);
    for line in &mut report.logs {
        cut(&mut line.message, LOG_LINE_CHARS);
        line.context = line.context.take().filter(|context| context.to_string().len() <= LOG_CONTEXT_BYTES);
        line.timestamp = line.timestamp.take().filter(|timestamp| timestamp.len() <= 40);
    }
    report
}

/// A share of the whole; what is no number is none of it.
fn fraction(value: f64) -> f64 {
    if value > 0.0 { value.min(1.0) } else { 0.0 }
}

fn cut(text: &mut String, chars: usize) {
    if let Some((end, _)) = text.char_indices().nth(chars) {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_texts_are_cut_and_fractions_stay_fractions() {
        let report = json!({
            "worker_id": "w",
            "progress": -3.0,
            "message": "á".repeat(5_000),
            "stages": [{"name": "x".repeat(500), "status": "running", "progress": 99.0, "duration_seconds": -1.0}],
            "logs": vec![json!({"level": "info", "message": "y".repeat(9_000)}); 1_500],
        });

        let report = within_limits(serde_json::from_value(report).unwrap());

        assert_eq!(report.progress, Some(0.0));
        assert_eq!(report.message.unwrap().chars().count(), MESSAGE_CHARS + 1);
        assert_eq!((report.stages[0].progress, report.stages[0].duration_seconds), (1.0, Some(0.0)));
        assert_eq!(report.stages[0].name.chars().count(), STAGE_NAME_CHARS + 1);
        assert_eq!(report.logs.len(), LOG_LINES);
        assert_eq!(report.logs[0].message.chars().count(), LOG_LINE_CHARS + 1);
    }
}
