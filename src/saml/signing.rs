//! Signing what we send, with nothing but OpenSSL: our messages are written in canonical form, so
//! the digest is taken over the very octets that leave.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private};
use openssl::sha::sha256;
use openssl::x509::X509;

use super::names::MessageId;
use super::outbound::Unsigned;
use super::write::{DS, Namespace, Writer};

/// Exclusive XML Canonicalization 1.0, the one we write and demand.
pub const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// The transform that takes a signature out of what it signs.
pub const ENVELOPED_SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
/// SHA-256 as a digest method.
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// The smallest RSA modulus that we sign with, in bits (MD-05).
const SMALLEST_RSA: u32 = 2048;

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The certificate is not a DER certificate.
    #[error("the certificate cannot be read")]
    Certificate(#[source] openssl::error::ErrorStack),
    /// The certificate belongs to another key.
    #[error("the certificate does not belong to the private key")]
    CertificateMismatch,
    /// The key is of another kind than the algorithm needs, or of one that SAML peers do not take.
    #[error("the key cannot sign with {}", .0.uri())]
    KeyKind(Algorithm),
    /// An RSA key below 2048 bits.
    #[error("an RSA key of {0} bits is too short to sign with; 2048 is the least")]
    KeyTooShort(u32),
    /// Neither RSA nor an elliptic curve of SAML's.
    #[error("only RSA, P-256, P-384 and P-521 keys can sign")]
    UnknownKind,
    /// OpenSSL failed.
    #[error("OpenSSL could not sign")]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

/// A signature algorithm of XML Signature 1.1 that is good enough to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    RsaSha256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RsaSha384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RsaSha512,
    /// ECDSA with SHA-256.
    EcdsaSha256,
    /// ECDSA with SHA-384.
    EcdsaSha384,
    /// ECDSA with SHA-512.
    EcdsaSha512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::RsaSha256,
        Self::RsaSha384,
        Self::RsaSha512,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
    ];

    /// The algorithm's URI.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Self::EcdsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
            Self::EcdsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
        }
    }

    /// The algorithm that suits a key: SHA-256 with RSA, and for a curve the digest of its size.
    ///
    /// # Errors
    /// [`SigningError::UnknownKind`] for other keys.
    pub fn suiting<T: HasPublic>(key: &PKeyRef<T>) -> Result<Self, SigningError> {
        match (key.id(), key.ec_key().ok().and_then(|ec| ec.group().curve_name())) {
            (Id::RSA, _) => Ok(Self::RsaSha256),
            (Id::EC, Some(Nid::X9_62_PRIME256V1)) => Ok(Self::EcdsaSha256),
            (Id::EC, Some(Nid::SECP384R1)) => Ok(Self::EcdsaSha384),
            (Id::EC, Some(Nid::SECP521R1)) => Ok(Self::EcdsaSha512),
            _ => Err(SigningError::UnknownKind),
        }
    }

    const fn is_ecdsa(self) -> bool {
        matches!(self, Self::EcdsaSha256 | Self::EcdsaSha384 | Self::EcdsaSha512)
    }

    fn digest(self) -> MessageDigest {
        match self {
            Self::RsaSha256 | Self::EcdsaSha256 => MessageDigest::sha256(),
            Self::RsaSha384 | Self::EcdsaSha384 => MessageDigest::sha384(),
            Self::RsaSha512 | Self::EcdsaSha512 => MessageDigest::sha512(),
        }
    }
}

/// How an ECDSA signature is spelt on the Redirect binding, where the specification is silent
/// (BIND-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EcdsaEncoding {
    /// r and s side by side, as in XML Signature.
    #[default]
    Raw,
    /// ASN.1, as most libraries have it.
    Der,
}

/// Our signing key with its certificate.
#[derive(Debug, Clone)]
pub struct Signer {
    key: PKey<Private>,
    algorithm: Algorithm,
    /// The octets of r and of s; zero for RSA.
    coordinate: usize,
    /// `ds:KeyInfo` with our certificate, as it goes into every signature.
    key_info: Arc<str>,
}

/// Our signing key, for those who want another algorithm than the one that suits it.
#[derive(Debug)]
pub struct Signers {
    suiting: Signer,
    others: Vec<Signer>,
}

