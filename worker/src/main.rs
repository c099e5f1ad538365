//! `relevo-worker`: reads the command line, starts the worker, turns signals into a drain.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use relevo_worker::{
    logging,
    settings::{Given, Settings, SkillSettings},
    skills, worker,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Runs skills for a Relevo orchestrator.
#[derive(Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    /// TOML file with settings; the environment and flags win over it
    #[arg(long, env = "RELEVO_CONFIG", global = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

#[derive(Subcommand)]
enum Command {
    /// Claim tasks and run them until told to stop (the default)
    Run,
    /// List the skills of this build
    Skills,
}

fn main() -> ExitCode {
    let CommandLine { command, config, given } = CommandLine::parse();
    let done = match command.unwrap_or(Command::Run) {
        Command::Run => run(config.as_deref(), &given),
        Command::Skills => list_skills(config.as_deref(), &given),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("relevo-worker: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn list_skills(config: Option<&Path>, given: &Given) -> Result<(), String> {
    let settings = SkillSettings::load(config, given).map_err(|fault| fault.to_string())?;
    let registry = skills::registry(&settings).map_err(|fault| fault.to_string())?;
    for name in registry.names() {
        println!("{name}");
    }
    Ok(())
}

fn run(config: Option<&Path>, given: &Given) -> Result<(), String> {
    let settings = Settings::load(config, given).map_err(|fault| fault.to_string())?;
    logging::start(&settings.log, settings.log_format)?;
    #[cfg(feature = "torch")]
    relevo_worker::openmp::wait_asleep();
    let runtime = tokio::runtime::Runtime::new().map_err(|fault| format!("no threads can be started: {fault}"))?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(obey_signals(shutdown.clone()));
        let registry = skills::registry(&settings.skills).map_err(|fault| fault.to_string())?;
        worker::work(settings, registry, shutdown).await.map_err(|fault| fault.to_string())
    })
}

/// The first SIGTERM or SIGINT drains the worker, the second ends it.
async fn obey_signals(shutdown: CancellationToken) {
    let expected = "the runtime that this task runs on handles signals";
    let mut terminate = signal(SignalKind::terminate()).expect(expected);
    let mut interrupt = signal(SignalKind::interrupt()).expect(expected);
    for asked_before in [false, true] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if asked_before {
            warn!("told to stop again: leaving at once");
            std::process::exit(1);
        }
        info!("told to stop");
        shutdown.cancel();
    }
}
