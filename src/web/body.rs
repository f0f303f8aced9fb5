//! Reading a request body within a size and a time.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use openssl::sha::{Sha256, sha256};

use crate::app::TurnedAway;
use crate::saml::refusal::Refusal;

/// The most octets of a form: a message of 128 KiB in base64 and percent-encoding, with room.
pub const FORM_LIMIT: usize = 1024 * 1024;
/// The most octets of a SOAP envelope.
pub const SOAP_LIMIT: usize = 256 * 1024;
/// How long a whole body may take: a slow sender must not hold a connection for ever.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// How much of an oversized body is thrown away before we answer: a sender that is still
/// writing would otherwise see a broken connection instead of the answer.
const DISCARDED: usize = 16 * 1024 * 1024;

/// A body that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// Why.
    pub why: Why,
    /// The SHA-256 of what came of it, for the audit.
    pub digest: [u8; 32],
}

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// More octets than the limit.
    #[error("the request body is larger than the limit")]
    TooLarge,
    /// Not all there in time.
    #[error("the request body did not arrive in time")]
    TooSlow,
    /// The connection failed or the body was not framed correctly.
    #[error("the request body could not be read")]
    Broken,
}

impl Unread {
    /// As the audit wants it.
    pub fn turned_away(&self, endpoint: &'static str, source: IpAddr) -> TurnedAway<'_> {
        let rule = Refusal::TooLarge.rule();
        TurnedAway { endpoint, source, rule, digest: self.digest, why: &self.why }
    }
}

/// All octets of a body.
///
/// # Errors
/// [`Unread`].
pub async fn octets(body: Body, limit: usize) -> Result<Vec<u8>, Unread> {
    let mut taken = Taken::default();
    let why = match tokio::time::timeout(TIME_LIMIT, taken.fill(body, limit)).await {
        Ok(Ok(())) => return Ok(taken.octets),
        Ok(Err(why)) => why,
        Err(_) => Why::TooSlow,
    };
    Err(Unread { why, digest: taken.digest() })
}

/// What has come so far: kept up to the limit, beyond it only counted and digested.
#[derive(Default)]
struct Taken {
    octets: Vec<u8>,
    beyond: Option<(usize, Sha256)>,
}

impl Taken {
    async fn fill(&mut self, mut body: Body, limit: usize) -> Result<(), Why> {
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Why::Broken)?.into_data() else { continue };
            if self.beyond.is_none() && self.octets.len() + data.len() <= limit {
                self.octets.extend_from_slice(&data);
            } else if self.discard(&data) > DISCARDED {
                break;
            }
        }
        if self.beyond.is_some() { Err(Why::TooLarge) } else { Ok(()) }
    }

    /// Counts and digests what is not kept; says how much that is by now.
    fn discard(&mut self, data: &[u8]) -> usize {
        let (length, digest) = self.beyond.get_or_insert_with(|| {
            let mut digest = Sha256::new();
            digest.update(&self.octets);
            (self.octets.len(), digest)
        });
        digest.update(data);
        *length = length.saturating_add(data.len());
        *length
    }

    fn digest(self) -> [u8; 32] {
        match self.beyond {
            Some((_, digest)) => digest.finish(),
            None => sha256(&self.octets),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[tokio::test]
    async fn val_01_a_body_of_exactly_the_limit_is_taken_and_one_octet_more_is_not() {
        assert_eq!(octets(Body::from("abcd"), 4).await.unwrap(), b"abcd");
        let unread = octets(Body::from("abcde"), 4).await.unwrap_err();
        assert_eq!(unread, Unread { why: Why::TooLarge, digest: sha256(b"abcde") });
        assert_eq!(octets(Body::empty(), 4).await.unwrap(), b"");
    }

    #[test]
    fn the_digest_covers_what_was_kept_and_what_was_not() {
        let mut taken = Taken { octets: b"kept ".to_vec(), beyond: None };
        taken.discard(b"and ");
        assert_eq!(taken.discard(b"not"), 12);
        assert_eq!(taken.digest(), sha256(b"kept and not"));
    }
}
