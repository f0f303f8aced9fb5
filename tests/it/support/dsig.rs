//! XML signatures and Redirect signatures made and checked with openssl alone.

use std::io::{Read as _, Write as _};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, PKeyRef, Private, Public};
use openssl::rsa::Rsa;
use openssl::sign::{Signer, Verifier};
use openssl::x509::{X509, X509NameBuilder};

use super::xml::{DS, Element};

pub const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub const RSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384";
pub const RSA_SHA512: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512";
pub const ECDSA_SHA1: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1";
pub const ECDSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
pub const ECDSA_SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384";
pub const ECDSA_SHA512: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512";
pub const HMAC_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#hmac-sha1";
pub const HMAC_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
pub const RSA_MD5: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-md5";
pub const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
pub const SHA384: &str = "http://www.w3.org/2001/04/xmldsig-more#sha384";
pub const SHA512: &str = "http://www.w3.org/2001/04/xmlenc#sha512";
pub const MD5: &str = "http://www.w3.org/2001/04/xmldsig-more#md5";
pub const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// A key pair with a certificate over it.
pub struct Key {
    pub private: PKey<Private>,
    pub certificate: X509,
}

/// Generating RSA keys is the slowest thing a test can do: the process shares these.
pub static RSA_A: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048));
pub static RSA_B: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048));
pub static RSA_ATTACKER: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048));
pub static EC_256: LazyLock<Key> = LazyLock::new(|| Key::ec(Nid::X9_62_PRIME256V1));
pub static EC_384: LazyLock<Key> = LazyLock::new(|| Key::ec(Nid::SECP384R1));
/// What our own application signs with in the tests.
pub static OURS: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048));

impl Key {
    pub fn rsa(bits: u32) -> Self {
        let private = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        let certificate = certificate(&private, MessageDigest::sha256(), 3650);
        Self { private, certificate }
    }

    pub fn ec(curve: Nid) -> Self {
        let mut group = EcGroup::from_curve_name(curve).unwrap();
        group.set_asn1_flag(openssl::ec::Asn1Flag::NAMED_CURVE);
        let private = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let certificate = certificate(&private, MessageDigest::sha256(), 3650);
        Self { private, certificate }
    }

    /// The same key under a certificate that expired long ago.
    pub fn expired(&self) -> Self {
        Self {
            private: self.private.clone(),
            certificate: certificate(&self.private, MessageDigest::sha256(), -3650),
        }
    }

    pub fn certificate_base64(&self) -> String {
        BASE64.encode(self.certificate.to_der().unwrap())
    }

    /// The algorithm that fits the key, with SHA-256.
    pub fn algorithm(&self) -> &'static str {
        if self.private.id() == Id::RSA { RSA_SHA256 } else { ECDSA_SHA256 }
    }

    /// `ds:KeyValue` of an RSA or EC key.
    pub fn key_value(&self) -> String {
        if let Ok(rsa) = self.private.rsa() {
            return format!(
                "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{}</ds:Modulus><ds:Exponent>{}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>",
                BASE64.encode(rsa.n().to_vec()),
                BASE64.encode(rsa.e().to_vec())
            );
        }
        let ec = self.private.ec_key().unwrap();
        let mut context = BigNumContext::new().unwrap();
        let form = openssl::ec::PointConversionForm::UNCOMPRESSED;
        let point = ec.public_key().to_bytes(ec.group(), form, &mut context).unwrap();
        format!(
            "<ds:KeyValue><dsig11:ECKeyValue xmlns:dsig11=\"http://www.w3.org/2009/xmldsig11#\"><dsig11:NamedCurve URI=\"urn:oid:1.2.840.10045.3.1.7\"></dsig11:NamedCurve><dsig11:PublicKey>{}</dsig11:PublicKey></dsig11:ECKeyValue></ds:KeyValue>",
            BASE64.encode(point)
        )
    }
}

fn certificate(key: &PKey<Private>, digest: MessageDigest, days: i64) -> X509 {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "test").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(key).unwrap();
    let from = Asn1Time::from_unix(1_000_000_000).unwrap();
    let end = if days < 0 { 1_100_000_000 } else { 4_000_000_000 };
    let until = Asn1Time::from_unix(end).unwrap();
    builder.set_not_before(&from).unwrap();
    builder.set_not_after(&until).unwrap();
    builder.sign(key, digest).unwrap();
    builder.build()
}

