//! What can go wrong on our side: at the start, and inside a story.

use crate::entropy::EntropyError;
use crate::saml::binding::encode::EncodeError;
use crate::saml::names::NameError;
use crate::saml::signing::SigningError;
use crate::store::StoreError;

/// Why the application cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No client for SOAP or for notifications could be made.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// There is no randomness.
    #[error("no randomness: {0}")]
    Entropy(#[from] EntropyError),
    /// Our entity ID or base URL cannot be used.
    #[error("{key}: {source}")]
    Name {
        /// The setting.
        key: &'static str,
        /// What is wrong with it.
        source: NameError,
    },
    /// The signing key cannot sign.
    #[error("signing key: {0}")]
    Signing(#[from] SigningError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A fault of ours, inside a story: it ends as a page with an incident, or as `Responder`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// OpenSSL failed.
    #[error("OpenSSL failed")]
    Crypto(#[source] openssl::error::ErrorStack),
    /// A message could not be written.
    #[error("the message could not be sent")]
    Encode(#[from] EncodeError),
    /// The NameID is to be encrypted and the identity provider has no key for that.
    #[error("the NameID must be encrypted, and the identity provider has no key for that")]
    NoEncryptionKey,
    /// No randomness.
    #[error("no randomness")]
    Entropy(#[from] EntropyError),
    /// An identifier of our own making was refused.
    #[error("an identifier of our own is not well-formed")]
    Identifier,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
