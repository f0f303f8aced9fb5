//! The keys that sign what applications are told (logout tokens, security event tokens), and which of
//! them is published when. They are never the keys of SAML.
//!
//! Receivers keep our key set for a while. So a generated key is published for a day before it signs,
//! and for a day after the next one has taken over: long after the last token that it signed is over.
//! The time in a file's name decides, so every node comes to the same at the same time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use openssl::pkey::{Id, PKey, Private};
use openssl::sha::sha256;
use openssl::x509::X509;

use super::pair::{self, SigningKey};
use super::{KeyError, KeyFile, Purpose, files};
use crate::config::Settings;

/// How long a key is published before it signs.
const AHEAD: TimeDelta = TimeDelta::hours(24);
/// How long a key is published after the next one has taken over.
const BEHIND: TimeDelta = TimeDelta::hours(24);

/// All keys for tokens, the oldest first.
#[derive(Clone, Default)]
pub struct TokenKeys(Vec<TokenPair>);

/// One key for tokens.
#[derive(Clone)]
pub struct TokenPair {
    /// Its public half.
    pub public: Jwk,
    /// SHA-256 of its certificate.
    pub fingerprint: String,
    /// Its private half; none of a key that is only published.
    private: Option<PKey<Private>>,
    /// When it was generated; none of a configured one.
    generated_at: Option<DateTime<Utc>>,
}

/// A public RSA key as a key set has it (RFC 7517, RFC 7518 6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// Its name: the thumbprint of RFC 7638.
    pub kid: String,
    /// The modulus, base64url.
    pub n: String,
    /// The exponent, base64url.
    pub e: String,
}

impl TokenKeys {
    /// Opens the configured keys, else those under the data directory. There may be none: then no
    /// application can be told by a token.
    ///
    /// # Errors
    /// [`KeyError`]: a key that does not fit its certificate, is too weak, or may be written by others.
    pub fn open(settings: &Settings) -> Result<Self, KeyError> {
        let Some(present) = &settings.tokens.signing else {
            let generated = files::list(&settings.certs_dir())?;
            let pairs =
                generated.iter().filter(|file| file.purpose == Purpose::Tokens).map(TokenPair::of_file);
            return Ok(Self(pairs.collect::<Result<_, _>>()?));
        };
        let mut pairs = Vec::new();
        if let Some(path) = &settings.tokens.previous_certificate {
            pairs.push(TokenPair::of_certificate(&pair::certificate(path)?, path)?);
        }
        pairs.push(TokenPair::of_key(&SigningKey::load(present)?, &present.key, None)?);
        if let Some(path) = &settings.tokens.next_certificate {
            pairs.push(TokenPair::of_certificate(&pair::certificate(path)?, path)?);
        }
        Ok(Self(pairs))
    }

    /// Whether that key is among them.
    pub(super) fn contains(&self, key: &SigningKey) -> bool {
        self.0.iter().any(|pair| {
            pair.fingerprint == key.fingerprint()
                || pair.private.as_ref().is_some_and(|private| private.public_eq(key.private()))
        })
    }

    /// The key that signs, with its name.
    #[must_use]
    pub fn active(&self, now: DateTime<Utc>) -> Option<(&TokenPair, &PKey<Private>)> {
        let pair = self.0.get(self.active_index(now)?)?;
        Some((pair, pair.private.as_ref()?))
    }

    /// The keys of our key set.
    pub fn published(&self, now: DateTime<Utc>) -> impl Iterator<Item = &TokenPair> {
        let active = self.active_index(now).unwrap_or(0);
        self.0
            .iter()
            .enumerate()
            .filter(move |(index, pair)| *index >= active || self.lingers(*index, pair, now))
            .map(|(_, pair)| pair)
    }

