//! Our key pairs: by path from the configuration, or generated under the data directory.

mod files;
mod generate;
mod pair;
mod tokens;

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use openssl::error::ErrorStack;
use openssl::x509::X509;
use thiserror::Error;

pub use files::{KeyFile, describe, list};
pub use generate::{KeyKind, Owner, generate};
pub use pair::{EncryptionKey, SigningKey, certificate, fingerprint};
pub use tokens::{Jwk, TokenKeys, TokenPair};

use crate::config::{KeyFiles, Settings};
use crate::entropy::{Entropy, EntropyError};

/// The keys of one running service.
#[derive(Clone, Debug)]
pub struct KeyRing {
    /// Signs everything that we send.
    pub signing: SigningKey,
    /// Published beside the active certificate before its key takes over (MD-06).
    pub next_certificate: Option<X509>,
    /// What identity providers encrypt to. The first is the one that is published; all decrypt.
    pub encryption: Vec<EncryptionKey>,
    /// Sign what applications are told.
    pub tokens: TokenKeys,
}

/// What a key pair is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Others encrypt to it.
    Encryption,
    /// It signs what we send to identity providers.
    Signing,
    /// It signs what we tell applications.
    Tokens,
}

impl Purpose {
    /// The word in file names and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Encryption => "encryption",
            Self::Signing => "signing",
            Self::Tokens => "tokens",
        }
    }
}

/// Why a key cannot be used. Its text is one line that names the file.
#[derive(Debug, Error)]
pub enum KeyError {
    /// There is no signing key, and none may be generated.
    #[error(
        "no signing key: expected saml.signing_key and saml.signing_certificate, or a pair in \
         {directory} (signoff keys new)"
    )]
    Absent {
        /// Where generated pairs live.
        directory: PathBuf,
    },
    /// A pair was generated within the same second.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// The private key's file may be changed by other accounts.
    #[error("{path}: expected a private key that only its owner may write, its mode is {mode:o}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Key and certificate do not belong together.
    #[error("{key} is not the private key of {certificate}")]
    Foreign {
        /// The private key.
        key: PathBuf,
        /// The certificate.
        certificate: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// OpenSSL could not make a key or certificate.
    #[error("OpenSSL: {0}")]
    OpenSsl(#[from] ErrorStack),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The key that the database names as active is not here.
    #[error(
        "the database names {fingerprint} as the active signing key, which is not in {directory}: \
         bring its key pair here, or choose another with signoff keys use CERT"
    )]
    RecordedAbsent {
        /// The SHA-256 of its certificate.
        fingerprint: String,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// One key for SAML and for tokens: what it signs for one could be shown to the other.
    #[error("the key {0} signs SAML already: expected another one for tokens")]
    Shared(String),
    /// The file does not hold what it should.
    #[error("{path}: expected {expected}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What belongs there.
        expected: &'static str,
    },
    /// The key is of a kind or size that we do not use.
    #[error("{path}: {found}, expected {expected}")]
    Weak {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What would do.
        expected: &'static str,
    },
}

impl KeyRing {
    /// Opens the keys of `settings`: the configured ones, else those under the data
    /// directory, of which `recorded` (a fingerprint) names the active signing key. Which
    /// of the generated keys is active is thus the same on every node; whether a
    /// *configured* key is the recorded one is left to the readiness check.
    ///
    /// If there are none at all and `generate_missing`, a pair for signing (RSA 2048) and
    /// one for encryption (RSA 3072) are generated; and one for tokens (RSA 2048), if there is none.
    ///
    /// # Errors
    /// [`KeyError`]: a key that is missing, does not fit its certificate, is too weak, or
    /// may be written by others.
    pub fn open(
        settings: &Settings,
        recorded: Option<&str>,
        generate_missing: bool,
        now: DateTime<Utc>,
        entropy: &Entropy,
    ) -> Result<Self, KeyError> {
        let directory = settings.certs_dir();
        let (signing, from_directory) = if let Some(files) = &settings.saml.signing {
            (SigningKey::load(files)?, None)
        } else {
            // A recorded key that is gone must be missed, not replaced.
            if generate_missing && recorded.is_none() {
                generate_both(settings, &directory, now, entropy)?;
            }
            let active = active(&directory, recorded)?;
            (SigningKey::load(&active.files())?, Some(active))
        };
        let next_certificate = match (&settings.saml.next_signing_certificate, from_directory) {
            (Some(path), _) => Some(pair::certificate(path)?),
            (None, Some(active)) => newer(&directory, &active)?,
            (None, None) => None,
        };
        let encryption = encryption(settings, &directory)?;
        let encryption = encryption.iter().map(EncryptionKey::load).collect::<Result<_, _>>()?;
        if generate_missing && settings.tokens.signing.is_none() {
            generate_tokens(settings, &directory, now, entropy)?;
        }
        let tokens = TokenKeys::open(settings)?;
        if tokens.contains(&signing) {
            return Err(KeyError::Shared(signing.fingerprint().to_owned()));
        }
        Ok(Self { signing, next_certificate, encryption, tokens })
    }
}