impl Signers {
    /// Takes a private key and its certificate in DER.
    ///
    /// # Errors
    /// [`SigningError`] when the two do not fit together or the key cannot be used.
    pub fn new(key: PKey<Private>, certificate_der: &[u8]) -> Result<Self, SigningError> {
        let algorithm = Algorithm::suiting(&key)?;
        let suiting = Signer::new(key, certificate_der, algorithm)?;
        let others = Algorithm::ALL
            .into_iter()
            .filter(|other| *other != algorithm && other.is_ecdsa() == algorithm.is_ecdsa());
        let others = others.map(|other| Signer { algorithm: other, ..suiting.clone() }).collect();
        Ok(Self { suiting, others })
    }

    /// With the algorithm that suits the key.
    #[must_use]
    pub const fn suiting(&self) -> &Signer {
        &self.suiting
    }

    /// For a peer whose metadata lists those signature algorithms, the preferred first: with the first
    /// that this key can do, and with the one that suits it if none are listed. None if the peer takes
    /// nothing that we would sign with (Metadata Algorithm Support 2.5, 2.6; MD-24).
    pub fn taken_by<'a>(&self, listed: impl IntoIterator<Item = &'a str>) -> Option<&Signer> {
        let mut listed = listed.into_iter().peekable();
        if listed.peek().is_none() {
            return Some(&self.suiting);
        }
        let can = || std::iter::once(&self.suiting).chain(&self.others);
        listed.find_map(|uri| can().find(|signer| signer.algorithm.uri() == uri))
    }
}

impl Signer {
    /// Takes a private key, its certificate in DER and the algorithm to sign with.
    ///
    /// # Errors
    /// [`SigningError`] when the three do not fit together or the key is too short.
    pub fn new(
        key: PKey<Private>,
        certificate_der: &[u8],
        algorithm: Algorithm,
    ) -> Result<Self, SigningError> {
        let certified = X509::from_der(certificate_der)
            .and_then(|certificate| certificate.public_key())
            .map_err(SigningError::Certificate)?;
        if !key.public_eq(&certified) {
            return Err(SigningError::CertificateMismatch);
        }
        let coordinate = coordinate(&key, algorithm)?;
        Ok(Self { key, algorithm, coordinate, key_info: key_info(certificate_der).into() })
    }

    /// The algorithm this signer uses.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The message with an enveloped signature right after its Issuer (Core 5.4; BIND-15).
    ///
    /// # Errors
    /// [`SigningError::OpenSsl`].
    pub fn enveloped(&self, message: &Unsigned) -> Result<String, SigningError> {
        let digest = STANDARD.encode(sha256(message.as_str().as_bytes()));
        let signed_info = self.signed_info(message.id(), &digest);
        let value = STANDARD.encode(self.sign(signed_info.as_bytes(), EcdsaEncoding::Raw)?);
        let mut signature = Writer::new();
        signature.element(ds("Signature"), &[], |xml| {
            xml.nested(&signed_info);
            xml.text_element(ds("SignatureValue"), &[], &value);
            xml.nested(&self.key_info);
        });
        let (before, after) = message.around_signature();
        Ok([before, &signature.finish(), after].concat())
    }

    /// A signature in base64 over octets that travel beside it (Bindings 3.4.4.1).
    ///
    /// # Errors
    /// [`SigningError::OpenSsl`].
    pub fn detached(&self, octets: &str, encoding: EcdsaEncoding) -> Result<String, SigningError> {
        Ok(STANDARD.encode(self.sign(octets.as_bytes(), encoding)?))
    }

    /// `ds:SignedInfo` in canonical form. It stands in the signature exactly as it was signed.
    fn signed_info(&self, id: &MessageId, digest: &str) -> String {
        let uri = ["#", id.as_str()].concat();
        let algorithm = |xml: &mut Writer, name, uri| {
            xml.element(ds(name), &[("Algorithm", Some(uri))], |_| ());
        };
        let mut xml = Writer::new();
        xml.element(ds("SignedInfo"), &[], |xml| {
            algorithm(xml, "CanonicalizationMethod", EXCLUSIVE_C14N);
            algorithm(xml, "SignatureMethod", self.algorithm.uri());
            xml.element(ds("Reference"), &[("URI", Some(&uri))], |xml| {
                xml.element(ds("Transforms"), &[], |xml| {
                    algorithm(xml, "Transform", ENVELOPED_SIGNATURE);
                    algorithm(xml, "Transform", EXCLUSIVE_C14N);
                });
                algorithm(xml, "DigestMethod", SHA256);
                xml.text_element(ds("DigestValue"), &[], digest);
            });
        });
        xml.finish()
    }

