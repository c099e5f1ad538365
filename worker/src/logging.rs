//! Where log lines go and how they look.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::LogFormat;

/// Sends log lines to standard error; panics become log lines too.
///
/// # Errors
/// `filter` cannot be read.
pub fn start(filter: &str, format: Option<LogFormat>) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(filter).map_err(|fault| format!("log: {fault}: must be a level or `target=level` pairs"))?;
    let format = format.unwrap_or(if io::stderr().is_terminal() { LogFormat::Human } else { LogFormat::Json });
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Human => registry.with(layer.with_target(false).with_ansi(io::stderr().is_terminal())).init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true).with_current_span(false)).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
    Ok(())
}
