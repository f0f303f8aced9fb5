//! What can be typed.

mod values;

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Parser, Subcommand};

use crate::config::Flags;
pub(super) use values::{
    FormArgument, KindArgument, PurposeArgument, RoleArgument, SubjectArgument, TokenTypeArgument,
};
use values::{life, switch};

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
    /// Applications: who is told of the end of sessions, and how.
    Application {
        #[command(subcommand)]
        command: ApplicationCommand,
    },
    /// What applications were told.
    Delivery {
        #[command(subcommand)]
        command: DeliveryCommand,
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
    /// Removes it: nothing that it says counts any more, and every session that rests on it ends.
    Delete {
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
pub(super) enum ApplicationCommand {
    /// Registers one.
    Create {
        #[command(flatten)]
        new: NewApplicationArguments,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows all.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows one.
    Show {
        /// Its public name.
        id: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Changes what is given, and leaves the rest.
    Set {
        /// Its public name.
        id: String,
        /// For people.
        #[arg(long)]
        name: Option<String>,
        /// Where notifications go.
        #[arg(long)]
        url: Option<String>,
        /// Where its pages live, instead of all before.
        #[arg(long)]
        origin: Vec<String>,
        /// Where a sign-out of this application may return, instead of all before.
        #[arg(long)]
        logout_url: Vec<String>,
        /// Header typ of its logout tokens.
        #[arg(long, value_enum)]
        token_type: Option<TokenTypeArgument>,
        /// What it is told of the person.
        #[arg(long, value_enum)]
        subject: Option<SubjectArgument>,
        /// Whether identity providers are told PartialLogout while it has not acknowledged.
        #[arg(long, value_name = "true|false")]
        counts: Option<bool>,
    },
    /// Removes one, with its tokens and its parts in sessions.
    Delete {
        /// Its public name.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct NewApplicationArguments {
    /// Its public name: "aud" of its tokens.
    pub(super) id: String,
    /// How it is told.
    #[arg(long, value_enum)]
    pub(super) form: FormArgument,
    /// Where notifications go.
    #[arg(long)]
    pub(super) url: Option<String>,
    /// For people.
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Where its pages live, such as https://app.example.com; may be repeated.
    #[arg(long)]
    pub(super) origin: Vec<String>,
    /// Where a sign-out of this application may return, such as https://app.example.com/signed-out;
    /// * may stand for the first label of the host; may be repeated.
    #[arg(long)]
    pub(super) logout_url: Vec<String>,
    /// Header typ of its logout tokens.
    #[arg(long, value_enum, default_value_t = TokenTypeArgument::LogoutJwt)]
    pub(super) token_type: TokenTypeArgument,
    /// What it is told of the person.
    #[arg(long, value_enum, default_value_t = SubjectArgument::Pairwise)]
    pub(super) subject: SubjectArgument,
    /// Whether identity providers are told PartialLogout while it has not acknowledged [default: true
    /// for logout-token and caep].
    #[arg(long, value_name = "true|false")]
    pub(super) counts: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeliveryCommand {
    /// Shows what applications were told, the oldest first.
    List {
        /// Only those of one application.
        #[arg(long, value_name = "ID")]
        application: Option<String>,
        /// Only those after that number.
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows one.
    Show {
        /// Its number in the list.
        id: i64,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tells it again, for another day, whatever became of it.
    Retry {
        /// Its number in the list.
        id: i64,
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
        /// The session's name in the list; one in sixty-four begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
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
    fn a_session_may_be_called_whatever_it_is_called() {
        for id in ["-TzU3x_0aBcDeFgHiJkLmN", "--zU3x_0aBcDeFgHiJkLmN", "zU3x_0aBcDeFgHiJkLmNo"] {
            let command = Arguments::try_parse_from(["signoff", "session", "end", id]).unwrap().command;
            assert!(
                matches!(command, Command::Session { command: SessionCommand::End { id: read } } if read == id)
            );
        }
    }

    #[test]
    fn settings_stand_before_and_after_the_command() {
        for line in ["signoff --listen [::1]:1 serve", "signoff serve --listen [::1]:1"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(arguments.flags().listen.as_deref(), Some("[::1]:1"));
        }
    }
}
