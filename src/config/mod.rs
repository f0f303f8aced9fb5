//! Settings: read once at the start, from a file, the environment and the command line,
//! turned into typed values, and never looked up again.
//!
//! Whatever is unknown, missing or wrong stops the start with one line that names the key,
//! the value, where it came from and what is expected. `signoff.example.toml` describes
//! every key.

mod base_url;
mod layers;
mod machine;
mod oidc;
mod parse;
mod read;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use ipnet::IpNet;
use thiserror::Error;

pub use base_url::BaseUrl;
pub use layers::Flags;
pub use machine::{Machine, effective_uid};
pub use oidc::{ManagementApi, OidcKind, OidcProvider, Secret, TokenAlg};
pub use parse::{DURATION, duration};

use crate::logout::return_url::LogoutUrl;
use layers::{Layers, Setting};
use read::{cookie_domain, data_dir, key_files, organization, saml, second_opinion, session};

/// Everything that can be configured, parsed. Paths are absolute.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that was read, if any.
    pub config_file: Option<PathBuf>,
    /// Address and port of the HTTP listener.
    pub listen: SocketAddr,
    /// What the outside world calls us; every URL that we hand out starts with it.
    pub base_url: BaseUrl,
    /// Where the private cluster and generated keys live.
    pub data_dir: PathBuf,
    /// A PostgreSQL to use. `None`: the private cluster under `data_dir`.
    pub database_url: Option<DatabaseUrl>,
    /// The most connections that this process opens.
    pub database_connections: u32,
    /// Proxies whose `X-Forwarded-For` is believed, for audit and limits only.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins besides our own to which `return_to` may lead (SSO-25), as
    /// `scheme://host[:port]`.
    pub return_origins: Vec<String>,
    /// Where a sign-out may return that names no application.
    pub logout_urls: Vec<LogoutUrl>,
    /// The domain whose hosts all get the session cookie; none: only our own host.
    pub cookie_domain: Option<String>,
    /// The directory with metadata of identity providers that is read at the start.
    pub metadata_dir: PathBuf,
    /// Life of local sessions.
    pub session: SessionSettings,
    /// How long ended sessions stand in the feed.
    pub feed_retention: TimeDelta,
    /// Our side of SAML.
    pub saml: SamlSettings,
    /// The OpenID providers through which people may sign in.
    pub oidc: Vec<OidcProvider>,
    /// The keys that sign what applications are told.
    pub tokens: TokenSettings,
    /// Networks beside the public ones in which applications and OpenID providers may be reached.
    pub outbound_allow: Vec<IpNet>,
    /// What a second engine's word on XML signatures counts.
    pub second_opinion: SecondOpinion,
    /// Who runs this service, for our metadata.
    pub organization: Option<Organization>,
    /// E-mail address of the technical contact in our metadata.
    pub technical_contact: Option<String>,
    /// The API.
    pub api: ApiSettings,
    /// What is logged, as a `tracing` filter. `None`: `info` for the service, `warn` for
    /// commands that answer and end.
    pub log: Option<String>,
    /// How it is logged.
    pub log_format: LogFormat,
}

/// How long a local session lives and is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Without a request for this long a session is over.
    pub idle: TimeDelta,
    /// This long after sign-in a session is over, whatever happened in between.
    pub max: TimeDelta,
    /// How long an ended session is remembered, so that a late LogoutRequest for it is
    /// told Success instead of `UnknownPrincipal` (rows b and d of the status table).
    pub remember: TimeDelta,
}

/// The API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// How much one token may ask of one node.
    pub requests_per_minute: u32,
}

/// Our side of SAML.
#[derive(Clone, Debug)]
pub struct SamlSettings {
    /// Our entity id.
    pub entity_id: String,
    /// How far the clocks of two sides may differ, both ways (VAL-16).
    pub skew: TimeDelta,
    /// How old a message may be by its `IssueInstant` (VAL-15).
    pub max_age: TimeDelta,
    /// Whether the SOAP endpoint for single logout is served and published (MD-03).
    pub soap: bool,
    /// The key pair that signs. `None`: one generated under `data_dir`.
    pub signing: Option<KeyFiles>,
    /// A certificate published beside the active one, ahead of its use.
    pub next_signing_certificate: Option<PathBuf>,
    /// The key pair that others encrypt to.
    pub encryption: Option<KeyFiles>,
    /// The one before it, to which some may still encrypt.
    pub previous_encryption: Option<KeyFiles>,
    /// The one to come, so that every node can decrypt before any node publishes it.
    pub next_encryption: Option<KeyFiles>,
    /// Whether the encryption certificate is published, so that identity providers encrypt.
    pub offer_encryption: bool,
}

