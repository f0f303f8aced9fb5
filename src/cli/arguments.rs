//! What can be typed.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Parser, Subcommand, ValueEnum};

use crate::config::Flags;
use crate::keys::{KeyKind, Purpose};

/// Ends sessions: a SAML 2.0 service provider for single logout.
#[derive(Debug, Parser)]
#[command(name = "signoff", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// The configuration file [env: SIGNOFF_CONFIG] [default: signoff.toml here, else
    /// /etc/signoff/signoff.toml].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the private database and generated keys live [env: SIGNOFF_DATA_DIR].
    #[arg(long, global = true, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// What browsers and identity providers call this service [env: SIGNOFF_BASE_URL].
    #[arg(long, global = true, value_name = "URL")]
    base_url: Option<String>,
    /// Address and port to listen on [env: SIGNOFF_LISTEN].
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Arguments {
    /// The settings among the arguments.
    pub(super) fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            listen: self.listen.clone(),
            base_url: self.base_url.clone(),
            data_dir: self.data_dir.clone(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Runs the service until SIGTERM or SIGINT.
    Serve,
    /// Shows the main job: the service, an identity provider and two applications.
    Demo {
        /// Click through it without a person, say what was seen, and end.
        #[arg(long)]
        check: bool,
    },
    /// Brings the database's schema up to this release.
    Migrate,
    /// Our own key pairs.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Prints our own metadata.
    Metadata,
    /// Identity providers.
    Idp {
        #[command(subcommand)]
        command: IdpCommand,
    },
    /// Decodes a SAML message and says rule by rule what holds. Nothing is executed or fetched.
    Inspect {
        /// A file with XML, base64, a form body or a SOAP envelope; "-" reads standard input; or a
        /// pasted redirect URL or query.
        message: String,
        /// Metadata of the identity provider to hold it against; by default, the one in the
        /// database that the message names.
        #[arg(long, value_name = "FILE")]
        metadata: Option<PathBuf>,
        /// The moment to judge for, such as 2026-11-23T10:00:00Z; by default, now.
        #[arg(long, value_name = "INSTANT")]
        at: Option<DateTime<Utc>>,
    },
    /// Sessions.
    Session {
        #[command(subcommand)]
        command: SessionCommand,
    },
    /// Logouts, and what became of them.
    Logout {
        #[command(subcommand)]
        command: LogoutCommand,
    },
    /// Tokens of the API.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum IdpCommand {
    /// Imports identity providers from metadata, effective on every running node.
    Import {
        /// The file; "-" reads standard input.
        file: String,
        /// Its name in URLs and on this command line.
        #[arg(long)]
        slug: Option<String>,
        /// Take Responses that answer no request of ours.
        #[arg(long)]
        allow_unsolicited: bool,
    },
    /// Shows all.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows one, by slug or entity id.
    Show {
        /// Slug or entity id.
        slug: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lets it sign nobody in; its LogoutRequests are still obeyed.
    Disable {
        /// Slug or entity id.
        slug: String,
    },
    /// Lets it sign people in again.
    Enable {
        /// Slug or entity id.
        slug: String,
    },
    /// Sets switches, such as allow_unsolicited=true.
    Set {
        /// Slug or entity id.
        slug: String,
        /// The switches and their values.
        #[arg(required = true, value_name = "NAME=true|false", value_parser = switch)]
        switches: Vec<(String, String)>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// Shows the newest sessions, alive and ended.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ends one and tells its identity providers, where that is possible without a browser.
    End {
        /// The session's name in the list.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum LogoutCommand {
    /// Shows the newest logouts.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows one, and what became of each identity provider.
    Show {
        /// Its number in the list.
        id: i64,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Makes one and prints it, this once: only its digest is kept.
    Create {
        /// What you call it.
        name: String,
        /// What it may do.
        #[arg(long, value_enum)]
        role: RoleArgument,
        /// The application whose it is; only of role application.
        #[arg(long, value_name = "ID", required_if_eq("role", "application"))]
        application: Option<String>,
        /// For how long it is good, such as 90d; for ever, if absent.
        #[arg(long, value_name = "DURATION", value_parser = life)]
        expires_in: Option<TimeDelta>,
    },
    /// Shows all, good or not.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revokes one, for good, on every node at once.
    Revoke {
        /// Its number in the list.
        id: i64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RoleArgument {
    /// The sessions in which one application takes part.
    Application,
    /// Every session and logout.
    Operator,
    /// Everything.
    Admin,
}

impl std::fmt::Display for RoleArgument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Application => "application",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

fn life(text: &str) -> Result<TimeDelta, String> {
    crate::config::duration(text).ok_or_else(|| format!("expected {}", crate::config::DURATION))
}

fn switch(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(String::from("expected NAME=true or NAME=false")),
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Generates a key pair with a self-signed certificate under the data directory.
    New {
        /// What kind of key.
        #[arg(long, value_enum)]
        kind: KindArgument,
        /// What it is for.
        #[arg(long, value_enum, default_value_t = PurposeArgument::Signing)]
        purpose: PurposeArgument,
    },
    /// Makes the key of a certificate the one that signs, on every node.
    Use {
        /// The certificate: a PEM file, or the fingerprint that `keys list` shows.
        certificate: String,
    },
    /// Shows the generated and configured key pairs.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum KindArgument {
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "p-256")]
    P256,
}

impl From<KindArgument> for KeyKind {
    fn from(kind: KindArgument) -> Self {
        match kind {
            KindArgument::Rsa2048 => Self::Rsa2048,
            KindArgument::Rsa3072 => Self::Rsa3072,
            KindArgument::P256 => Self::P256,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PurposeArgument {
    Signing,
    Encryption,
}

impl From<PurposeArgument> for Purpose {
    fn from(purpose: PurposeArgument) -> Self {
        match purpose {
            PurposeArgument::Encryption => Self::Encryption,
            PurposeArgument::Signing => Self::Signing,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn settings_stand_before_and_after_the_command() {
        for line in ["signoff --listen [::1]:1 serve", "signoff serve --listen [::1]:1"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(arguments.flags().listen.as_deref(), Some("[::1]:1"));
        }
    }
}
