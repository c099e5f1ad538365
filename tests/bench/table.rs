//! The table at the end.

use std::fmt::Write as _;

use crate::{Measured, Plan};

/// Both systems on a Redis of one kind.
pub(crate) struct Row {
    pub(crate) append_only: &'static str,
    pub(crate) relevo: Measured,
    pub(crate) celery: Measured,
}

/// The median of each number; the latencies of all rounds count together.
pub(crate) fn median(mut rounds: Vec<Measured>) -> Measured {
    rounds.sort_by(|a, b| a.jobs_per_second.total_cmp(&b.jobs_per_second));
    let mut latencies_ms: Vec<f64> = rounds.iter().flat_map(|round| round.latencies_ms.iter().copied()).collect();
    latencies_ms.sort_by(f64::total_cmp);
    let middle = rounds.swap_remove(rounds.len() / 2);
    Measured { latencies_ms, ..middle }
}

/// The table in Markdown.
pub(crate) fn render(rows: &[Row], plan: Plan) -> String {
    let Plan { jobs, samples, rounds } = plan;
    let mut text = format!(
        "No-op jobs, {jobs} for the throughput and {samples} one by one for the latency; median of {rounds} rounds.\n\
         Latency: from submission until an idle worker has the task.\n\n\
         | AOF | system | jobs/s | p50 ms | p99 ms | Redis commands/job | scripts/job |\n|---|---|---|---|---|---|---|\n"
    );
    for Row { append_only, relevo, celery } in rows {
        for (name, it) in [("Relevo", relevo), ("Celery", celery)] {
            let _ = writeln!(
                text,
                "| {append_only} | {name} | {:.0} | {:.2} | {:.2} | {:.1} | {:.1} |",
                it.jobs_per_second,
                percentile(&it.latencies_ms, 50),
                percentile(&it.latencies_ms, 99),
                it.commands_per_job,
                it.scripts_per_job
            );
        }
        let ratio = |percent| percentile(&relevo.latencies_ms, percent) / percentile(&celery.latencies_ms, percent);
        let _ = writeln!(
            text,
            "| {append_only} | ratio | {:.1}× | {:.2}× | {:.2}× | {:.2}× | |",
            relevo.jobs_per_second / celery.jobs_per_second,
            ratio(50),
            ratio(99),
            relevo.commands_per_job / celery.commands_per_job
        );
    }
    text
}

/// Nearest rank; the values are sorted.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len());
    sorted[rank - 1]
}
