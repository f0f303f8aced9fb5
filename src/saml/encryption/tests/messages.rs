//! Messages around what is encrypted, and the way they are opened.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::{DateTime, TimeDelta, Utc};

use super::by_hand::Recipe;
use super::{ALICE, DecryptionKeys, LIMITS, NOW, Refusal, SAML_NS};
use crate::saml::binding::{Detached, Parameter, Received};
use crate::saml::logout_request::LogoutRequest;
use crate::saml::names::{Binding, EntityId, Location, MessageId};
use crate::saml::open::{Refused, Unopened};
use crate::saml::outbound::Unsigned;
use crate::saml::response::Response;
use crate::saml::sign_in::SignIn;
use crate::saml::signature::{SignaturePolicy, TrustedKeys, Verified};
use crate::saml::test_keys;

pub(super) fn location(text: &str) -> Location {
    Location::parse(text).unwrap()
}

pub(super) fn keys() -> TrustedKeys {
    let spki = test_keys::rsa().0.public_key_to_der().unwrap();
    let idp = EntityId::parse("https://idp.example").unwrap();
    TrustedKeys::new(idp, [spki.as_slice()], SignaturePolicy::default()).unwrap()
}

/// Signs an element right after its first Issuer.
pub(super) fn signed(xml: &str, id: &str) -> String {
    let at = xml.find("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
    let unsigned = Unsigned::new(xml.to_owned(), MessageId::parse(id).unwrap(), location("https://x"), at);
    test_keys::signer(test_keys::rsa()).enveloped(&unsigned).unwrap()
}

pub(super) fn at(seconds: i64) -> String {
    (NOW + TimeDelta::seconds(seconds)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) fn alice() -> String {
    ALICE.replace("<saml:NameID", &format!("<saml:NameID {SAML_NS}"))
}

pub(super) fn assertion(identifier: &str) -> String {
    format!(
        "<saml:Assertion {SAML_NS} ID=\"_a\" IssueInstant=\"{now}\" Version=\"2.0\"><saml:Issuer>https://idp.example</saml:Issuer><saml:Subject>{identifier}<saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData NotOnOrAfter=\"{end}\" Recipient=\"https://sp.example/acs\"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions><saml:AudienceRestriction><saml:Audience>https://sp.example</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant=\"{now}\" SessionIndex=\"1\"><saml:AuthnContext><saml:AuthnContextClassRef>c</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement></saml:Assertion>",
        now = at(0),
        end = at(300),
    )
}

pub(super) fn response(content: &str) -> String {
    format!(
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" Destination=\"https://sp.example/acs\" ID=\"_r\" IssueInstant=\"{}\" Version=\"2.0\"><saml:Issuer {SAML_NS}>https://idp.example</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode></samlp:Status>{content}</samlp:Response>",
        at(0)
    )
}

pub(super) fn received(parameter: Parameter, xml: &str) -> Received {
    let octets = xml.to_owned();
    Received { binding: Binding::Post, parameter, octets, relay_state: None, detached: Detached::Absent }
}

pub(super) fn open(xml: &str, decryption: &DecryptionKeys) -> Result<Verified<Response>, Refusal> {
    let received = received(Parameter::SamlResponse, xml);
    let unopened = Unopened::<Response>::read(&received)?.decrypting_with(decryption);
    unopened.open(&keys(), &location("https://sp.example/acs"), false, &LIMITS, NOW)
}

/// The name of whom a response signs in.
pub(super) fn name(xml: &str, decryption: &DecryptionKeys) -> Result<String, Refusal> {
    let (acs, sp) = (location("https://sp.example/acs"), EntityId::parse("https://sp.example").unwrap());
    let sign_in = SignIn::judge(&open(xml, decryption)?, &acs, &sp, &LIMITS, NOW)?;
    Ok(sign_in.name_id.unwrap().value)
}

pub(super) fn encrypted(recipe: &Recipe) -> String {
    recipe.encrypt("EncryptedAssertion", &assertion(ALICE))
}

/// An encrypted assertion in a signed response.
pub(super) fn covered(recipe: &Recipe) -> String {
    signed(&response(&encrypted(recipe)), "_r")
}

pub(super) fn logout_request(identifier: &str) -> String {
    format!(
        "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" Destination=\"https://sp.example/slo\" ID=\"_l\" IssueInstant=\"{}\" Version=\"2.0\"><saml:Issuer {SAML_NS}>https://idp.example</saml:Issuer>{identifier}<samlp:SessionIndex>1</samlp:SessionIndex></samlp:LogoutRequest>",
        at(0)
    )
}

pub(super) fn open_logout(
    xml: &str,
    decryption: &DecryptionKeys,
    now: DateTime<Utc>,
) -> Result<Verified<LogoutRequest>, Refused<LogoutRequest>> {
    let received = received(Parameter::SamlRequest, xml);
    let unopened = Unopened::<LogoutRequest>::read(&received)?.decrypting_with(decryption);
    unopened.open(&keys(), &location("https://sp.example/slo"), &LIMITS, now)
}
