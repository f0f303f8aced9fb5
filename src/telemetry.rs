//! The log: one subscriber, installed once by the command line.

use std::io;

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogFormat, Settings};

/// Why the log could not be opened.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// Another subscriber is in place already.
    #[error("the log was opened twice: {0}")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// Opens the log on standard error, so that standard output stays a command's answer.
/// `default` is the filter if the settings name none.
///
/// # Errors
/// [`TelemetryError`] when a subscriber is installed already.
pub fn start(settings: &Settings, default: &str) -> Result<(), TelemetryError> {
    // PostgreSQL's notices ("relation exists already, skipping") tell an operator nothing.
    // What the setting says about the same target comes later and wins.
    let wanted = settings.log.as_deref().unwrap_or(default);
    let filter = EnvFilter::new(format!("sqlx::postgres::notice=warn,{wanted}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match settings.log_format {
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
        LogFormat::Text => {
            builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).finish().try_init()?;
        }
    }
    Ok(())
}