/// The keys that sign what applications are told.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The key pair that signs: RSA. `None`: the newest under `data_dir`, if there is one.
    pub signing: Option<KeyFiles>,
    /// The certificate of the one to come, published ahead of its use.
    pub next_certificate: Option<PathBuf>,
    /// The certificate of the one before, published until nothing that it signed is alive.
    pub previous_certificate: Option<PathBuf>,
}

/// What it counts if the second engine does not confirm a message that our own verifier accepts.
/// Only a build with the cargo feature `second-opinion` has that engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondOpinion {
    /// It is not asked.
    Off,
    /// A line in the log and the audit.
    Audit,
    /// The message is refused.
    Enforce,
}

/// The two PEM files of one key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// The private key.
    pub key: PathBuf,
    /// Its certificate.
    pub certificate: PathBuf,
}

/// Who runs this service, for our metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its name.
    pub name: String,
    /// Its web address.
    pub url: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of JSON per event.
    Json,
    /// For people.
    Text,
}

/// The address of a PostgreSQL, with its password: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

/// Why the settings cannot be used. Its text is one line.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The working directory or the account cannot be told.
    #[error("cannot tell where or as whom this process runs: {0}")]
    Machine(#[source] std::io::Error),
    /// One of two settings that belong together is absent.
    #[error("{key} is missing: expected {expected}")]
    Missing {
        /// The absent key.
        key: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// The configuration file is not TOML.
    #[error("{path}: expected TOML: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words, on one line.
        reason: String,
    },
    /// No setting has this name.
    #[error("{key} = {value} ({origin}): no such setting, expected one of {expected}")]
    Unknown {
        /// The name as it stands there.
        key: String,
        /// Its value, hidden where it could be a secret.
        value: String,
        /// Where it was found.
        origin: String,
        /// The names that exist.
        expected: String,
    },
    /// A file that was named cannot be read.
    #[error("{key} = {path} ({origin}): expected a readable file: {source}")]
    Unreadable {
        /// The setting that named the file.
        key: String,
        /// The file.
        path: PathBuf,
        /// Where the setting was found.
        origin: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The value of a setting does not fit.
    #[error("{key} = {value} ({origin}): expected {expected}")]
    Wrong {
        /// The setting.
        key: String,
        /// Its value, hidden for secrets.
        value: String,
        /// Where it was found.
        origin: String,
        /// What would be right.
        expected: &'static str,
    },
}

impl Settings {
    /// Reads the settings: the file first, then the environment, then `flags`, each
    /// overriding the one before.
    ///
    /// # Errors
    /// [`ConfigError`], one line that names the key, the value and what is expected.
    pub fn load(flags: &Flags, machine: &Machine) -> Result<Self, ConfigError> {
        let layers = Layers::read(flags, machine)?;
        let base_url = match layers.parsed("base_url", BaseUrl::EXPECTED, BaseUrl::parse)? {
            Some(base_url) => base_url,
            None => BaseUrl::loopback(),
        };
        Ok(Self {
            config_file: layers.file().map(Path::to_path_buf),
            listen: layers
                .parsed("listen", parse::SOCKET_ADDRESS, parse::socket_address)?
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            data_dir: data_dir(&layers, machine)?,
            database_url: layers
                .parsed("database_url", parse::DATABASE_URL, parse::database_url)?
                .map(DatabaseUrl),
            database_connections: layers
                .parsed("database_connections", parse::CONNECTIONS, parse::connections)?
                .unwrap_or(10),
            trusted_proxies: layers.list("trusted_proxies", parse::NETWORK, parse::network)?,
            return_origins: layers.list("return_origins", parse::ORIGIN, parse::origin)?,
            logout_urls: layers.list("logout_urls", parse::LOGOUT_URL, |text| {
                LogoutUrl::parse(text, base_url.is_loopback()).ok()
            })?,
            cookie_domain: cookie_domain(&layers, &base_url)?,
            metadata_dir: layers.path("metadata_dir")?.unwrap_or_else(|| layers.beside_file("metadata")),
            session: session(&layers)?,
            feed_retention: layers
                .parsed("feed.retention", parse::RETENTION, parse::retention)?
                .unwrap_or_else(|| TimeDelta::days(7)),
            saml: saml(&layers, &base_url)?,
            oidc: oidc::providers(&layers, &base_url)?,
            tokens: TokenSettings {
                signing: key_files(&layers, "tokens.signing_key", "tokens.signing_certificate")?,
                next_certificate: layers.path("tokens.next_certificate")?,
                previous_certificate: layers.path("tokens.previous_certificate")?,
            },
            outbound_allow: layers.list("outbound.allow", parse::NETWORK, parse::network)?,
            second_opinion: second_opinion(&layers)?,
            organization: organization(&layers)?,
            technical_contact: layers.parsed(
                "organization.technical_contact",
                parse::MAIL_ADDRESS,
                parse::mail_address,
            )?,
            api: ApiSettings {
                requests_per_minute: layers
                    .parsed("api.requests_per_minute", parse::RATE, parse::rate)?
                    .unwrap_or(3000),
            },
            log: layers.parsed("log", parse::LOG_FILTER, parse::log_filter)?,
            log_format: layers
                .parsed("log_format", parse::LOG_FORMAT, parse::log_format)?
                .unwrap_or(LogFormat::Text),
            base_url,
        })
    }

    /// The public URL of one of our paths: `public_url("/saml/slo")`.
    #[must_use]
    pub fn public_url(&self, path: &str) -> String {
        self.base_url.join(path)
    }

    /// Whether we are reached over plain http, which is possible on loopback hosts only.
    /// Decides what an identity provider's http endpoints and our cookies may be (SSO-06,
    /// MD-21, SSO-24).
    #[must_use]
    pub fn is_loopback_http(&self) -> bool {
        !self.base_url.is_https()
    }

    /// Whether cookies carry `Secure` and a prefix that says so.
    #[must_use]
    pub fn cookies_secure(&self) -> bool {
        self.base_url.is_https()
    }

    /// Where generated key pairs live.
    #[must_use]
    pub fn certs_dir(&self) -> PathBuf {
        self.data_dir.join("certs")
    }
}

impl DatabaseUrl {
    /// The address with its password, for the driver alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseUrl(hidden)")
    }
}

