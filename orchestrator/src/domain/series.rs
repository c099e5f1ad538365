//! Figures that running tasks measure: what may be told of them, and how those that are kept make series.

use relevo_shared::{
    JobId, TaskId,
    metric::{LARGEST_STEP, METRIC_NAME, is_metric_name},
    problem::Detail,
    view::jobs::{MetricSeries, SeriesPoint},
    worker::MetricPoint,
};

/// Points in one report.
const MOST_POINTS: usize = 1_000;
/// Faults that are told of one report.
const FAULTS: usize = 20;

/// What is wrong with the figures of a report.
#[must_use]
pub fn faults(points: &[MetricPoint]) -> Vec<Detail> {
    if points.len() > MOST_POINTS {
        let right =
            format!("must be at most {MOST_POINTS} points, not {}: tell the others in another report", points.len());
        return vec![Detail::new("metrics", right)];
    }
    points.iter().enumerate().filter_map(|(place, point)| fault(place, point)).take(FAULTS).collect()
}

fn fault(place: usize, point: &MetricPoint) -> Option<Detail> {
    let at = |member: &str| format!("metrics[{place}].{member}");
    if !is_metric_name(&point.name) {
        return Some(Detail::new(at("name"), METRIC_NAME));
    }
    if point.step > LARGEST_STEP {
        return Some(Detail::new(at("step"), format!("must be a whole number from 0 to {LARGEST_STEP}")));
    }
    (!point.value.is_finite()).then(|| Detail::new(at("value"), "must be a finite number"))
}

/// A figure as it is kept with its job.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptPoint {
    /// The task that measured it.
    pub task: TaskId,
    /// Which series.
    pub name: String,
    /// Where in the series.
    pub step: u64,
    /// The figure.
    pub value: f64,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

impl KeptPoint {
    /// As one line of text, without what all points of the job share.
    #[must_use]
    pub fn write(&self) -> String {
        let task = self.task.to_string();
        let task = task.split_once('.').map_or("", |(_, rest)| rest);
        serde_json::to_string(&(task, &self.name, self.step, self.value, self.at)).expect("it has no map in it")
    }

    /// Reads what [`Self::write`] has written; `None` when it has not.
    #[must_use]
    pub fn read(job: JobId, text: &str) -> Option<Self> {
        let (task, name, step, value, at): (String, String, u64, f64, i64) = serde_json::from_str(text).ok()?;
        Some(Self { task: format!("{job}.{task}").parse().ok()?, name, step, value, at })
    }
}

/// Which points are wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of this name alone.
    pub name: Option<String>,
    /// Of this task alone.
    pub task: Option<TaskId>,
    /// From this step on.
    pub since_step: u64,
    /// At most so many of each series, the latest.
    pub limit: usize,
}