fn digest_of(algorithm: &str) -> MessageDigest {
    match algorithm {
        RSA_SHA1 | ECDSA_SHA1 | HMAC_SHA1 | SHA1 => MessageDigest::sha1(),
        RSA_SHA384 | ECDSA_SHA384 | SHA384 => MessageDigest::sha384(),
        RSA_SHA512 | ECDSA_SHA512 | SHA512 => MessageDigest::sha512(),
        RSA_MD5 | MD5 => MessageDigest::md5(),
        _ => MessageDigest::sha256(),
    }
}

/// The digest of `text` under that algorithm URI.
pub fn digest(algorithm: &str, text: &str) -> Vec<u8> {
    openssl::hash::hash(digest_of(algorithm), text.as_bytes()).unwrap().to_vec()
}

/// Signs octets. ECDSA comes as raw r||s unless `der`. An HMAC is keyed with `hmac_key`.
pub fn sign(key: &Key, algorithm: &str, octets: &[u8], der: bool, hmac_key: Option<&[u8]>) -> Vec<u8> {
    if let Some(secret) = hmac_key {
        let secret = PKey::hmac(secret).unwrap();
        let mut signer = Signer::new(digest_of(algorithm), &secret).unwrap();
        return signer.sign_oneshot_to_vec(octets).unwrap();
    }
    let mut signer = Signer::new(digest_of(algorithm), &key.private).unwrap();
    let signature = signer.sign_oneshot_to_vec(octets).unwrap();
    if key.private.id() != Id::EC || der {
        return signature;
    }
    let size = i32::try_from(key.private.ec_key().unwrap().group().degree().div_ceil(8)).unwrap();
    let parts = EcdsaSig::from_der(&signature).unwrap();
    let mut raw = parts.r().to_vec_padded(size).unwrap();
    raw.extend(parts.s().to_vec_padded(size).unwrap());
    raw
}

/// Whether `signature` over `octets` is right, under an algorithm of our allow-list.
pub fn verify(key: &PKeyRef<Public>, algorithm: &str, octets: &[u8], signature: &[u8]) -> bool {
    let strong = [RSA_SHA256, RSA_SHA384, RSA_SHA512, ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512];
    assert!(strong.contains(&algorithm), "signed with {algorithm}");
    let signature = if key.id() == Id::EC {
        let (r, s) = signature.split_at(signature.len() / 2);
        let (r, s) = (BigNum::from_slice(r).unwrap(), BigNum::from_slice(s).unwrap());
        EcdsaSig::from_private_components(r, s).unwrap().to_der().unwrap()
    } else {
        signature.to_vec()
    };
    Verifier::new(digest_of(algorithm), key).unwrap().verify_oneshot(&signature, octets).unwrap_or(false)
}

/// Everything about an enveloped signature that a test may want otherwise.
#[derive(Clone)]
pub struct Shape {
    pub signature_method: String,
    pub digest_method: String,
    pub canonicalization: String,
    /// Raw `ds:Transform` elements.
    pub transforms: String,
    /// The references' URIs; none stands for `#` and the ID of the element.
    pub uris: Vec<Option<String>>,
    pub key_info: String,
    /// Raw elements after KeyInfo.
    pub objects: String,
    pub digest_value: Option<String>,
    pub hmac_key: Option<Vec<u8>>,
    pub der: bool,
    /// Called on the finished `ds:SignedInfo` before it is signed.
    pub signed_info: fn(String) -> String,
    /// Called on the finished `ds:Signature` after it was signed.
    pub signature: fn(String) -> String,
}

impl Shape {
    pub fn of(key: &Key) -> Self {
        Self {
            signature_method: key.algorithm().to_owned(),
            digest_method: SHA256.to_owned(),
            canonicalization: EXCLUSIVE.to_owned(),
            transforms: format!("{}{}", transform(ENVELOPED), transform(EXCLUSIVE)),
            uris: vec![None],
            key_info: format!(
                "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
                key.certificate_base64()
            ),
            objects: String::new(),
            digest_value: None,
            hmac_key: None,
            der: false,
            signed_info: |text| text,
            signature: |text| text,
        }
    }
}

