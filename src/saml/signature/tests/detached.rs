//! The signature beside a message on Redirect (Bindings 3.4.4.1; BIND-04, BIND-09, BIND-13).

use super::super::detached::digest;
use super::*;
use crate::saml::binding::Outbound;
use crate::saml::binding::{encode, redirect};
use crate::saml::names::{Binding, MessageId};
use crate::saml::outbound::Unsigned;
use crate::saml::signing::{Algorithm, EcdsaEncoding, Signer};
use crate::saml::test_keys::{self, Pair};
use crate::saml::test_messages::{entity, keys_with, location};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::Private;

fn unsigned() -> Unsigned {
    let id = MessageId::parse("_l").unwrap();
    Unsigned::new(logout_request(&alice()), id, location("https://sp.example/slo"), 0)
}

/// The message on Redirect, signed by that pair with that algorithm. It goes out under the name of a
/// response and comes in as the request that it is.
fn redirected(pair: &Pair, algorithm: Algorithm, encoding: EcdsaEncoding) -> Received {
    let signer = Signer::new(pair.0.clone(), &pair.1, algorithm).unwrap();
    let Outbound::Redirect { url } = encode::redirect(&unsigned(), None, &signer, encoding).unwrap() else {
        unreachable!("asked for a redirect")
    };
    let received = redirect::decode(url.split_once('?').unwrap().1).unwrap();
    Received { parameter: Parameter::SamlRequest, ..received }
}

fn trusting(keys: &[&PKey<Private>], policy: SignaturePolicy) -> TrustedKeys {
    let spki: Vec<_> = keys.iter().map(|key| key.public_key_to_der().unwrap()).collect();
    TrustedKeys::new(entity("https://idp.example"), spki.iter().map(Vec::as_slice), policy).unwrap()
}

/// The same message with another signature over the same octets.
fn resigned(received: &Received, algorithm: &str, signature: Vec<u8>) -> Received {
    let Detached::Present { signed, .. } = received.detached.clone() else { unreachable!("it is signed") };
    let detached = Detached::Present { algorithm: algorithm.to_owned(), signed, signature };
    Received { detached, ..received.clone() }
}

fn octets(received: &Received) -> (&str, &[u8]) {
    match &received.detached {
        Detached::Present { signed, signature, .. } => (signed, signature),
        Detached::Absent | Detached::Broken => unreachable!("it is signed"),
    }
}

#[test]
fn val_14_every_algorithm_that_is_published_verifies_and_no_other_name_does() {
    let (rsa, p256) = (test_keys::rsa(), test_keys::ec(Nid::X9_62_PRIME256V1));
    let (p384, p521) = (test_keys::ec(Nid::SECP384R1), test_keys::ec(Nid::SECP521R1));
    for (pair, algorithm) in [
        (&rsa, Algorithm::RsaSha256),
        (&rsa, Algorithm::RsaSha384),
        (&rsa, Algorithm::RsaSha512),
        (&p256, Algorithm::EcdsaSha256),
        (&p384, Algorithm::EcdsaSha384),
        (&p521, Algorithm::EcdsaSha512),
    ] {
        for encoding in [EcdsaEncoding::Raw, EcdsaEncoding::Der] {
            let good = redirected(pair, algorithm, encoding);
            let keys = trusting(&[&pair.0], SignaturePolicy::default());
            assert_eq!(verdict(&good, &keys), Ok(()), "{algorithm:?} {encoding:?}");
            let both = trusting(&[&p256.0, &rsa.0, &p384.0, &p521.0], SignaturePolicy::default());
            assert_eq!(verdict(&good, &both), Ok(()), "BIND-13: one of several keys");
            for claimed in SIGNATURE_ALGORITHMS.into_iter().filter(|claimed| *claimed != algorithm.uri()) {
                let other = resigned(&good, claimed, octets(&good).1.to_vec());
                assert!(verdict(&other, &both).is_err(), "{algorithm:?} passes for {claimed}");
            }
        }
    }
    assert_eq!(SIGNATURE_ALGORITHMS.len(), 6);
}

