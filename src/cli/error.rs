//! Why a command failed, in one line.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::app::AppError;
use crate::app::idps::IdpError;
use crate::app::logout::AdminFault;
use crate::config::ConfigError;
use crate::database::DatabaseError;
use crate::entropy::EntropyError;
use crate::keys::KeyError;
use crate::store::StoreError;
use crate::telemetry::TelemetryError;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CliError {
    /// An administrator's logout.
    #[error(transparent)]
    Admin(#[from] AdminFault),
    /// The application cannot be put together.
    #[error(transparent)]
    App(#[from] AppError),
    /// An application that is told of the end of sessions.
    #[error(transparent)]
    Application(#[from] crate::app::applications::ApplicationError),
    /// What an application was told.
    #[error(transparent)]
    Delivery(#[from] crate::app::deliveries::DeliveryFault),
    /// The listener.
    #[error("listen = \"{address}\": {source}")]
    Bind {
        /// The address of the setting.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The demonstration is not as promised.
    #[error("the demonstration is not as promised: {0}")]
    Check(#[from] crate::demo::CheckError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The demonstration cannot start.
    #[error(transparent)]
    Demo(#[from] crate::demo::DemoError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// An identity provider.
    #[error(transparent)]
    Idp(#[from] IdpError),
    /// A file that was named cannot be read.
    #[error("{name}: {source}")]
    Input {
        /// The file, or "-".
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A message could not be held against metadata.
    #[error(transparent)]
    Inspect(#[from] crate::app::inspect::InspectError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A fingerprint that names no key of ours.
    #[error(
        "{0}: expected the certificate of a signing key of ours, as a PEM file or as the fingerprint that \
         \"signoff keys list\" shows"
    )]
    NoSuchKey(String),
    /// No logout has that number.
    #[error("there is no logout {0}")]
    NoSuchLogout(i64),
    /// No session has that name.
    #[error("there is no session called {0:?}")]
    NoSuchSession(String),
    /// The schema is older than this release, and the database is not ours to change.
    #[error("the database's schema is older than this release: run \"signoff migrate\" first")]
    NotMigrated,
    /// The answer could not be written.
    #[error("the answer cannot be written: {0}")]
    Output(#[source] io::Error),
    /// No threads, or no signal handlers.
    #[error("the operating system refuses what a service needs: {0}")]
    Runtime(#[source] io::Error),
    /// The inspected message is not one that would be accepted.
    #[error("rules that do not hold: {0}")]
    RulesBroken(usize),
    /// A statement.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// What was to be inspected is no message.
    #[error("{0}")]
    Undecodable(crate::saml::refusal::Refusal),
    /// A file is longer than metadata may be.
    #[error("{name}: expected metadata of at most 64 MiB")]
    TooLong {
        /// The file, or "-".
        name: String,
    },
}
