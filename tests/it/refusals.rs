//! `tests/data/refused/<refusal>/`: each file is a whole message that has to be refused by exactly
//! the refusal its folder names. `tests/data/refused/taken/` holds their positive twins.
//!
//! The beginning of a file's name says how it arrives: `redirect-` (a query), `form-` (a body),
//! `post-` (a LogoutRequest in a form), `soap-` (a body), `answer-` (a LogoutResponse in a form),
//! `acs-` (a Response in a form). All are from the one identity provider of `idp-metadata.xml`,
//! for <https://sp.example>, and of noon on 2026-11-23.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta, Utc};
use signoff::saml::binding::{Parameter, Received, post, redirect, soap};
use signoff::saml::logout_request::LogoutRequest;
use signoff::saml::logout_response::LogoutResponse;
use signoff::saml::message::Limits;
use signoff::saml::metadata::{IdpMetadata, Policy, SigningKeyDer};
use signoff::saml::names::{EntityId, Location};
use signoff::saml::open::Unopened;
use signoff::saml::refusal::Refusal;
use signoff::saml::response::Response;
use signoff::saml::sign_in::SignIn;
use signoff::saml::signature::{SignaturePolicy, TrustedKeys};

use crate::support::app::noon;
use crate::support::browser::form_body;

const LIMITS: Limits =
    Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::minutes(5), accept_offset_times: false };

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/refused")
}

/// The identity provider of all these messages.
fn keys() -> TrustedKeys {
    let xml = std::fs::read(root().join("idp-metadata.xml")).unwrap();
    let reading = IdpMetadata::read(&xml, Policy { loopback_http: false }, noon()).unwrap();
    let idp = &reading.idps[0];
    let spki = idp.signing_keys.iter().map(SigningKeyDer::as_der);
    TrustedKeys::new(idp.entity_id.clone(), spki, SignaturePolicy::default()).unwrap()
}

fn location(path: &str) -> Location {
    Location::parse(format!("https://sp.example{path}")).unwrap()
}

/// Whether the issuer is one we know: what the registry decides between reading and opening.
fn known<'a>(issuer: &EntityId, keys: &'a TrustedKeys) -> Result<&'a TrustedKeys, Refusal> {
    if issuer == keys.entity_id() { Ok(keys) } else { Err(Refusal::IssuerUnknown) }
}

fn request(
    received: &Received,
    me: &Location,
    keys: &TrustedKeys,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let unopened = Unopened::<LogoutRequest>::read(received)?;
    let keys = known(unopened.issuer(), keys)?;
    unopened.open(keys, me, &LIMITS, now).map(|_| ()).map_err(|refused| refused.refusal)
}

fn answer(received: &Received, keys: &TrustedKeys, now: DateTime<Utc>) -> Result<(), Refusal> {
    let unopened = Unopened::<LogoutResponse>::read(received)?;
    let keys = known(unopened.issuer(), keys)?;
    unopened.open(keys, Some(&location("/saml/slo")), &LIMITS, now).map(|_| ())
}

fn sign_in(received: &Received, keys: &TrustedKeys, now: DateTime<Utc>) -> Result<(), Refusal> {
    let acs = location("/saml/acs");
    let unopened = Unopened::<Response>::read(received)?;
    let keys = known(unopened.issuer(), keys)?;
    let response = unopened.open(keys, &acs, false, &LIMITS, now)?;
    let us = EntityId::parse("https://sp.example/saml/metadata").unwrap();
    SignIn::judge(&response, &acs, &us, &LIMITS, now).map(|_| ())
}

fn form(field: &str, octets: &[u8]) -> Result<Received, Refusal> {
    post::decode(form_body(&[(field, &BASE64.encode(octets))]).as_bytes())
}

/// Takes the file's message through the door.
fn judge(name: &str, octets: &[u8], keys: &TrustedKeys) -> Result<(), Refusal> {
    let now = noon();
    let slo = location("/saml/slo");
    let text = || std::str::from_utf8(octets).unwrap();
    match name.split('-').next().unwrap() {
        "redirect" => request(&redirect::decode(text())?, &slo, keys, now),
        "form" => request(&post::decode(octets)?, &slo, keys, now),
        "post" => request(&form("SAMLRequest", octets)?, &slo, keys, now),
        "soap" => {
            let received = soap::decode(octets, Parameter::SamlRequest)?;
            request(&received, &location("/saml/slo/soap"), keys, now)
        }
        "answer" => answer(&form("SAMLResponse", octets)?, keys, now),
        "acs" => sign_in(&form("SAMLResponse", octets)?, keys, now),
        other => panic!("{other}: no such way to arrive"),
    }
}

/// `SignatureShape("..")` belongs into `signature-shape`.
fn folder_of(refusal: &Refusal) -> String {
    let name = format!("{refusal:?}");
    let name = name.split('(').next().unwrap();
    let mut folder = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !folder.is_empty() {
            folder.push('-');
        }
        folder.push(c.to_ascii_lowercase());
    }
    folder
}

fn directories() -> Vec<PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    all.sort();
    all
}

fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn each_file_is_refused_by_the_refusal_its_folder_names() {
    let keys = keys();
    let (mut wrong, mut judged) = (Vec::new(), 0);
    for directory in directories() {
        let expected = directory.file_name().unwrap().to_string_lossy().into_owned();
        let files = files(&directory);
        assert!(!files.is_empty(), "{expected} is empty");
        for (name, octets) in files {
            judged += 1;
            let found = judge(&name, &octets, &keys)
                .map_or_else(|refusal| folder_of(&refusal), |()| "taken".to_owned());
            if found != expected {
                wrong.push(format!("{expected}/{name}: {found}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(judged > 80, "{judged}");
}

/// Every prefix of every message, and every message with one octet changed, is refused or is the
/// same message; nothing panics.
#[test]
fn val_22_no_cut_and_no_flip_of_a_message_panics_or_passes() {
    let keys = keys();
    for (name, octets) in files(&root().join("taken")) {
        // Where only the assertion is signed, what stands around it may change.
        if name == "acs-assertion-signed.xml" {
            continue;
        }
        for cut in (0..octets.len()).step_by(7) {
            if std::str::from_utf8(&octets[..cut]).is_ok() {
                assert!(judge(&name, &octets[..cut], &keys).is_err(), "{name} cut at {cut}");
            }
        }
        for at in (0..octets.len()).step_by(5) {
            let mut flipped = octets.clone();
            // Stays ASCII, so that text stays text; within one token the case may be free.
            flipped[at] ^= 0x01;
            if flipped[at] < 0x20 || flipped[at] > 0x7e {
                continue;
            }
            let taken = judge(&name, &flipped, &keys).is_ok();
            let harmless = octets[at].is_ascii_whitespace() || in_key_info(&octets, at);
            assert!(!taken || harmless, "{name} with octet {at} changed to {:?}", char::from(flipped[at]));
        }
    }
}

/// KeyInfo is a hint that is not looked at, and no part of what the message's signature covers.
fn in_key_info(octets: &[u8], at: usize) -> bool {
    let text = String::from_utf8_lossy(octets);
    let mut from = 0;
    while let Some(start) = text[from..].find("<ds:KeyInfo>").map(|start| start + from) {
        let end = text[start..].find("</ds:KeyInfo>").map_or(text.len(), |end| start + end);
        if (start..end).contains(&at) {
            return true;
        }
        from = end;
    }
    false
}
