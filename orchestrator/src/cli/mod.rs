//! The command line: `serve` and `dev` run the orchestrator, the rest are clients of one.

mod act;
mod client;
mod datasets;
mod dev;
mod graph;
mod jobs;
mod metrics;
mod output;
mod serve;
mod show;
mod submit;
mod token;
mod validate;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::settings::{Flags, Settings};

/// Relevo hands jobs to workers.
#[derive(Debug, Parser)]
#[command(name = "relevo", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the orchestrator against a Redis and an S3 of your own.
    Serve {
        /// Settings file (TOML). The environment goes over it, flags over both.
        #[arg(long, env = "RELEVO_CONFIG")]
        config: Option<PathBuf>,
        #[command(flatten)]
        flags: Flags,
    },
    /// Run the orchestrator with its own Redis and S3, for development: one command, nothing to set up.
    Dev(dev::DevArguments),
    /// Check blueprint files and list every fault.
    Validate {
        /// Files to check.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Print the OpenAPI document of the service.
    Openapi,
    /// Create a job.
    Submit(submit::SubmitArguments),
    /// Follow a job until it ends.
    Watch(watch::WatchArguments),
    /// Show a job's result and the first rows of its table.
    Show(show::ShowArguments),
    /// List jobs, newest first.
    Jobs(jobs::JobsArguments),
    /// Print the lines that a job's tasks wrote.
    Logs(jobs::LogsArguments),
    /// Print the figures that a job's tasks measured.
    Metrics(metrics::MetricsArguments),
    /// Say what a job waits for, and which workers could take its task.
    Explain(act::ActArguments),
    /// Cancel a job.
    Cancel(act::ActArguments),
    /// Let a failed or quarantined job go on from the state that failed.
    Retry(act::ActArguments),
    /// Forget a job that has ended, with its files.
    Delete(jobs::DeleteArguments),
    /// Forget jobs that ended a while ago.
    Cleanup(jobs::CleanupArguments),
    /// Decide what a job waits for.
    Approve(act::ApproveArguments),
    /// Draw a blueprint file.
    Graph(graph::GraphArguments),
    /// Upload, list and describe datasets.
    #[command(subcommand)]
    Datasets(datasets::DatasetsCommand),
    /// Make tokens for clients and workers.
    #[command(subcommand)]
    Token(token::TokenCommand),
}

/// Why a command failed, for people.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    let result = match arguments.command {
        Command::Validate { files } => return validate::validate(&files),
        Command::Openapi => {
            output::say(crate::http::document().trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Serve { config, flags } => {
            Settings::load(config, &flags).map_err(Failure::from).and_then(|settings| block_on(serve::serve(settings)))
        }
        Command::Dev(arguments) => block_on(dev::dev(arguments)),
        Command::Submit(arguments) => block_on(submit::submit(arguments)),
        Command::Watch(arguments) => block_on(watch::watch(arguments)),
        Command::Show(arguments) => block_on(show::show(arguments)),
        Command::Jobs(arguments) => block_on(jobs::jobs(arguments)),
        Command::Logs(arguments) => block_on(jobs::logs(arguments)),
        Command::Metrics(arguments) => block_on(metrics::metrics(arguments)),
        Command::Delete(arguments) => block_on(jobs::delete(arguments)),
        Command::Cleanup(arguments) => block_on(jobs::cleanup(arguments)),
        Command::Explain(arguments) => block_on(act::explain(arguments)),
        Command::Cancel(arguments) => block_on(act::cancel(arguments)),
        Command::Retry(arguments) => block_on(act::retry(arguments)),
        Command::Approve(arguments) => block_on(act::approve(arguments)),
        Command::Graph(arguments) => graph::graph(&arguments),
        Command::Token(command) => token::token(&command),
        Command::Datasets(command) => block_on(datasets::datasets(command)),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            output::complain(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Logs go to standard error, so that standard output is the command's answer alone.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("RELEVO_LOG").unwrap_or_else(|_| EnvFilter::new("info,s3s=warn,s3s_fs=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::env::var("RELEVO_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().init();
    } else {
        log.with_target(false).with_ansi(output::is_watched()).init();
    }
}