pub fn transform(algorithm: &str) -> String {
    format!("<ds:Transform Algorithm=\"{algorithm}\"></ds:Transform>")
}

/// The `ds:Signature` over `element` (the text of one element without its signature).
pub fn signature_over(element: &str, id: &str, key: &Key, shape: &Shape) -> String {
    let canonical = Element::parse(element).map_or_else(|_| element.to_owned(), |tree| tree.canonical());
    let value =
        shape.digest_value.clone().unwrap_or_else(|| BASE64.encode(digest(&shape.digest_method, &canonical)));
    let transforms = if shape.transforms.is_empty() {
        String::new()
    } else {
        format!("<ds:Transforms>{}</ds:Transforms>", shape.transforms)
    };
    let references: String = shape
        .uris
        .iter()
        .map(|uri| uri.clone().unwrap_or_else(|| format!("#{id}")))
        .map(|uri| {
            format!(
                "<ds:Reference URI=\"{}\">{transforms}<ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod><ds:DigestValue>{value}</ds:DigestValue></ds:Reference>",
                super::xml::attribute_text(&uri), shape.digest_method
            )
        })
        .collect();
    let signed_info = (shape.signed_info)(format!(
        "<ds:SignedInfo xmlns:ds=\"{DS}\"><ds:CanonicalizationMethod Algorithm=\"{}\"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod>{references}</ds:SignedInfo>",
        shape.canonicalization, shape.signature_method
    ));
    let canonical =
        Element::parse(&signed_info).map_or_else(|_| signed_info.clone(), |tree| tree.canonical());
    let octets =
        sign(key, &shape.signature_method, canonical.as_bytes(), shape.der, shape.hmac_key.as_deref());
    // In place the namespace stands on ds:Signature; exclusive canonicalisation puts it back.
    let signed_info = signed_info.replacen(&format!(" xmlns:ds=\"{DS}\""), "", 1);
    (shape.signature)(format!(
        "<ds:Signature xmlns:ds=\"{DS}\">{signed_info}<ds:SignatureValue>{}</ds:SignatureValue>{}{}</ds:Signature>",
        BASE64.encode(octets),
        shape.key_info,
        shape.objects
    ))
}

/// Puts the signature where the schema wants it: right after the element's own Issuer, else right
/// after its start tag.
pub fn insert_signature(element: &str, signature: &str) -> String {
    let start = element.find('>').unwrap() + 1;
    let own_issuer = element[start..].find("Issuer").is_some_and(|at| at < 12);
    let at = if own_issuer {
        let name_start = element[start..].find('<').unwrap() + start + 1;
        let name_end = element[name_start..].find([' ', '>']).unwrap() + name_start;
        let close = format!("</{}>", &element[name_start..name_end]);
        element.find(&close).unwrap() + close.len()
    } else {
        start
    };
    format!("{}{signature}{}", &element[..at], &element[at..])
}

/// An element with its enveloped signature.
pub fn enveloped(element: &str, id: &str, key: &Key, shape: &Shape) -> String {
    insert_signature(element, &signature_over(element, id, key, shape))
}

