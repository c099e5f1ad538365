//! `relevo metrics`: the figures that a job's tasks measured.

use std::process::ExitCode;

use relevo_shared::{
    JobId,
    view::jobs::{JobMetrics, MetricSeries},
};
use reqwest::Method;
use serde::Serialize;

use super::{
    Failure,
    client::{ApiClient, Connection},
    output::{self, harmless},
};

#[derive(Debug, clap::Args)]
pub(super) struct MetricsArguments {
    /// The job.
    job: JobId,
    #[command(flatten)]
    wanted: Wanted,
    /// Print the series as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// As the query names them.
#[derive(Debug, Serialize, clap::Args)]
struct Wanted {
    /// Only series of this name.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Only points of this step and later ones.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    since_step: Option<u64>,
    /// At most so many points of each series, the latest ones.
    #[arg(long, default_value_t = 1000)]
    limit: u32,
}

pub(super) async fn metrics(arguments: MetricsArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let path = format!("/api/jobs/{}/metrics", arguments.job);
    let metrics: JobMetrics = client.json(client.request(Method::GET, &path).query(&arguments.wanted)).await?;
    if arguments.json {
        output::say(&serde_json::to_string(&metrics)?);
        return Ok(ExitCode::SUCCESS);
    }
    for line in metrics.series.iter().flat_map(lines) {
        output::say(&harmless(&line));
    }
    if metrics.dropped > 0 {
        output::say(&format!("{} more points are not kept", metrics.dropped));
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each point, with the last part of the task's id.
fn lines(series: &MetricSeries) -> impl Iterator<Item = String> {
    let task = series.task_id.to_string();
    let task = task.split_once('.').map_or("", |(_, rest)| rest).to_owned();
    series.points.iter().map(move |point| {
        format!("{}  task {task}  {}  step {}  {}", point.timestamp, series.name, point.step, point.value)
    })
}
