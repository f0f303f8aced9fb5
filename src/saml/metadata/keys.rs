//! Which keys a `ds:KeyInfo` of metadata gives.
//!
//! The key alone counts (Metadata IOP 2.6.1; MD-17): of a certificate nothing but its public key
//! is used; its dates, issuer, revocation, purposes and signature algorithm say nothing here.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use openssl::x509::X509;

use super::stream::{DSIG11, Element, Stream, XmlError};
use super::{KeyProblem, SigningKeyDer};
use crate::saml::signature::verifies_with;
use crate::saml::write::DS;

const SMALLEST_RSA: u32 = 2048;
/// Above this OpenSSL itself refuses to verify.
const LARGEST_RSA: u32 = 16384;

/// The certificates of one KeyInfo that are looked at; each is held against each.
const MOST_CERTIFICATES: usize = 16;

/// Base64 as metadata has it: padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The keys of one `ds:KeyInfo`, and what was wrong with those that cannot be used.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) keys: Vec<SigningKeyDer>,
    pub(super) problems: Vec<KeyProblem>,
}

impl Found {
    fn take(&mut self, key: Result<SigningKeyDer, KeyProblem>) {
        match key {
            Ok(key) if self.keys.contains(&key) => {}
            Ok(key) => self.keys.push(key),
            Err(problem) => self.complain(problem),
        }
    }