/// Checks the enveloped signature of a message of ours and panics with what is wrong.
pub fn assert_signed(message: &Element, key: &PKeyRef<Public>) {
    let signatures: Vec<_> = message.children_named(DS, "Signature").collect();
    assert_eq!(signatures.len(), 1, "exactly one signature, as a child of the message");
    let signature = signatures[0];
    let info = signature.child(DS, "SignedInfo").unwrap();
    let algorithm = |name: &str| info.child(DS, name).unwrap().attribute("Algorithm").unwrap().to_owned();
    assert_eq!(algorithm("CanonicalizationMethod"), EXCLUSIVE);
    let references: Vec<_> = info.children_named(DS, "Reference").collect();
    assert_eq!(references.len(), 1);
    assert_eq!(references[0].attribute("URI").unwrap(), format!("#{}", message.attribute("ID").unwrap()));
    let transforms: Vec<_> = references[0]
        .child(DS, "Transforms")
        .unwrap()
        .elements()
        .map(|t| t.attribute("Algorithm").unwrap().to_owned())
        .collect();
    assert_eq!(transforms, [ENVELOPED, EXCLUSIVE]);
    let digest_method = references[0].child(DS, "DigestMethod").unwrap().attribute("Algorithm").unwrap();
    assert!([SHA256, SHA384, SHA512].contains(&digest_method), "{digest_method}");
    let canonical = message.canonical_without(&|element| element.is(DS, "Signature"));
    let value = references[0].child(DS, "DigestValue").unwrap().text();
    assert_eq!(BASE64.decode(value).unwrap(), digest(digest_method, &canonical), "digest of {canonical}");
    let octets = BASE64.decode(signature.child(DS, "SignatureValue").unwrap().text()).unwrap();
    let method = algorithm("SignatureMethod");
    assert!(verify(key, &method, info.canonical().as_bytes(), &octets), "signature value");
}

/// Raw DEFLATE (RFC 1951).
pub fn deflate(octets: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

pub fn inflate(octets: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::DeflateDecoder::new(octets).read_to_end(&mut plain).unwrap();
    plain
}

/// How values are percent-encoded in a Redirect URL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hex {
    Upper,
    /// As ADFS and .NET write it.
    Lower,
}

/// Percent-encodes all but the unreserved characters.
pub fn percent(text: &str, hex: Hex) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            _ if hex == Hex::Upper => format!("%{b:02X}"),
            _ => format!("%{b:02x}"),
        })
        .collect()
}

/// Undoes percent-encoding, `+` included.
pub fn unpercent(text: &str) -> String {
    let mut octets = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                octets.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            b'+' => octets.push(b' '),
            other => octets.push(other),
        }
    }
    String::from_utf8(octets).unwrap()
}

/// Everything about a Redirect query that a test may want otherwise.
#[derive(Clone)]
pub struct Query {
    pub parameter: String,
    pub relay_state: Option<String>,
    pub algorithm: String,
    /// The octets that SigAlg has in the URL; by default the encoded algorithm.
    pub raw_algorithm: Option<String>,
    /// The octets that RelayState has in the URL; by default the encoded value.
    pub raw_relay_state: Option<String>,
    /// The octets that the message has in the URL, before signing.
    pub raw_message: Option<String>,
    pub hex: Hex,
    pub der: bool,
    pub hmac_key: Option<Vec<u8>>,
    /// Called on `parameter=..&RelayState=..&SigAlg=..&Signature=..` when all is signed.
    pub finish: fn(String) -> String,
}

impl Query {
    pub fn of(parameter: &str, key: &Key) -> Self {
        Self {
            parameter: parameter.to_owned(),
            relay_state: None,
            algorithm: key.algorithm().to_owned(),
            raw_algorithm: None,
            raw_relay_state: None,
            raw_message: None,
            hex: Hex::Upper,
            der: false,
            hmac_key: None,
            finish: |query| query,
        }
    }

    /// The query of a Redirect message (Bindings 3.4.4.1).
    pub fn signed(&self, xml: &str, key: &Key) -> String {
        let message = self
            .raw_message
            .clone()
            .unwrap_or_else(|| percent(&BASE64.encode(deflate(xml.as_bytes())), self.hex));
        let mut signed = format!("{}={message}", self.parameter);
        let relay_state =
            self.raw_relay_state.clone().or_else(|| self.relay_state.as_ref().map(|v| percent(v, self.hex)));
        if let Some(value) = relay_state {
            signed.push_str(&format!("&RelayState={value}"));
        }
        let algorithm = self.raw_algorithm.clone().unwrap_or_else(|| percent(&self.algorithm, self.hex));
        signed.push_str(&format!("&SigAlg={algorithm}"));
        let octets = sign(key, &self.algorithm, signed.as_bytes(), self.der, self.hmac_key.as_deref());
        (self.finish)(format!("{signed}&Signature={}", percent(&BASE64.encode(octets), self.hex)))
    }
}