    /// The newest that has been published long enough; the first, if none has.
    fn active_index(&self, now: DateTime<Utc>) -> Option<usize> {
        let ready =
            |pair: &TokenPair| pair.private.is_some() && pair.generated_at.is_none_or(|at| at + AHEAD <= now);
        self.0.iter().rposition(ready).or_else(|| self.0.iter().position(|pair| pair.private.is_some()))
    }

    fn lingers(&self, index: usize, pair: &TokenPair, now: DateTime<Utc>) -> bool {
        let next = self.0.get(index + 1).and_then(|next| next.generated_at);
        match (pair.generated_at, next) {
            (Some(_), Some(next)) => next + AHEAD + BEHIND > now,
            // A configured one is published for as long as it is configured.
            _ => true,
        }
    }
}

impl TokenPair {
    fn of_file(file: &KeyFile) -> Result<Self, KeyError> {
        let at = NaiveDateTime::parse_from_str(&file.generated_at, "%Y%m%d%H%M%S").ok();
        Self::of_key(&SigningKey::load(&file.files())?, &file.key, at.map(|at| at.and_utc()))
    }

    fn of_key(
        key: &SigningKey,
        path: &std::path::Path,
        generated_at: Option<DateTime<Utc>>,
    ) -> Result<Self, KeyError> {
        let published = Self::of_certificate(key.certificate(), path)?;
        Ok(Self { private: Some(key.private().clone()), generated_at, ..published })
    }

    fn of_certificate(certificate: &X509, path: &std::path::Path) -> Result<Self, KeyError> {
        let key = certificate.public_key()?;
        if key.id() != Id::RSA || key.bits() < 2048 {
            return Err(KeyError::Weak {
                path: path.to_path_buf(),
                found: pair::kind(&key),
                expected: "RSA of 2048 bits or more for tokens",
            });
        }
        let rsa = key.rsa()?;
        let (n, e) = (URL_SAFE_NO_PAD.encode(rsa.n().to_vec()), URL_SAFE_NO_PAD.encode(rsa.e().to_vec()));
        // RFC 7638, 3: the required members, in order, without white space.
        let thumbprint = sha256(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).as_bytes());
        Ok(Self {
            public: Jwk { kid: URL_SAFE_NO_PAD.encode(thumbprint), n, e },
            fingerprint: pair::fingerprint(certificate)?,
            private: None,
            generated_at: None,
        })
    }
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|pair| &pair.public.kid)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(generated: &[i64]) -> TokenKeys {
        TokenKeys(
            generated
                .iter()
                .map(|hour| TokenPair {
                    public: Jwk { kid: hour.to_string(), n: String::new(), e: String::new() },
                    fingerprint: String::new(),
                    private: openssl::pkey::PKey::generate_ed25519().ok(),
                    generated_at: Some(at(*hour)),
                })
                .collect(),
        )
    }

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    fn shown(keys: &TokenKeys, hour: i64) -> (String, Vec<String>) {
        let active = keys.active(at(hour)).map(|(pair, _)| pair.public.kid.clone());
        (active.unwrap_or_default(), keys.published(at(hour)).map(|pair| pair.public.kid.clone()).collect())
    }

    #[test]
    fn the_first_key_signs_at_once() {
        assert_eq!(shown(&keys(&[100]), 100), ("100".into(), vec!["100".into()]));
        assert_eq!(shown(&keys(&[]), 100), (String::new(), vec![]));
    }

    #[test]
    fn the_next_key_is_published_a_day_before_it_signs_and_the_old_one_a_day_after() {
        let keys = keys(&[100, 200]);
        let both = vec![String::from("100"), String::from("200")];
        assert_eq!(shown(&keys, 200), ("100".into(), both.clone()));
        assert_eq!(shown(&keys, 223), ("100".into(), both.clone()));
        assert_eq!(shown(&keys, 224), ("200".into(), both.clone()));
        assert_eq!(shown(&keys, 247), ("200".into(), both));
        assert_eq!(shown(&keys, 248), ("200".into(), vec!["200".into()]));
    }
}
