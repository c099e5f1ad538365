//! `relevo jobs`, `logs`, `delete` and `cleanup`: look at many jobs, at what one wrote, and forget them.

use std::process::ExitCode;

use relevo_shared::{
    JobId,
    job::LogLevel,
    view::jobs::{CleanedUp, JobDeleted, JobItem, JobList, JobLogs},
};
use reqwest::Method;
use serde::Serialize;
use serde_json::json;

use super::{
    Failure,
    client::{ApiClient, Connection},
    output::{self, harmless},
};

#[derive(Debug, clap::Args)]
pub(super) struct JobsArguments {
    #[command(flatten)]
    wanted: Wanted,
    /// Print the page as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Which jobs, as the service takes it.
#[derive(Debug, clap::Args, Serialize)]
struct Wanted {
    /// Only jobs with this status: pending, running, completed, failed, cancelled, waiting or quarantined.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// Only jobs of this kind.
    #[arg(long = "kind")]
    #[serde(rename = "run_type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Only jobs that read this dataset.
    #[arg(long = "dataset")]
    #[serde(rename = "dataset_id", skip_serializing_if = "Option::is_none")]
    dataset: Option<String>,
    /// Only jobs of this user.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    /// Only jobs that were created later than this instant (RFC 3339).
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    created_after: Option<String>,
    /// Only jobs that were created earlier than this instant (RFC 3339).
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    created_before: Option<String>,
    /// At most so many, the newest first.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Where an earlier page said that the next one begins.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(super) async fn jobs(arguments: JobsArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let list: JobList = client.json(client.request(Method::GET, "/api/jobs").query(&arguments.wanted)).await?;
    if arguments.json {
        output::say(&serde_json::to_string(&list)?);
        return Ok(ExitCode::SUCCESS);
    }
    for job in &list.jobs {
        output::say(&line(job));
    }
    if let Some(cursor) = list.next_cursor {
        output::say(&format!("{} jobs in all; more with --cursor {cursor}", list.total));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(job: &JobItem) -> String {
    let about = job.error_message.as_ref().or(job.message.as_ref()).map(String::as_str).unwrap_or_default();
    let line = format!(
        "{}  {}  {:<9}  {:>3.0} %  {}  {about}",
        job.created_at,
        job.id,
        job.status,
        job.progress * 100.0,
        job.run_type
    );
    harmless(line.trim_end()).replace('\n', " ")
}

#[derive(Debug, clap::Args)]
pub(super) struct LogsArguments {
    /// The job.
    job: JobId,
    /// Only lines of this gravity or more: debug, info, warning or error.
    #[arg(long)]
    level: Option<String>,
    /// At most so many lines, the latest ones.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Print the lines as JSON, one object each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn logs(arguments: LogsArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let path = format!("/api/jobs/{}/logs", arguments.job);
    let mut request = client.request(Method::GET, &path).query(&[("limit", arguments.limit)]);
    if let Some(level) = &arguments.level {
        request = request.query(&[("level", level)]);
    }
    let logs: JobLogs = client.json(request).await?;
    for line in &logs.logs {
        if arguments.json {
            output::say(&serde_json::to_string(line)?);
            continue;
        }
        let level = match line.level {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
        };
        let at = line.timestamp.as_deref().unwrap_or_default();
        output::say(&harmless(&format!("{at}  {level:<7}  {}", line.message)));
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub(super) struct DeleteArguments {
    /// The job.
    job: JobId,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn delete(arguments: DeleteArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let path = format!("/api/jobs/{}", arguments.job);
    let deleted: JobDeleted = client.json(client.request(Method::DELETE, &path)).await?;
    output::say(&deleted.message);
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, clap::Args)]
pub(super) struct CleanupArguments {
    /// Jobs that ended so many days ago or earlier.
    #[arg(long, default_value_t = 7)]
    older_than_days: u32,
    /// Only jobs with this status; given again for more. Completed and failed ones when absent.
    #[arg(long)]
    status: Vec<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn cleanup(arguments: CleanupArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let mut body = json!({ "older_than_days": arguments.older_than_days });
    if !arguments.status.is_empty() {
        body["status"] = arguments.status.into();
    }
    let cleaned: CleanedUp = client.json(client.request(Method::POST, "/api/jobs/cleanup").json(&body)).await?;
    if arguments.json {
        output::say(&serde_json::to_string(&cleaned)?);
    } else {
        output::say(&format!("{} jobs deleted, {} MB freed", cleaned.jobs_deleted, cleaned.space_freed_mb));
    }
    Ok(ExitCode::SUCCESS)
}
