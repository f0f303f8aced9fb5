//! Messages that real products sent: each is opened with the clock at its IssueInstant and read as
//! an independent reader reads it; each, once tampered with, is refused.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use signoff::saml::binding::{Parameter, Received, post, redirect, soap};
use signoff::saml::logout_request::LogoutRequest;
use signoff::saml::logout_response::LogoutResponse;
use signoff::saml::message::Limits;
use signoff::saml::metadata::{IdpMetadata, Policy};
use signoff::saml::names::{Location, MessageId};
use signoff::saml::open::Unopened;
use signoff::saml::refusal::{Refusal, Row};
use signoff::saml::response::{Content, Response};
use signoff::saml::signature::{SignaturePolicy, TrustedKeys};

use crate::support::browser::form_body;
use crate::support::dsig::{inflate, unpercent};
use crate::support::xml::{Element, SAML, SAMLP};

const LIMITS: Limits =
    Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::minutes(5), accept_offset_times: false };

/// One captured message.
struct Captured {
    path: PathBuf,
    carrier: Carrier,
}

enum Carrier {
    Redirect { query: String },
    Post { field: &'static str, xml: String },
    Soap { envelope: String },
}

impl Captured {
    fn read(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_owned();
        let text = || std::fs::read_to_string(path).unwrap();
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
        let carrier = if extension.as_deref() == Some("url") {
            Carrier::Redirect { query: text().trim().split_once('?')?.1.to_owned() }
        } else if extension.as_deref() == Some("b64") {
            let octets = BASE64.decode(text().split_whitespace().collect::<String>()).unwrap();
            let field = if name.contains("LogoutRequest") { "SAMLRequest" } else { "SAMLResponse" };
            Carrier::Post { field, xml: String::from_utf8(octets).unwrap() }
        } else if name.contains("soap-request") {
            Carrier::Soap { envelope: text() }
        } else {
            return None;
        };
        Some(Self { path: path.to_owned(), carrier })
    }

    /// The XML, as an independent reader finds it.
    fn xml(&self) -> Element {
        match &self.carrier {
            Carrier::Redirect { query } => {
                let value = query.split('&').find_map(|pair| pair.strip_prefix("SAMLRe")).unwrap();
                let packed = BASE64.decode(unpercent(value.split_once('=').unwrap().1)).unwrap();
                Element::parse(&String::from_utf8(inflate(&packed)).unwrap()).unwrap()
            }
            Carrier::Post { xml, .. } => Element::parse(xml).unwrap(),
            Carrier::Soap { envelope } => {
                Element::parse(envelope).unwrap().path(&["Body"]).unwrap().elements().next().unwrap().clone()
            }
        }
    }

    fn decode(carrier: &Carrier) -> Result<Received, Refusal> {
        match carrier {
            Carrier::Redirect { query } => redirect::decode(query),
            Carrier::Post { field, xml } => {
                post::decode(form_body(&[(field, &BASE64.encode(xml)), ("RelayState", "r")]).as_bytes())
            }
            Carrier::Soap { envelope } => soap::decode(envelope.as_bytes(), Parameter::SamlRequest),
        }
    }

    /// The same with one thing changed that leaves it well-formed and valid.
    fn tampered(&self) -> Vec<Carrier> {
        let change = |text: &str| {
            let mut all = Vec::new();
            for (from, to) in [
                ("status:Success", "status:Requester"),
                ("SessionIndex>", "SessionIndex>x"),
                ("alice", "alicf"),
            ] {
                let changed = text.replacen(from, to, 1);
                // A Response that is no Success is refused without a look at its signature.
                if changed != text && (text.contains("LogoutRe") || !changed.contains("status:Requester")) {
                    all.push(changed);
                }
            }
            all
        };
        match &self.carrier {
            Carrier::Redirect { query } => {
                let relay = query.replace("RelayState=", "RelayState=x");
                let unsigned = query.split("&SigAlg").next().unwrap().to_owned();
                let mut all = vec![Carrier::Redirect { query: unsigned }];
                if relay != *query {
                    all.push(Carrier::Redirect { query: relay });
                }
                all
            }
            Carrier::Post { field, xml } => {
                change(xml).into_iter().map(|xml| Carrier::Post { field, xml }).collect()
            }
            Carrier::Soap { envelope } => {
                change(envelope).into_iter().map(|envelope| Carrier::Soap { envelope }).collect()
            }
        }
    }
}

struct Product {
    directory: PathBuf,
    metadata: IdpMetadata,
}

impl Product {
    fn read(directory: &Path) -> Self {
        let xml = std::fs::read(directory.join("idp-metadata.xml")).unwrap();
        let now = DateTime::parse_from_rfc3339("2026-11-22T12:00:00Z").unwrap().to_utc();
        let reading = IdpMetadata::read(&xml, Policy { loopback_http: true }, now).unwrap();
        let metadata = reading.idps.into_iter().next().unwrap();
        Self { directory: directory.to_owned(), metadata }
    }

