//! The demonstration's OpenID provider: a real one that we did not write (the npm package
//! oidc-provider), run by Node as a process of its own. Without Node, or without the package, the
//! demonstration goes on without it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::config::{OidcKind, OidcProvider, Secret, TokenAlg};
use crate::entropy::{Entropy, EntropyError};

/// Where its script and its packages are: in the repository that this program was built from.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openid/provider");
/// The oldest Node that it runs on.
const OLDEST_NODE: u32 = 20;
/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Its port, when a person looks at it and it is free.
const PORT: u16 = 8091;
/// Its name in our settings, and our name there.
const NAME: &str = "demo";

/// Why it does not take part.
#[derive(Debug, thiserror::Error)]
pub enum Absent {
    /// No client secret can be made.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// There is no Node.
    #[error("there is no Node here")]
    NoNode,
    /// There is one, but it is too old.
    #[error("Node {0} is here, {OLDEST_NODE} or newer is needed")]
    OldNode(String),
    /// Its packages are not installed.
    #[error("its packages are not installed; npm ci in {DIRECTORY} does that")]
    NoPackages,
    /// It did not start.
    #[error("it does not start: {0}")]
    Start(#[from] std::io::Error),
    /// It started and said nothing.
    #[error("it started, but does not listen")]
    Silent,
}

/// A running provider. Dropping it ends it.
pub struct OpenIdProvider {
    issuer: String,
    secret: String,
    // It ends with its standard input, whatever ends this process.
    _child: Child,
}

impl OpenIdProvider {
    /// Starts it for the service at `signoff`: on its customary port, if that is free, or on any.
    ///
    /// # Errors
    /// [`Absent`] says why there is none.
    pub async fn start(signoff: &str, free_port: bool, entropy: &Entropy) -> Result<Self, Absent> {
        let version = Command::new("node").arg("--version").output().await.map_err(|_| Absent::NoNode)?;
        let version = String::from_utf8_lossy(&version.stdout).trim().trim_start_matches('v').to_owned();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.ok_or(Absent::NoNode)? < OLDEST_NODE {
            return Err(Absent::OldNode(version));
        }
        if !Path::new(DIRECTORY).join("node_modules/.package-lock.json").is_file() {
            return Err(Absent::NoPackages);
        }
        let secret = entropy.token_256()?;
        let port = if free_port { 0 } else { PORT };
        let mut child = Command::new("node")
            .arg("provider.mjs")
            .current_dir(DIRECTORY)
            .env("SIGNOFF_URL", signoff)
            .env("CLIENT_ID", NAME)
            .env("CLIENT_SECRET", &secret)
            .env("PORT", port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().ok_or(Absent::Silent)?;
        let mut lines = BufReader::new(output).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.map_err(|_| Absent::Silent)??;
        let issuer = first.as_deref().and_then(|line| line.strip_prefix("listening on "));
        let issuer = issuer.ok_or(Absent::Silent)?.to_owned();
        Ok(Self { issuer, secret, _child: child })
    }

    /// Its address, which is its issuer, too.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What our settings say of it.
    #[must_use]
    pub fn settings(&self) -> OidcProvider {
        OidcProvider {
            name: NAME.to_owned(),
            issuer: self.issuer.clone(),
            client_id: NAME.to_owned(),
            client_secret: Secret::new(self.secret.clone()),
            kind: OidcKind::Oidc,
            token_alg: TokenAlg::Rs256,
            management: None,
        }
    }
}