    /// Says each thing once, however often it occurs.
    fn complain(&mut self, problem: KeyProblem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// Reads a `ds:KeyInfo`: the certificates of all its `ds:X509Data`, its `ds:KeyValue` and its
/// `dsig11:DEREncodedKeyValue`. Names, references and the like give no key.
pub(super) fn read(stream: &mut Stream<'_>) -> Result<Found, XmlError> {
    let mut found = Found::default();
    let mut certificates = Vec::new();
    stream.children(|stream, element| {
        if element.is(DS.uri, "X509Data") {
            stream.children(|stream, element| {
                if element.is(DS.uri, "X509Certificate") && certificates.len() == MOST_CERTIFICATES {
                    found.complain(KeyProblem::TooMany);
                } else if element.is(DS.uri, "X509Certificate") {
                    match decode(&stream.text()?).and_then(|der| X509::from_der(&der).ok()) {
                        Some(certificate) => certificates.push(certificate),
                        None => found.complain(KeyProblem::Certificate),
                    }
                }
                Ok::<_, XmlError>(())
            })?;
        } else if element.is(DS.uri, "KeyValue") {
            stream.children(|stream, element| {
                let key = key_value(stream, element)?;
                found.take(key);
                Ok::<_, XmlError>(())
            })?;
        } else if element.is(DSIG11, "DEREncodedKeyValue") {
            let der = decode(&stream.text()?);
            found.take(
                der.and_then(|der| PKey::public_key_from_der(&der).ok())
                    .map_or(Err(KeyProblem::KeyValue), |key| usable(&key)),
            );
        }
        Ok::<_, XmlError>(())
    })?;
    for certificate in end_entities(&certificates) {
        let key = certificate.public_key().map_err(|_| KeyProblem::Certificate);
        found.take(key.and_then(|key| usable(&key)));
    }
    if found.keys.is_empty() && found.problems.is_empty() {
        found.complain(KeyProblem::NoKey);
    }
    Ok(found)
}

/// Those certificates that did not sign another one here.
///
/// A KeyInfo should hold one certificate (IOP 2.5.1), but many hold more. XML Signature (4.5.4) allows
/// a chain in no particular order: then only its end is the signer's key, and to trust the
/// authority's key too would let it sign in the IdP's name. Certificates that do not certify each
/// other are alternatives, as in a rollover, and each one's key counts.
fn end_entities(certificates: &[X509]) -> impl Iterator<Item = &X509> {
    certificates.iter().filter(|candidate| !certificates.iter().any(|other| certifies(candidate, other)))
}

fn certifies(issuer: &X509, subject: &X509) -> bool {
    let same_name = issuer
        .subject_name()
        .try_cmp(subject.issuer_name())
        .is_ok_and(|order| order == std::cmp::Ordering::Equal);
    match (same_name, issuer.public_key(), subject.public_key()) {
        // The same key certified anew is no chain.
        (true, Ok(key), Ok(certified)) => !key.public_eq(&certified) && subject.verify(&key).unwrap_or(false),
        _ => false,
    }
}

/// The key as we keep it, if we would verify with it: RSA of 2048 bits or more, or one of the
/// curves P-256, P-384 and P-521.
fn usable(key: &PKey<Public>) -> Result<SigningKeyDer, KeyProblem> {
    let der = match key.id() {
        Id::RSA if key.bits() < SMALLEST_RSA => return Err(KeyProblem::RsaTooShort(key.bits())),
        Id::RSA if key.bits() > LARGEST_RSA => return Err(KeyProblem::RsaTooLong(key.bits())),
        Id::RSA => key.public_key_to_der().ok(),
        Id::EC => curve_key(key),
        _ => return Err(KeyProblem::Kind),
    };
    let der = der.ok_or(KeyProblem::Kind)?;
    // A certificate can name numbers that are no key: an even modulus, for one.
    if verifies_with(&der) { Ok(SigningKeyDer(der)) } else { Err(KeyProblem::Unusable) }
}

/// An EC key spelt in one way: named curve, uncompressed point.
fn curve_key(key: &PKey<Public>) -> Option<Vec<u8>> {
    let key = key.ec_key().ok()?;
    let curve = key.group().curve_name().filter(|curve| CURVES.iter().any(|(_, known)| known == curve))?;
    let mut context = BigNumContext::new().ok()?;
    let octets =
        key.public_key().to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context).ok()?;
    point(curve, &octets)?.public_key_to_der().ok()
}

fn point(curve: Nid, octets: &[u8]) -> Option<PKey<Public>> {
    let group = EcGroup::from_curve_name(curve).ok()?;
    let mut context = BigNumContext::new().ok()?;
    // Fails for a point that is not on the curve.
    let point = EcPoint::from_bytes(&group, octets, &mut context).ok()?;
    PKey::from_ec_key(EcKey::from_public_key(&group, &point).ok()?).ok()
}

/// The curves of XML Signature 1.1 by their `NamedCurve`.
const CURVES: [(&str, Nid); 3] = [
    ("urn:oid:1.2.840.10045.3.1.7", Nid::X9_62_PRIME256V1),
    ("urn:oid:1.3.132.0.34", Nid::SECP384R1),
    ("urn:oid:1.3.132.0.35", Nid::SECP521R1),
];

/// Reads a child of `ds:KeyValue` (XML Signature 1.1, 4.5.2).
fn key_value(
    stream: &mut Stream<'_>,
    element: &Element,
) -> Result<Result<SigningKeyDer, KeyProblem>, XmlError> {
    let key = if element.is(DS.uri, "RSAKeyValue") {
        rsa_key_value(stream)?
    } else if element.is(DSIG11, "ECKeyValue") {
        ec_key_value(stream)?
    } else {
        return Ok(Err(KeyProblem::Kind));
    };
    Ok(key.map_or(Err(KeyProblem::KeyValue), |key| usable(&key)))
}

fn rsa_key_value(stream: &mut Stream<'_>) -> Result<Option<PKey<Public>>, XmlError> {
    let (mut modulus, mut exponent) = (None, None);
    stream.children(|stream, element| {
        if element.is(DS.uri, "Modulus") {
            modulus = decode(&stream.text()?);
        } else if element.is(DS.uri, "Exponent") {
            exponent = decode(&stream.text()?);
        }
        Ok::<_, XmlError>(())
    })?;
    let number = |octets: Option<Vec<u8>>| BigNum::from_slice(&octets?).ok();
    let rsa = number(modulus)
        .zip(number(exponent))
        .filter(|(n, e)| n.is_odd() && e.is_odd() && e.num_bits() >= 2)
        .and_then(|(n, e)| Rsa::from_public_components(n, e).ok());
    Ok(rsa.and_then(|rsa| PKey::from_rsa(rsa).ok()))
}

fn ec_key_value(stream: &mut Stream<'_>) -> Result<Option<PKey<Public>>, XmlError> {
    let (mut curve, mut octets) = (None, None);
    stream.children(|stream, element| {
        if element.is(DSIG11, "NamedCurve") {
            let uri = element.attribute("URI").unwrap_or_default();
            curve = CURVES.iter().find(|(known, _)| *known == uri).map(|(_, nid)| *nid);
        } else if element.is(DSIG11, "PublicKey") {
            octets = decode(&stream.text()?);
        }
        Ok::<_, XmlError>(())
    })?;
    Ok(curve.zip(octets).and_then(|(curve, octets)| point(curve, &octets)))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64.decode(text).ok().filter(|octets| !octets.is_empty())
}