    fn keys(&self, policy: SignaturePolicy) -> TrustedKeys {
        let spki = self.metadata.signing_keys.iter().map(signoff::saml::metadata::SigningKeyDer::as_der);
        TrustedKeys::new(self.metadata.entity_id.clone(), spki, policy).unwrap()
    }

    fn messages(&self) -> Vec<Captured> {
        let mut paths: Vec<_> =
            std::fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.iter().filter_map(|path| Captured::read(path)).collect()
    }
}

/// Opens a message and compares what was read with what the independent reader reads.
fn open(carrier: &Carrier, xml: &Element, keys: &TrustedKeys) -> Result<(), Refusal> {
    let now: DateTime<Utc> = xml.attribute("IssueInstant").unwrap().parse().unwrap();
    let me = Location::parse(xml.attribute("Destination").unwrap()).unwrap();
    let received = Captured::decode(carrier)?;
    match xml.local.as_str() {
        "LogoutRequest" => {
            let opened = Unopened::<LogoutRequest>::read(&received)?
                .open(keys, &me, &LIMITS, now)
                .map_err(|refused| refused.refusal)?;
            let request = opened.message();
            let name = xml.child(SAML, "NameID").unwrap();
            let read = request.name_id().unwrap();
            assert_eq!(read.value, name.text());
            assert_eq!(read.format.as_deref(), name.attribute("Format"));
            assert_eq!(read.name_qualifier.as_deref(), name.attribute("NameQualifier"));
            assert_eq!(read.sp_name_qualifier.as_deref(), name.attribute("SPNameQualifier"));
            let indexes: Vec<_> =
                request.session_indexes().iter().map(|index| index.as_str().to_owned()).collect();
            let own: Vec<_> = xml.children_named(SAMLP, "SessionIndex").map(Element::text).collect();
            assert_eq!(indexes, own);
            assert_eq!(request.issue_instant(), now);
        }
        "LogoutResponse" => {
            let opened = Unopened::<LogoutResponse>::read(&received)?.open(keys, Some(&me), &LIMITS, now)?;
            let answered = opened.message().in_response_to().map(MessageId::as_str);
            assert_eq!(answered, xml.attribute("InResponseTo"));
        }
        "Response" => {
            let opened = Unopened::<Response>::read(&received)?.open(keys, &me, false, &LIMITS, now)?;
            let Content::Assertion(_) = opened.message().content() else { panic!("no assertion") };
            assert_eq!(
                opened.message().in_response_to().map(MessageId::as_str),
                xml.attribute("InResponseTo")
            );
        }
        other => panic!("{other}"),
    }
    Ok(())
}

/// How many messages of the folder were opened.
fn all_open(folder: &str) -> usize {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/messages").join(folder);
    let product = Product::read(&directory);
    let sha1 = folder.ends_with("sha1");
    let keys = product.keys(SignaturePolicy { allow_sha1: sha1, ..SignaturePolicy::default() });
    let strict = product.keys(SignaturePolicy::default());
    let messages = product.messages();
    for message in &messages {
        let xml = message.xml();
        if let Err(refusal) = open(&message.carrier, &xml, &keys) {
            panic!("{}: {refusal}", message.path.display());
        }
        if sha1 {
            let refusal = open(&message.carrier, &xml, &strict).expect_err("SHA-1 without the switch");
            assert_eq!(refusal, Refusal::AlgorithmNotAllowed, "{}", message.path.display());
        }
        let tampered = message.tampered();
        assert!(!tampered.is_empty());
        for carrier in tampered {
            let refusal = open(&carrier, &xml, &keys).expect_err("tampered with");
            assert_eq!(refusal.row(), Row::G, "{}: {refusal}", message.path.display());
        }
    }
    messages.len()
}

#[test]
fn pysaml2_over_redirect_and_post() {
    assert_eq!(all_open("pysaml2/redirect"), 8);
    assert_eq!(all_open("pysaml2/persistent"), 8);
    assert_eq!(all_open("pysaml2/pysaml2sp-post"), 8);
}

#[test]
fn pysaml2_over_soap() {
    assert_eq!(all_open("pysaml2/soap"), 8);
}

#[test]
fn simplesamlphp_over_redirect_and_post() {
    for folder in ["redirect", "persistent", "transient", "sha512"] {
        assert!(all_open(&format!("simplesamlphp/{folder}")) >= 7, "{folder}");
    }
    assert!(all_open("simplesamlphp/pysaml2sp-post") >= 7);
    assert!(all_open("simplesamlphp/partial") >= 3);
}

#[test]
fn simplesamlphp_with_sha1_needs_the_switch() {
    assert!(all_open("simplesamlphp/sha1") >= 7);
}
