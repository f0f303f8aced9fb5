//! Key pairs for tests, made when first asked for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::OnceLock;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};

use super::signing::{Algorithm, Signer};

/// A private key and its certificate in DER.
pub(crate) type Pair = (PKey<Private>, Vec<u8>);

/// An RSA key of 2048 bits; the same one each time.
pub(crate) fn rsa() -> Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| certified(PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap())).clone()
}

/// A new key on that curve.
pub(crate) fn ec(curve: Nid) -> Pair {
    let group = EcGroup::from_curve_name(curve).unwrap();
    certified(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
}

/// The signer of a pair, with the algorithm that suits the key.
pub(crate) fn signer((key, certificate): Pair) -> Signer {
    let algorithm = Algorithm::suiting(&key).unwrap();
    Signer::new(key, &certificate, algorithm).unwrap()
}

/// A self-signed certificate of the key.
pub(crate) fn certified(key: PKey<Private>) -> Pair {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "test").unwrap();
    let name = name.build();
    let mut certificate = X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::from_unix(1).unwrap()).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = certificate.build().to_der().unwrap();
    (key, certificate)
}