    fn sign(&self, octets: &[u8], encoding: EcdsaEncoding) -> Result<Vec<u8>, SigningError> {
        let mut signer = openssl::sign::Signer::new(self.algorithm.digest(), &self.key)?;
        let signature = signer.sign_oneshot_to_vec(octets)?;
        if !self.algorithm.is_ecdsa() || encoding == EcdsaEncoding::Der {
            return Ok(signature);
        }
        let signature = EcdsaSig::from_der(&signature)?;
        let width = i32::try_from(self.coordinate).map_err(|_| SigningError::UnknownKind)?;
        Ok([signature.r().to_vec_padded(width)?, signature.s().to_vec_padded(width)?].concat())
    }
}

/// The octets of one half of an ECDSA signature by this key; zero for RSA.
fn coordinate(key: &PKeyRef<Private>, algorithm: Algorithm) -> Result<usize, SigningError> {
    let suited = Algorithm::suiting(key)?;
    if suited.is_ecdsa() != algorithm.is_ecdsa() {
        return Err(SigningError::KeyKind(algorithm));
    }
    if suited.is_ecdsa() {
        return Ok(key.bits().div_ceil(8) as usize);
    }
    if key.bits() < SMALLEST_RSA { Err(SigningError::KeyTooShort(key.bits())) } else { Ok(0) }
}

fn key_info(certificate_der: &[u8]) -> String {
    let certificate = STANDARD.encode(certificate_der);
    let mut xml = Writer::new();
    xml.element(ds("KeyInfo"), &[], |xml| {
        xml.element(ds("X509Data"), &[], |xml| {
            xml.text_element(ds("X509Certificate"), &[], &certificate);
        });
    });
    xml.finish()
}

