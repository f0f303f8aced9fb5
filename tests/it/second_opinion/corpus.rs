//! The oracle over every message that lies about: those of real products, those that must be taken,
//! and, the other way round, those that must be refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use samael::crypto::{AllowedSignatureAlgorithm, CertificateDer, Crypto, CryptoProvider as _, ReduceMode};
use signoff::saml::binding::{Parameter, Received, post, soap};
use signoff::saml::metadata::{IdpMetadata, Policy, SigningKeyDer};
use signoff::saml::names::Location;
use signoff::saml::second_opinion::{Disagreement, Exhibit};
use signoff::saml::signature::{SignaturePolicy, TrustedKeys};

use super::{in_a_quiet_process, open};
use crate::support::app::noon;
use crate::support::browser::form_body;
use crate::support::dsig::Key;
use crate::support::xml::{DS, Element};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(below(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

fn keys(metadata: &Path, policy: SignaturePolicy) -> TrustedKeys {
    let xml = std::fs::read(metadata).unwrap();
    let reading = IdpMetadata::read(&xml, Policy { loopback_http: true }, noon()).unwrap();
    let idp = &reading.idps[0];
    TrustedKeys::new(idp.entity_id.clone(), idp.signing_keys.iter().map(SigningKeyDer::as_der), policy)
        .unwrap()
}

fn posted(kind: &str, xml: &str) -> Received {
    let field = if kind == "LogoutRequest" { "SAMLRequest" } else { "SAMLResponse" };
    post::decode(form_body(&[(field, &BASE64.encode(xml))]).as_bytes()).unwrap()
}

/// Opens a message and asks about it; the message has an XML signature.
fn confirmed(
    xml: &str,
    element: &Element,
    keys: &TrustedKeys,
    now: DateTime<Utc>,
) -> Result<(), Disagreement> {
    let (received, message) = if element.local == "Envelope" {
        let message = element.path(&["Body"]).unwrap().elements().next().unwrap();
        (soap::decode(xml.as_bytes(), Parameter::SamlRequest).unwrap(), message)
    } else {
        (posted(&element.local, xml), element)
    };
    let me = message.attribute("Destination").unwrap_or("https://sp.example/saml/slo/soap");
    let case = open(&message.local, &received, keys, &Location::parse(me).unwrap(), now).unwrap();
    case.expect("something that a signature covers").judge(keys)
}

#[test]
fn what_real_products_signed_is_confirmed() {
    let mut asked = 0;
    for path in below(&data().join("messages")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let xml = if path.extension().is_some_and(|extension| extension == "b64") {
            let text: String = std::fs::read_to_string(&path).unwrap().split_whitespace().collect();
            String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
        } else if name.contains("soap-request") {
            std::fs::read_to_string(&path).unwrap()
        } else {
            continue;
        };
        let element = Element::parse(&xml).unwrap();
        let message = if element.local == "Envelope" {
            element.path(&["Body"]).unwrap().elements().next().unwrap()
        } else {
            &element
        };
        let now = message.attribute("IssueInstant").unwrap().parse().unwrap();
        let allow_sha1 = path.parent().unwrap().ends_with("sha1");
        let policy = SignaturePolicy { allow_sha1, ..SignaturePolicy::default() };
        let metadata = path.parent().unwrap().join("idp-metadata.xml");
        assert_eq!(confirmed(&xml, &element, &keys(&metadata, policy), now), Ok(()), "{}", path.display());
        asked += 1;
    }
    assert!(asked > 40, "{asked}");
}

#[test]
fn what_must_be_taken_is_confirmed() {
    let keys = keys(&data().join("refused/idp-metadata.xml"), SignaturePolicy::default());
    let mut asked = 0;
    for path in below(&data().join("refused/taken")) {
        if path.extension().is_some_and(|extension| extension == "xml") {
            let xml = std::fs::read_to_string(&path).unwrap();
            let element = Element::parse(&xml).unwrap();
            assert_eq!(confirmed(&xml, &element, &keys, noon()), Ok(()), "{}", path.display());
            asked += 1;
        }
    }
    assert!(asked >= 7, "{asked}");
}

/// The classes of messages that we refuse and samael's engine alone would take, and why: it answers
/// one question, what a signature covers, and reads more kinds of XML than we do.
const SAMAEL_ALONE: &[(&str, &str)] = &[
    ("assertion-encrypted", DECRYPTION),
    ("audience", CONTENT),
    ("comment-or-instruction", "libxml2 reads comments, and canonicalisation leaves them out of the digest"),
    ("condition-time", CONTENT),
    ("condition-unknown", CONTENT),
    ("destination-missing", CONTENT),
    ("destination-wrong", CONTENT),
    ("expired", CONTENT),
    ("identifier-encrypted", DECRYPTION),
    ("identifier-unknown", CONTENT),
    ("issued-in-future", CONTENT),
    ("issuer-mismatch", WHOSE_KEY),
    ("issuer-missing", WHOSE_KEY),
    ("issuer-unknown", WHOSE_KEY),
    ("must-understand", ENVELOPE),
    ("nested-message", "one signature is enough for it, wherever in the document it stands"),
    ("never-valid", CONTENT),
    ("no-assertion", CONTENT),
    ("no-authn-statement", CONTENT),
    ("not-authenticated", CONTENT),
    ("not-confirmed", CONTENT),
    ("not-soap", ENVELOPE),
    ("not-utc", CONTENT),
    ("schema", CONTENT),
    ("session-over", CONTENT),
    ("signature-shape", "it ignores an unsigned ds:Object in a signature, where Core 5.4 (E91) forbids it"),
    ("soap-body", ENVELOPE),
    ("stale", CONTENT),
    ("too-complex", "libxml2's limits are wider than VAL-01's"),
    ("transform-not-allowed", "it takes canonicalisation with comments, and more than two transforms"),
    ("version-minor", CONTENT),
    ("version-too-high", CONTENT),
    ("version-too-low", CONTENT),
    ("wrong-message", CONTENT),
];
const CONTENT: &str = "it is signed as it should be, and wrong in what it says";
const DECRYPTION: &str = "the signature covers the ciphertext, and is right";
const ENVELOPE: &str =
    "the message inside is signed as it should be; the envelope is no business of a signature";
const WHOSE_KEY: &str = "the key is right; that it is that Issuer's is not asked";

/// What we refuse, samael alone may accept; each class in which it does is known and has its reason.
/// Where a signature names what its engine would fetch or run, it is not asked at all.
#[test]
fn what_samael_alone_accepts_is_known_by_class() {
    let Some(output) = in_a_quiet_process("corpus::what_samael_alone_accepts_is_known_by_class") else {
        return print_what_samael_alone_accepts();
    };
    let known: BTreeMap<_, _> = SAMAEL_ALONE.iter().copied().collect();
    let found: Vec<_> =
        output.lines().filter_map(|line| line.strip_prefix("accepted ")?.split_once('/')).collect();
    for (class, name) in &found {
        assert!(known.contains_key(class), "samael takes {class}/{name}, and nobody has said why");
    }
    for class in known.keys() {
        assert!(found.iter().any(|(own, _)| own == class), "samael takes nothing of {class} any more");
    }
}

/// In the quiet process: asks about every message that has to be refused.
fn print_what_samael_alone_accepts() {
    let metadata = std::fs::read_to_string(data().join("refused/idp-metadata.xml")).unwrap();
    let metadata = Element::parse(&metadata).unwrap();
    let certificate = metadata
        .path(&["IDPSSODescriptor", "KeyDescriptor", "KeyInfo", "X509Data", "X509Certificate"])
        .unwrap()
        .text();
    let der = BASE64.decode(certificate.split_whitespace().collect::<String>()).unwrap();
    let certificate = CertificateDer::from(der);
    let (mut asked, mut not_asked) = (0, 0);
    for path in below(&data().join("refused")) {
        let class = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let xml = path.extension().is_some_and(|extension| extension == "xml");
        if !xml || class == "taken" || name == "idp-metadata.xml" {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        if dangerous(&text) {
            not_asked += 1;
            continue;
        }
        asked += 1;
        let allowed = [AllowedSignatureAlgorithm::RsaSha256, AllowedSignatureAlgorithm::RsaSha512];
        let reduced = Crypto::reduce_xml_to_signed_with_allowed_algorithms(
            &text,
            std::slice::from_ref(&certificate),
            ReduceMode::PreDigest,
            Some(&allowed),
        );
        if reduced.is_ok() {
            println!("\naccepted {class}/{name}");
        }
    }
    assert!(asked > 100 && not_asked > 10, "{asked} asked, {not_asked} not");
}

/// Whether libxmlsec1 would read a file, fetch a URL or run a program before it has verified anything.
fn dangerous(text: &str) -> bool {
    let Ok(document) = Element::parse(text) else {
        // What is not well-formed it repairs: not to be tried with anything that names a place.
        return ["file:", "http:", "xslt", "XPath", "xpath", "ENTITY"]
            .iter()
            .any(|word| text.contains(word) && text.contains("Reference"));
    };
    let mut open = vec![&document];
    while let Some(element) = open.pop() {
        let elsewhere = element.is(DS, "Reference")
            && element.attribute("URI").is_none_or(|uri| !uri.starts_with('#') || uri.contains('('));
        let program = element.is(DS, "Transform")
            && element
                .attribute("Algorithm")
                .is_some_and(|name| name.contains("xslt") || name.contains("xpath"));
        if elsewhere || program {
            return true;
        }
        open.extend(element.elements());
    }
    false
}

/// What samael says the signature of a document covers, asked without any of our own code.
pub(super) fn covered(exhibit: &Exhibit, key: &Key) -> Option<String> {
    covered_text(exhibit.xml(), key)
}

/// The same for any text.
pub(super) fn covered_text(xml: &str, key: &Key) -> Option<String> {
    let certificate = CertificateDer::from(key.certificate.to_der().unwrap());
    Crypto::reduce_xml_to_signed(xml, &[certificate], ReduceMode::PreDigest).ok()
}