/// The pairs to decrypt with, the one to publish first: the configured ones, with those before and
/// to come, else the newest under the data directory. An identity provider goes on encrypting to
/// the key that it knows until it reads our metadata again.
fn encryption(settings: &Settings, directory: &Path) -> Result<Vec<KeyFiles>, KeyError> {
    let saml = &settings.saml;
    if let Some(present) = &saml.encryption {
        let others = [&saml.previous_encryption, &saml.next_encryption];
        return Ok(std::iter::once(present).chain(others.into_iter().flatten()).cloned().collect());
    }
    let generated = list(directory)?.into_iter().rev().filter(|file| file.purpose == Purpose::Encryption);
    Ok(generated.take(MOST_ENCRYPTION).map(|file| file.files()).collect())
}

/// The most pairs that decrypt at the same time: each is tried on each message.
const MOST_ENCRYPTION: usize = 3;

/// Makes the first pairs, once, however many processes start at the same time.
fn generate_both(
    settings: &Settings,
    directory: &Path,
    now: DateTime<Utc>,
    entropy: &Entropy,
) -> Result<(), KeyError> {
    let _lock = files::lock(directory)?;
    if files::newest(directory, Purpose::Signing)?.is_some() {
        return Ok(());
    }
    let owner = Owner { directory: directory.to_path_buf(), host: settings.base_url.host().to_owned() };
    // Encryption first: the signing pair is the sign that both are there.
    if files::newest(directory, Purpose::Encryption)?.is_none() {
        generate(KeyKind::Rsa3072, Purpose::Encryption, &owner, now, entropy)?;
    }
    generate(KeyKind::Rsa2048, Purpose::Signing, &owner, now, entropy)?;
    Ok(())
}

/// Makes the first pair for tokens, once.
fn generate_tokens(
    settings: &Settings,
    directory: &Path,
    now: DateTime<Utc>,
    entropy: &Entropy,
) -> Result<(), KeyError> {
    let _lock = files::lock(directory)?;
    if files::newest(directory, Purpose::Tokens)?.is_none() {
        let owner = Owner { directory: directory.to_path_buf(), host: settings.base_url.host().to_owned() };
        generate(KeyKind::Rsa2048, Purpose::Tokens, &owner, now, entropy)?;
    }
    Ok(())
}

fn active(directory: &Path, recorded: Option<&str>) -> Result<KeyFile, KeyError> {
    let Some(recorded) = recorded else {
        return files::newest(directory, Purpose::Signing)?
            .ok_or_else(|| KeyError::Absent { directory: directory.to_path_buf() });
    };
    list(directory)?
        .into_iter()
        .find(|file| file.purpose == Purpose::Signing && file.fingerprint == recorded)
        .ok_or_else(|| KeyError::RecordedAbsent {
            fingerprint: recorded.to_owned(),
            directory: directory.to_path_buf(),
        })
}

/// The newest signing certificate that was generated after the active one: identity
/// providers learn it before `signoff keys use` makes it the active one.
fn newer(directory: &Path, active: &KeyFile) -> Result<Option<X509>, KeyError> {
    files::newest(directory, Purpose::Signing)?
        .filter(|file| file.generated_at > active.generated_at)
        .map(|file| pair::certificate(&file.certificate))
        .transpose()
}

impl KeyFile {
    /// Its two files.
    #[must_use]
    pub fn files(&self) -> KeyFiles {
        KeyFiles { key: self.key.clone(), certificate: self.certificate.clone() }
    }
}

#[cfg(test)]
mod tests;
