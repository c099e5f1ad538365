//! `relevo token`: makes a token and the entry that lets it in.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Failure, output};
use crate::clients::token;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token for a client or a worker. It is printed once and kept nowhere; files hold its hash.
    New(NewArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct NewArguments {
    #[command(flatten)]
    owner: Owner,
    /// Print the token, its hash and its entry as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Owner {
    /// A token for the client of this name.
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// A token for the worker of this id, or for any worker.
    #[arg(long, value_name = "ID")]
    worker: Option<Option<String>>,
}

/// Prints a fresh token. Each start prints another one.
pub(super) fn token(TokenCommand::New(arguments): &TokenCommand) -> Result<ExitCode, Failure> {
    let Owner { client, worker } = &arguments.owner;
    let (start, list, naming, name) = match client {
        Some(name) => (token::CLIENT, "clients", "name", Some(name)),
        None => (token::WORKER, "workers", "worker_id", worker.as_ref().and_then(Option::as_ref)),
    };
    let fresh = token::fresh(start).map_err(|error| format!("the operating system gives no random bytes: {error}"))?;
    let hash = token::hash_hex(&fresh);
    let name = name.map(|name| format!("{naming} = {}\n", toml::Value::String(name.clone())));
    let entry = format!("[[{list}]]\n{}token_sha256 = \"{hash}\"\n", name.unwrap_or_default());
    if arguments.json {
        output::say(&json!({"token": fresh, "token_sha256": hash, "entry": entry}).to_string());
    } else {
        output::say(&format!("{fresh}\n\n{entry}"));
    }
    Ok(ExitCode::SUCCESS)
}
