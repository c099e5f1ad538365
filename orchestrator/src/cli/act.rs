//! `relevo cancel`, `retry`, `approve` and `explain`: what can be done about a job, and why it waits.

use std::process::ExitCode;

use relevo_shared::{
    JobId,
    explain::Explanation,
    job::{ActionReply, DecideApproval, Decision},
};
use reqwest::Method;
use serde_json::json;

use super::{
    Failure,
    client::{ApiClient, Connection},
    output::{self, harmless},
};

/// A job that something is done about.
#[derive(Debug, clap::Args)]
pub(super) struct ActArguments {
    /// The job.
    job: JobId,
    /// Print the whole answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
pub(super) struct ApproveArguments {
    /// The job.
    job: JobId,
    /// Refuse instead.
    #[arg(long)]
    reject: bool,
    /// Kept in the job's history.
    #[arg(long)]
    comment: Option<String>,
    /// The state that is meant, where more than one waits.
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn cancel(arguments: ActArguments) -> Result<ExitCode, Failure> {
    act(arguments, "cancel").await
}

pub(super) async fn retry(arguments: ActArguments) -> Result<ExitCode, Failure> {
    act(arguments, "retry").await
}

async fn act(arguments: ActArguments, what: &str) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let path = format!("/api/v1/jobs/{}/{what}", arguments.job);
    let reply: ActionReply = client.json(client.request(Method::POST, &path).json(&json!({}))).await?;
    output::say(&if arguments.json { serde_json::to_string(&reply)? } else { reply.status });
    Ok(ExitCode::SUCCESS)
}

/// Decides by the link in the job, which has the token that a signed approval asks for.
pub(super) async fn approve(arguments: ApproveArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let job = client.job(&arguments.job).await?;
    let approval = job.approval.ok_or_else(|| format!("job {} does not wait for an approval", arguments.job))?;
    let decision = if arguments.reject { Decision::Rejected } else { Decision::Approved };
    let body = DecideApproval { decision, comment: arguments.comment, state: arguments.state, token: None };
    let reply: ActionReply = client.json(client.request(Method::POST, &approval.link).json(&body)).await?;
    output::say(&reply.status);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn explain(arguments: ActArguments) -> Result<ExitCode, Failure> {
    let client = ApiClient::new(&arguments.connection)?;
    let path = format!("/api/v1/jobs/{}/explain", arguments.job);
    let told: Explanation = client.json(client.request(Method::GET, &path)).await?;
    if arguments.json {
        output::say(&serde_json::to_string(&told)?);
        return Ok(ExitCode::SUCCESS);
    }
    output::say(&told.status);
    for waits in &told.waits_for {
        let state = waits.state.as_deref().unwrap_or("-");
        output::say(&harmless(&format!("  {state}: {}", waits.message)));
        for worker in waits.workers.iter().flat_map(|workers| &workers.unable) {
            output::say(&harmless(&format!("    {}: {}", worker.worker_id, worker.reasons.join("; "))));
        }
    }
    Ok(ExitCode::SUCCESS)
}