/// The series that points make, in the order in which they began; `timestamp` writes an instant.
#[must_use]
pub fn series(points: Vec<KeptPoint>, wanted: &Wanted, timestamp: impl Fn(i64) -> String) -> Vec<MetricSeries> {
    let mut all: Vec<MetricSeries> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for KeptPoint { task, name, step, value, at } in points {
        let is_wanted = wanted.name.as_ref().is_none_or(|only| *only == name)
            && wanted.task.is_none_or(|only| only == task)
            && step >= wanted.since_step;
        if !is_wanted {
            continue;
        }
        let place = *places.entry((task, name.clone())).or_insert_with(|| {
            all.push(MetricSeries { name, task_id: task, points: Vec::new(), total: 0 });
            all.len() - 1
        });
        // An attempt that takes up a task again tells some steps anew: what they were told as first did not last.
        let known = &mut all[place].points;
        while known.last().is_some_and(|last| step <= last.step) {
            known.pop();
        }
        known.push(SeriesPoint { step, value, timestamp: timestamp(at) });
    }
    for one in &mut all {
        one.total = one.points.len();
        one.points.drain(..one.total.saturating_sub(wanted.limit));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "0198c0de-0000-7000-8000-000000000000";

    fn told(name: &str, step: u64, value: f64) -> MetricPoint {
        MetricPoint { name: name.to_owned(), step, value, timestamp: None }
    }

    fn kept(task: &str, name: &str, step: u64) -> KeptPoint {
        let task = format!("{JOB}.{task}").parse().unwrap();
        KeptPoint { task, name: name.to_owned(), step, value: step as f64 / 8.0, at: 1_751_856_347_569 }
    }

    #[test]
    fn each_fault_is_told_with_its_place() {
        let points =
            [told("loss", 1, 0.5), told("a b", 1, 0.5), told("loss", u64::MAX, 0.5), told("loss", 2, f64::INFINITY)];

        let fields: Vec<_> = faults(&points).into_iter().map(|fault| fault.field).collect();

        assert_eq!(fields, ["metrics[1].name", "metrics[2].step", "metrics[3].value"]);
        assert_eq!(faults(&points[..1]), []);
        assert_eq!(faults(&vec![told("a b", 1, 0.5); 999]).len(), FAULTS);
        assert_eq!(faults(&vec![told("loss", 1, 0.5); 1_000]), []);
        assert_eq!(faults(&vec![told("loss", 1, 0.5); 1_001])[0].field, "metrics");
    }

    #[test]
    fn a_step_that_is_told_again_takes_the_place_of_the_first_and_of_those_after_it() {
        let again = KeptPoint { value: 9.0, ..kept("3", "loss", 2) };
        let points =
            vec![kept("3", "loss", 1), kept("3", "loss", 2), kept("3", "loss", 3), again, kept("4", "loss", 1)];
        let wanted = Wanted { name: None, task: None, since_step: 0, limit: 10 };

        let series = series(points, &wanted, |_| String::new());

        let told: Vec<(u64, f64)> = series[0].points.iter().map(|point| (point.step, point.value)).collect();
        assert_eq!((told.as_slice(), series.len()), (&[(1, 0.125), (2, 9.0)][..], 2));
    }

    #[test]
    fn a_point_is_read_as_it_was_written() {
        let job = JOB.parse().unwrap();
        for point in [kept("3", "loss", 7), kept("1.20.2", "val/loss", LARGEST_STEP)] {
            assert_eq!(KeptPoint::read(job, &point.write()), Some(point));
        }
        assert_eq!(kept("3", "loss", 4).write(), r#"["3","loss",4,0.5,1751856347569]"#);
        for broken in ["", "{}", r#"["x","loss",4,0.5,1]"#, r#"["3","loss",-4,0.5,1]"#] {
            assert_eq!(KeptPoint::read(job, broken), None, "{broken}");
        }
    }

    #[test]
    fn tasks_have_series_of_their_own_even_of_one_name() {
        let points = [("1.0.1", "loss", 1), ("1.1.1", "loss", 1), ("1.0.1", "acc", 1), ("1.0.1", "loss", 2)];
        let points: Vec<_> = points.map(|(task, name, step)| kept(task, name, step)).into();
        let short = |wanted: &Wanted| -> Vec<(String, String, Vec<u64>, usize)> {
            let short = |one: MetricSeries| {
                let steps = one.points.iter().map(|point| point.step).collect();
                (one.task_id.to_string()[JOB.len() + 1..].to_owned(), one.name, steps, one.total)
            };
            series(points.clone(), wanted, |at| at.to_string()).into_iter().map(short).collect()
        };
        let line = |task: &str, name: &str, steps: &[u64], total| (task.into(), name.into(), steps.to_vec(), total);

        let all = Wanted { limit: 10, ..Wanted::default() };
        let whole = [line("1.0.1", "loss", &[1, 2], 2), line("1.1.1", "loss", &[1], 1), line("1.0.1", "acc", &[1], 1)];
        assert_eq!(short(&all), whole);
        let named = Wanted { name: Some("acc".to_owned()), ..all };
        assert_eq!(short(&named), [line("1.0.1", "acc", &[1], 1)]);
        let of_task = Wanted { task: Some(points[1].task), ..all.clone() };
        assert_eq!(short(&of_task), [line("1.1.1", "loss", &[1], 1)]);
        assert_eq!(short(&Wanted { since_step: 2, ..all.clone() }), [line("1.0.1", "loss", &[2], 1)]);
        assert_eq!(short(&Wanted { limit: 1, ..all })[0], line("1.0.1", "loss", &[2], 2));
    }
}