const fn ds(name: &'static str) -> (Namespace, &'static str) {
    (DS, name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::saml::names::{EntityId, Location, NameId, SessionIndex};
    use crate::saml::outbound::{NewLogoutRequest, Reason};
    use crate::saml::test_keys::{certified, ec, rsa, signer};
    use bergshamra::{DsigContext, KeysManager};
    use openssl::rsa::Rsa;
    use proptest::prelude::*;

    fn request(value: &str, index: &str) -> Unsigned {
        NewLogoutRequest {
            id: &MessageId::parse("_1").unwrap(),
            issue_instant: chrono::DateTime::UNIX_EPOCH,
            destination: &Location::parse("https://idp.example/slo?a=1&b=2").unwrap(),
            issuer: &EntityId::parse("https://sp.example/?a&b").unwrap(),
            not_on_or_after: None,
            reason: Reason::User,
            name_id: &NameId { format: Some("\"<\t".into()), ..NameId::bare(value) },
            session_indexes: &[SessionIndex::parse(index).unwrap()],
            asynchronous: true,
        }
        .write()
    }

    /// MD-24: the first on the peer's list that our key can do, whatever stands around it.
    #[test]
    fn md_24_the_peer_chooses_among_what_we_sign_with() {
        let sha1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
        let uris = |list: &[Algorithm]| list.iter().map(|algorithm| algorithm.uri()).collect::<Vec<_>>();
        let rsa = rsa();
        let signers = Signers::new(rsa.0, &rsa.1).unwrap();
        let chosen = |listed: &[&str]| signers.taken_by(listed.iter().copied()).map(Signer::algorithm);
        assert_eq!(chosen(&[]), Some(Algorithm::RsaSha256));
        let listed = uris(&[Algorithm::EcdsaSha256, Algorithm::RsaSha512, Algorithm::RsaSha256]);
        assert_eq!(chosen(&listed), Some(Algorithm::RsaSha512));
        assert_eq!(chosen(&[&[sha1], &listed[..]].concat()), Some(Algorithm::RsaSha512));
        assert_eq!(chosen(&[sha1]), None, "never below our floor");
        assert_eq!(chosen(&uris(&[Algorithm::EcdsaSha256])), None, "not with this key");

        let ec = ec(Nid::X9_62_PRIME256V1);
        let signers = Signers::new(ec.0, &ec.1).unwrap();
        let chosen = signers.taken_by(uris(&Algorithm::ALL));
        assert_eq!(chosen.map(Signer::algorithm), Some(Algorithm::EcdsaSha256));
    }

    #[test]
    fn md_24_every_algorithm_of_a_key_verifies() {
        for pair in [rsa(), ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1), ec(Nid::SECP521R1)] {
            let signers = Signers::new(pair.0, &pair.1).unwrap();
            for algorithm in Algorithm::ALL {
                let Some(signer) = signers.taken_by([algorithm.uri()]) else { continue };
                let xml = signer.enveloped(&request("alice", "1")).unwrap();
                assert!(xml.contains(algorithm.uri()) && verified(&xml, &pair.1), "{algorithm:?}");
            }
        }
    }

    /// Another engine's verdict: bergshamra parses and canonicalises for itself.
    fn verified(xml: &str, certificate: &[u8]) -> bool {
        let mut keys = KeysManager::new();
        keys.add_key(bergshamra::keys::loader::load_x509_cert_der(certificate).unwrap());
        let document = uppsala::Parser::new().with_forbid_dtd(true).parse(xml).unwrap();
        let result = bergshamra::dsig::verify::verify_document(&DsigContext::new(keys), &document);
        result.is_ok_and(|result| result.is_valid() && result.all_reference_digests_verified())
    }

    #[test]
    fn bind_15_another_engine_verifies_every_kind_of_key() {
        for pair in [rsa(), ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1), ec(Nid::SECP521R1)] {
            let certificate = pair.1.clone();
            let xml = signer(pair).enveloped(&request("a&b", "1")).unwrap();
            assert!(verified(&xml, &certificate), "{xml}");
            assert!(!verified(&xml.replace("a&amp;b", "a&amp;c"), &certificate));
            assert!(!verified(&xml, &ec(Nid::X9_62_PRIME256V1).1));
        }
    }

    #[test]
    fn bind_15_every_algorithm_of_a_key_verifies() {
        for algorithm in [Algorithm::RsaSha256, Algorithm::RsaSha384, Algorithm::RsaSha512] {
            let (key, certificate) = rsa();
            let signer = Signer::new(key, &certificate, algorithm).unwrap();
            let xml = signer.enveloped(&request("a", "1")).unwrap();
            assert!(verified(&xml, &certificate));
        }
        for algorithm in [Algorithm::EcdsaSha256, Algorithm::EcdsaSha384, Algorithm::EcdsaSha512] {
            let (key, certificate) = ec(Nid::X9_62_PRIME256V1);
            let signer = Signer::new(key, &certificate, algorithm).unwrap();
            assert!(verified(&signer.enveloped(&request("a", "1")).unwrap(), &certificate));
        }
    }

    #[test]
    fn slo_40_the_signature_stands_right_after_the_issuer() {
        let xml = signer(rsa()).enveloped(&request("a", "1")).unwrap();
        let document = uppsala::Parser::new().parse(&xml).unwrap();
        let root = document.document_element().unwrap();
        let names: Vec<_> = document
            .children_iter(root)
            .map(|child| document.element(child).unwrap().name.local_name.clone())
            .collect();
        assert_eq!(names, ["Issuer", "Signature", "Extensions", "NameID", "SessionIndex"]);
    }

    #[test]
    fn md_05_a_key_that_does_not_fit_is_refused() {
        let refused = |(key, certificate): (PKey<Private>, Vec<u8>), algorithm| {
            Signer::new(key, &certificate, algorithm).unwrap_err()
        };
        let (key, _) = rsa();
        let (_, other) = ec(Nid::X9_62_PRIME256V1);
        let mismatch = refused((key.clone(), other), Algorithm::RsaSha256);
        assert!(matches!(mismatch, SigningError::CertificateMismatch));
        assert!(matches!(refused((key, vec![0]), Algorithm::RsaSha256), SigningError::Certificate(_)));
        assert!(matches!(refused(rsa(), Algorithm::EcdsaSha256), SigningError::KeyKind(_)));
        let short = certified(PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap());
        assert!(matches!(refused(short, Algorithm::RsaSha256), SigningError::KeyTooShort(1024)));
        assert!(matches!(refused(ec(Nid::SECP256K1), Algorithm::EcdsaSha256), SigningError::UnknownKind));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// SLO-38, F-32: whatever a NameID holds, the signed message verifies and gives it back.
        #[test]
        fn slo_38_any_name_id_survives_signing(value in "[^\u{0}-\u{8}\u{b}\u{c}\u{e}-\u{1f}\u{fffe}\u{ffff}]{1,80}") {
            let (key, certificate) = rsa();
            let xml = signer((key, certificate.clone())).enveloped(&request(&value, "<1>")).unwrap();
            prop_assert!(verified(&xml, &certificate));
            let document = uppsala::Parser::new().parse(&xml).unwrap();
            let root = document.document_element().unwrap();
            let saml = "urn:oasis:names:tc:SAML:2.0:assertion";
            let name_id = document.first_child_element_by_name_ns(root, saml, "NameID").unwrap();
            prop_assert_eq!(document.text_content_deep(name_id), value);
            prop_assert_eq!(document.get_attribute(name_id, "Format"), Some("\"<\t"));
        }
    }
}