#[test]
fn f_25_what_does_not_verify_is_refused() {
    for (pair, algorithm) in [
        (test_keys::rsa(), Algorithm::RsaSha256),
        (test_keys::ec(Nid::X9_62_PRIME256V1), Algorithm::EcdsaSha256),
    ] {
        let keys = trusting(&[&pair.0], SignaturePolicy::default());
        for encoding in [EcdsaEncoding::Raw, EcdsaEncoding::Der] {
            let good = redirected(&pair, algorithm, encoding);
            let signature = octets(&good).1.to_vec();
            let mut changed = signature.clone();
            *changed.last_mut().unwrap() ^= 1;
            let shorter = signature.get(1..).unwrap().to_vec();
            let longer = [&[0], signature.as_slice()].concat();
            let zeros = vec![0; signature.len()];
            for other in [changed, shorter, longer, zeros, vec![0], Vec::new()] {
                let forged = resigned(&good, algorithm.uri(), other);
                assert_eq!(verdict(&forged, &keys), Err(Refusal::SignatureInvalid), "{algorithm:?}");
            }
            let Detached::Present { algorithm: name, signed, signature } = good.detached.clone() else {
                unreachable!("it is signed")
            };
            let signed = format!("{signed}x");
            let detached = Detached::Present { algorithm: name, signed, signature };
            assert_eq!(
                verdict(&Received { detached, ..good.clone() }, &keys),
                Err(Refusal::SignatureInvalid)
            );
            assert_eq!(verdict(&good, &keys), Ok(()));
        }
    }
}

#[test]
fn val_14_the_algorithm_has_to_fit_a_key() {
    let (rsa, ec) = (test_keys::rsa(), test_keys::ec(Nid::X9_62_PRIME256V1));
    let by_rsa = redirected(&rsa, Algorithm::RsaSha256, EcdsaEncoding::Raw);
    let by_ec = redirected(&ec, Algorithm::EcdsaSha256, EcdsaEncoding::Raw);
    let only = |pair: &Pair| trusting(&[&pair.0], SignaturePolicy::default());
    assert_eq!(verdict(&by_rsa, &only(&ec)), Err(Refusal::AlgorithmNotAllowed));
    assert_eq!(verdict(&by_ec, &only(&rsa)), Err(Refusal::AlgorithmNotAllowed));
    let other = test_keys::certified(PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap());
    assert_eq!(verdict(&by_rsa, &only(&other)), Err(Refusal::SignatureInvalid));
    assert_eq!(verdict(&by_rsa, &only(&rsa)), Ok(()));
    assert_eq!(verdict(&by_ec, &only(&ec)), Ok(()));
}

#[test]
fn val_14_sha_1_is_taken_from_whom_it_is_allowed_to() {
    let pair = test_keys::rsa();
    let good = redirected(&pair, Algorithm::RsaSha256, EcdsaEncoding::Raw);
    let mut signer = openssl::sign::Signer::new(MessageDigest::sha1(), &pair.0).unwrap();
    let value = signer.sign_oneshot_to_vec(octets(&good).0.as_bytes()).unwrap();
    let weak = resigned(&good, "http://www.w3.org/2000/09/xmldsig#rsa-sha1", value);
    let allowed = SignaturePolicy { allow_sha1: true, ..SignaturePolicy::default() };
    let other = SignaturePolicy { allow_inclusive_c14n: true, ..SignaturePolicy::default() };
    assert_eq!(verdict(&weak, &keys()), Err(Refusal::AlgorithmNotAllowed));
    assert_eq!(verdict(&weak, &keys_with(other)), Err(Refusal::AlgorithmNotAllowed));
    assert_eq!(verdict(&weak, &keys_with(allowed)), Ok(()));
}

/// A name that is on no list never gets as far as a digest.
#[test]
fn val_14_names_that_are_no_algorithm() {
    for name in
        ["", "#", "rsa-sha256", "#rsa", "#dsa-sha1", "#hmac-sha256", "#rsa-md5", "#rsa-", "urn:x#rsa-sha224"]
    {
        assert_eq!(digest(name, b"").err(), Some(Refusal::AlgorithmNotAllowed), "{name}");
    }
    for name in SIGNATURE_ALGORITHMS {
        assert!(digest(name, b"").is_ok(), "{name}");
    }
}

#[test]
fn bind_10_half_a_signature_is_none() {
    let good = redirected(&test_keys::rsa(), Algorithm::RsaSha256, EcdsaEncoding::Raw);
    assert_eq!(good.binding, Binding::Redirect);
    for (detached, refusal) in
        [(Detached::Absent, Refusal::SignatureMissing), (Detached::Broken, Refusal::BrokenDetachedSignature)]
    {
        assert_eq!(verdict(&Received { detached, ..good.clone() }, &keys()), Err(refusal));
    }
    assert_eq!(verdict(&good, &keys()), Ok(()));
}
