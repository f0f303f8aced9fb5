//! The signature beside a message on Redirect, verified by OpenSSL.

use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sha::{sha1, sha256, sha384, sha512};

use crate::saml::refusal::Refusal;

/// The kind of key that an algorithm takes, and the digest to verify.
pub(super) fn digest(algorithm: &str, octets: &[u8]) -> Result<(Id, Digest), Refusal> {
    let (kind, hash) = algorithm
        .rsplit_once('#')
        .map_or((algorithm, ""), |(_, name)| name.split_once('-').unwrap_or((name, "")));
    let kind = match kind {
        "rsa" => Id::RSA,
        "ecdsa" => Id::EC,
        _ => return Err(Refusal::AlgorithmNotAllowed),
    };
    let digest = match hash {
        "sha1" => Digest { method: MessageDigest::sha1(), value: sha1(octets).to_vec() },
        "sha256" => Digest { method: MessageDigest::sha256(), value: sha256(octets).to_vec() },
        "sha384" => Digest { method: MessageDigest::sha384(), value: sha384(octets).to_vec() },
        "sha512" => Digest { method: MessageDigest::sha512(), value: sha512(octets).to_vec() },
        _ => return Err(Refusal::AlgorithmNotAllowed),
    };
    Ok((kind, digest))
}

pub(super) struct Digest {
    method: MessageDigest,
    value: Vec<u8>,
}

pub(super) fn verifies(key: &PKey<Public>, digest: &Digest, signature: &[u8]) -> bool {
    if key.id() == Id::RSA {
        rsa_verifies(key, digest, signature).unwrap_or(false)
    } else {
        ecdsa_verifies(key, &digest.value, signature)
    }
}

fn rsa_verifies(
    key: &PKey<Public>,
    digest: &Digest,
    signature: &[u8],
) -> Result<bool, openssl::error::ErrorStack> {
    let method = openssl::md::Md::from_nid(digest.method.type_());
    let mut context = PkeyCtx::new(key)?;
    context.verify_init()?;
    context.set_rsa_padding(Padding::PKCS1)?;
    if let Some(method) = method {
        context.set_signature_md(method)?;
    } else {
        return Ok(false);
    }
    context.verify(&digest.value, signature)
}

/// XML Signature writes an ECDSA signature as the two numbers side by side; some products send DER
/// on Redirect. Both are taken (BIND-13).
fn ecdsa_verifies(key: &PKey<Public>, digest: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = key.ec_key() else { return false };
    let size = key.group().degree().div_ceil(8) as usize;
    let raw = (signature.len() == 2 * size).then(|| {
        let (r, s) = signature.split_at_checked(size)?;
        let (r, s) = (BigNum::from_slice(r).ok()?, BigNum::from_slice(s).ok()?);
        EcdsaSig::from_private_components(r, s).ok()
    });
    let forms = [raw.flatten(), EcdsaSig::from_der(signature).ok()];
    forms.into_iter().flatten().any(|form| form.verify(digest, &key).unwrap_or(false))
}