/// Every setting there is. A name that is not here is refused.
const SETTINGS: &[Setting] = &[
    Setting::plain("listen"),
    Setting::plain("base_url"),
    Setting::plain("data_dir"),
    Setting::secret("database_url"),
    Setting::plain("database_connections"),
    Setting::plain("trusted_proxies"),
    Setting::plain("return_origins"),
    Setting::plain("logout_urls"),
    Setting::plain("cookie_domain"),
    Setting::plain("metadata_dir"),
    Setting::plain("second_opinion"),
    Setting::plain("session.idle"),
    Setting::plain("session.max"),
    Setting::plain("session.remember"),
    Setting::plain("feed.retention"),
    Setting::plain("saml.entity_id"),
    Setting::plain("saml.skew"),
    Setting::plain("saml.max_age"),
    Setting::plain("saml.soap"),
    Setting::plain("saml.signing_key"),
    Setting::plain("saml.signing_certificate"),
    Setting::plain("saml.next_signing_certificate"),
    Setting::plain("saml.encryption_key"),
    Setting::plain("saml.encryption_certificate"),
    Setting::plain("saml.previous_encryption_key"),
    Setting::plain("saml.previous_encryption_certificate"),
    Setting::plain("saml.next_encryption_key"),
    Setting::plain("saml.next_encryption_certificate"),
    Setting::plain("saml.offer_encryption"),
    Setting::plain("tokens.signing_key"),
    Setting::plain("tokens.signing_certificate"),
    Setting::plain("tokens.next_certificate"),
    Setting::plain("tokens.previous_certificate"),
    Setting::plain("outbound.allow"),
    Setting::plain("organization.name"),
    Setting::plain("organization.url"),
    Setting::plain("organization.technical_contact"),
    Setting::plain("api.requests_per_minute"),
    Setting::plain("log"),
    Setting::plain("log_format"),
];

#[cfg(test)]
mod oidc_tests;

#[cfg(test)]
mod tests;
