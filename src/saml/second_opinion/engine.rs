//! samael's engine, libxmlsec1, asked one question: what does the signature cover?
//!
//! Its answer is what xmlsec digested, in canonical form (`ReduceMode::PreDigest`). None of samael's
//! own reading of SAML is used.

use std::sync::atomic::{AtomicUsize, Ordering};

use openssl::pkey::{Id, PKey, Public};
use samael::crypto::{AllowedSignatureAlgorithm, CertificateDer, Crypto, CryptoProvider as _, ReduceMode};

use super::Exhibit;

/// The signature methods, with their digests, that our own allow-list has as well (VAL-14).
const ALLOWED: [AllowedSignatureAlgorithm; 6] = [
    AllowedSignatureAlgorithm::RsaSha256,
    AllowedSignatureAlgorithm::RsaSha384,
    AllowedSignatureAlgorithm::RsaSha512,
    AllowedSignatureAlgorithm::EcdsaSha256,
    AllowedSignatureAlgorithm::EcdsaSha384,
    AllowedSignatureAlgorithm::EcdsaSha512,
];

/// The keys of an IdP in the form that this engine takes.
pub struct OtherKeys {
    rsa: Ring,
    elliptic: Ring,
    allow_sha1: bool,
}

/// Keys of one kind. A key that cannot go with the algorithm is an error to xmlsec, not a "no".
#[derive(Default)]
struct Ring {
    envelopes: Vec<CertificateDer>,
    /// The one that verified last is tried first: every miss is a line on stderr.
    favourite: AtomicUsize,
}

impl OtherKeys {
    /// Takes the keys that our own verifier takes.
    pub(in crate::saml) fn new<'a>(
        keys: impl IntoIterator<Item = &'a PKey<Public>>,
        allow_sha1: bool,
    ) -> Self {
        let (mut rsa, mut elliptic) = (Ring::default(), Ring::default());
        for key in keys {
            let ring = if key.id() == Id::EC { &mut elliptic } else { &mut rsa };
            ring.envelopes
                .extend(key.public_key_to_der().ok().map(|spki| CertificateDer::from(envelope(&spki))));
        }
        Self { rsa, elliptic, allow_sha1 }
    }

    /// What the signature of the exhibit covers; none if it does not verify with any of the keys.
    ///
    /// Only what our own verifier has accepted may come here: this engine fetches and runs what an
    /// unauthenticated signature names.
    pub(super) fn reduce(&self, exhibit: &Exhibit) -> Option<String> {
        let ring = if exhibit.is_elliptic() { &self.elliptic } else { &self.rsa };
        // The list knows no SHA-1. Where one IdP may use it, ours has checked the algorithms already.
        let allowed = (!self.allow_sha1).then_some(ALLOWED.as_slice());
        let ask = |keys: &[CertificateDer]| {
            let mode = ReduceMode::PreDigest;
            Crypto::reduce_xml_to_signed_with_allowed_algorithms(exhibit.xml(), keys, mode, allowed).ok()
        };
        let favourite = ring.favourite.load(Ordering::Relaxed);
        let others = (0..ring.envelopes.len()).filter(|at| *at != favourite);
        for at in std::iter::once(favourite).chain(others) {
            let Some(key) = ring.envelopes.get(at) else { continue };
            if let Some(covered) = ask(std::slice::from_ref(key)) {
                ring.favourite.store(at, Ordering::Relaxed);
                return Some(covered);
            }
        }
        // A Response and its assertion may be signed with two of the keys.
        if ring.envelopes.len() > 1 { ask(&ring.envelopes) } else { None }
    }
}

/// A certificate around a SubjectPublicKeyInfo, because the engine takes keys in no other form. Nobody
/// signed it and nobody asks: it is an envelope.
///
/// ```asn1
/// SEQUENCE { SEQUENCE { serial 1, algorithm, issuer {}, validity, subject {}, SPKI }, algorithm, signature }
/// ```
fn envelope(spki: &[u8]) -> Vec<u8> {
    // ecdsa-with-SHA256, which has no parameters.
    const ALGORITHM: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    const SERIAL: &[u8] = &[0x02, 0x01, 0x01];
    const NAME: &[u8] = &[0x30, 0x00];
    const VALIDITY: &[u8] = b"\x30\x1e\x17\x0d700101000000Z\x17\x0d491231235959Z";
    const SIGNATURE: &[u8] = &[0x03, 0x02, 0x00, 0x00];
    let inner = sequence(&[SERIAL, ALGORITHM, NAME, VALIDITY, NAME, spki]);
    sequence(&[&inner, ALGORITHM, SIGNATURE])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|octet| *octet == 0).collect();
    let mut der = vec![0x30];
    match significant.as_slice() {
        [] => der.push(0),
        [short] if *short < 0x80 => der.push(*short),
        long => {
            // At most eight octets, as there are in a usize.
            der.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            der.extend_from_slice(long);
        }
    }
    der.extend(content);
    der
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use openssl::x509::X509;

    use super::*;
    use crate::saml::test_keys;

    #[test]
    fn an_envelope_is_a_certificate_around_the_key() {
        for (key, _) in [test_keys::rsa(), test_keys::ec(openssl::nid::Nid::SECP384R1)] {
            let spki = key.public_key_to_der().unwrap();
            let certificate = X509::from_der(&envelope(&spki)).unwrap();
            assert_eq!(certificate.public_key().unwrap().public_key_to_der().unwrap(), spki);
        }
    }
}
