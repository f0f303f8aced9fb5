//! The command line: the service itself, and the commands of its admin, which do their work
//! through the same functions on the same database.
//!
//! An answer goes to standard output; an error is one line on standard error. Exit codes: 0 done,
//! 1 failed, 2 not understood.

mod application;
mod arguments;
mod delivery;
mod demo;
mod error;
mod idp;
mod inspect;
mod keys;
mod logout;
mod metadata;
mod migrate;
mod output;
mod serve;
mod session;
mod tools;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
pub use error::CliError;
use tools::Tools;

/// Runs the command of this process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come as errors too, with code 0 and on standard output.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match run_command(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run_command(arguments: Arguments) -> Result<(), CliError> {
    let tools = Tools::new(&arguments)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(async move {
        match arguments.command {
            Command::Serve => serve::run(&tools).await,
            Command::Demo { check } => demo::run(&tools, check).await,
            Command::Migrate => migrate::run(&tools).await,
            Command::Keys { command } => keys::run(&tools, command).await,
            Command::Metadata => metadata::run(&tools).await,
            Command::Idp { command } => idp::run(&tools, command).await,
            Command::Inspect { message, metadata, at } => {
                inspect::run(&tools, &message, metadata.as_deref(), at).await
            }
            Command::Application { command } => application::run(&tools, command).await,
            Command::Delivery { command } => delivery::run(&tools, command).await,
            Command::Session { command } => session::run(&tools, command).await,
            Command::Logout { command } => logout::run(&tools, command).await,
        }
    })
}
