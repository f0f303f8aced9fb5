//! The only place that asks the machine for randomness.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::sha::sha256;
use thiserror::Error;

/// Where unguessable octets come from. Cheap to clone; clones share one stream.
#[derive(Clone, Debug)]
pub struct Entropy {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    /// SHA-256 in counter mode: the same seed gives the same test run.
    Seeded {
        seed: u64,
        counter: Arc<AtomicU64>,
    },
}

/// The machine has no randomness to give. Nothing may be issued without it.
#[derive(Debug, Error)]
#[error("the operating system gave no random octets: {0}")]
pub struct EntropyError(#[from] openssl::error::ErrorStack);

impl Entropy {
    /// OpenSSL's generator, seeded by the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self { source: Source::System }
    }

    /// A predictable stream for tests: never for anything that is served.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { source: Source::Seeded { seed, counter: Arc::new(AtomicU64::new(0)) } }
    }

    /// `N` random octets.
    ///
    /// # Errors
    /// When the operating system has none to give.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], EntropyError> {
        let mut octets = [0_u8; N];
        match &self.source {
            Source::System => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "this is the one place that may draw randomness"
                )]
                openssl::rand::rand_bytes(&mut octets)?;
            }
            Source::Seeded { seed, counter } => {
                for chunk in octets.chunks_mut(32) {
                    let block = counter.fetch_add(1, Ordering::SeqCst);
                    let mut input = [0_u8; 16];
                    input[..8].copy_from_slice(&seed.to_be_bytes());
                    input[8..].copy_from_slice(&block.to_be_bytes());
                    for (octet, random) in chunk.iter_mut().zip(sha256(&input)) {
                        *octet = random;
                    }
                }
            }
        }
        Ok(octets)
    }

    /// A SAML message id: `_` and 160 random bits in hex. Core 1.3.4 wants at least 128
    /// bits, and an `xs:ID` may not start with a digit.
    ///
    /// # Errors
    /// As [`Entropy::bytes`].
    pub fn message_id(&self) -> Result<String, EntropyError> {
        let mut id = String::with_capacity(41);
        id.push('_');
        for octet in self.bytes::<20>()? {
            // Writing to a String cannot fail.
            let _ = write!(id, "{octet:02x}");
        }
        Ok(id)
    }

    /// 256 random bits in base64url: session cookies and other bearer secrets.
    ///
    /// # Errors
    /// As [`Entropy::bytes`].
    pub fn token_256(&self) -> Result<String, EntropyError> {
        Ok(URL_SAFE_NO_PAD.encode(self.bytes::<32>()?))
    }

    /// 128 random bits in base64url: handles that name a thing but open nothing.
    ///
    /// # Errors
    /// As [`Entropy::bytes`].
    pub fn handle_128(&self) -> Result<String, EntropyError> {
        Ok(URL_SAFE_NO_PAD.encode(self.bytes::<16>()?))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_message_id_is_an_xs_id_with_160_bits() {
        let id = Entropy::system().message_id().unwrap();
        assert_eq!(id.len(), 41);
        assert!(id.starts_with('_'));
        assert!(id[1..].bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn tokens_and_handles_carry_their_bits_and_never_repeat() {
        let entropy = Entropy::system();
        assert_eq!(entropy.token_256().unwrap().len(), 43);
        assert_eq!(entropy.handle_128().unwrap().len(), 22);
        assert_ne!(entropy.token_256().unwrap(), entropy.token_256().unwrap());
    }

    #[test]
    fn the_same_seed_gives_the_same_stream_and_clones_share_it() {
        let first = Entropy::seeded(7);
        let second = Entropy::seeded(7);
        assert_eq!(first.bytes::<70>().unwrap(), second.bytes::<70>().unwrap());
        let clone = first.clone();
        assert_ne!(first.bytes::<16>().unwrap(), clone.bytes::<16>().unwrap());
        assert_ne!(Entropy::seeded(8).bytes::<16>().unwrap(), Entropy::seeded(7).bytes::<16>().unwrap());
    }
}
