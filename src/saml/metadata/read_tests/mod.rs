//! MD-12 to MD-23, each with its negative twin; and the shapes of real identity providers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod endpoints;
mod entities;
mod keys;
mod products;
mod xml;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeZone as _, Utc};

use super::{IdpMetadata, MetadataError, Policy, Reading};
use crate::saml::test_keys::{Pair, rsa};

const STRICT: Policy = Policy { loopback_http: false };
const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 0, 0, 0).unwrap()
}

fn read(xml: &str) -> Result<Reading, MetadataError> {
    IdpMetadata::read(xml.as_bytes(), STRICT, now())
}

fn only(xml: &str) -> IdpMetadata {
    let reading = read(xml).unwrap();
    assert_eq!((reading.idps.len(), reading.left_out.len()), (1, 0), "{:?}", reading.left_out);
    reading.idps.into_iter().next().unwrap()
}

fn file(octets: &[u8]) -> IdpMetadata {
    let reading = IdpMetadata::read(octets, Policy { loopback_http: true }, now()).unwrap();
    assert_eq!((reading.idps.len(), reading.left_out.len()), (1, 0));
    reading.idps.into_iter().next().unwrap()
}

/// An X509Data with the pair's certificate.
fn x509(pair: &Pair) -> String {
    format!(
        "<ds:X509Data><ds:X509Certificate>\n {}\n</ds:X509Certificate></ds:X509Data>",
        STANDARD.encode(&pair.1)
    )
}

fn key(usage: &str, key_info: &str) -> String {
    format!("<md:KeyDescriptor{usage}><ds:KeyInfo>{key_info}</ds:KeyInfo></md:KeyDescriptor>")
}

fn signing_key() -> String {
    key(" use=\"signing\"", &x509(&rsa()))
}

fn role(content: &str) -> String {
    format!("<md:IDPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\">{content}</md:IDPSSODescriptor>")
}

fn endpoint(service: &str, attributes: &str) -> String {
    format!("<md:{service} {attributes}/>")
}

fn entity(id: &str, attributes: &str, content: &str) -> String {
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
         xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" xmlns:ds11=\"http://www.w3.org/2009/xmldsig11#\" \
         entityID=\"{id}\"{attributes}>{content}</md:EntityDescriptor>"
    )
}

/// A whole IdP whose role has that content besides a signing key and a sign-on endpoint.
fn idp_with(content: &str) -> String {
    let sso = endpoint(
        "SingleSignOnService",
        &format!("Binding=\"{REDIRECT}\" Location=\"https://idp.example/sso\""),
    );
    entity("https://idp.example", "", &role(&format!("{}{content}{sso}", signing_key())))
}

fn entities(attributes: &str, content: &str) -> String {
    format!(
        "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\"{attributes}>{content}</EntitiesDescriptor>"
    )
}

fn spki(pair: &Pair) -> Vec<u8> {
    pair.0.public_key_to_der().unwrap()
}
