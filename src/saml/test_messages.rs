//! Messages of an identity provider for tests, and signatures of every shape over them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use openssl::hash::{MessageDigest, hash};
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;

use super::binding::{Detached, Parameter, Received};
use super::encryption::DecryptionKeys;
use super::logout_request::LogoutRequest;
use super::message::Limits;
use super::names::{Binding, EntityId, Location};
use super::open::{Refused, Unopened};
use super::refusal::Refusal;
use super::response::Response;
use super::sign_in::SignIn;
use super::signature::{SignaturePolicy, TrustedKeys, Verified};
use super::test_keys;
use super::xml::normalized;

pub(crate) const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_795_000_000_000_000_000);
pub(crate) const LIMITS: Limits =
    Limits { skew: TimeDelta::minutes(3), max_age: TimeDelta::minutes(5), accept_offset_times: false };
pub(crate) const SAML_NS: &str = "xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"";
/// Inside an element that declares the namespace.
pub(crate) const ALICE: &str = "<saml:NameID Format=\"f\">alice</saml:NameID>";

pub(crate) fn location(text: &str) -> Location {
    Location::parse(text).unwrap()
}

pub(crate) fn entity(text: &str) -> EntityId {
    EntityId::parse(text).unwrap()
}

/// The keys of the identity provider of these messages.
pub(crate) fn keys() -> TrustedKeys {
    keys_with(SignaturePolicy::default())
}

pub(crate) fn keys_with(policy: SignaturePolicy) -> TrustedKeys {
    let spki = test_keys::rsa().0.public_key_to_der().unwrap();
    TrustedKeys::new(entity("https://idp.example"), [spki.as_slice()], policy).unwrap()
}

pub(crate) fn at(seconds: i64) -> String {
    (NOW + TimeDelta::seconds(seconds)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A NameID that can stand where no namespace is declared.
pub(crate) fn alice() -> String {
    ALICE.replace("<saml:NameID", &format!("<saml:NameID {SAML_NS}"))
}

pub(crate) fn assertion(identifier: &str) -> String {
    format!(
        "<saml:Assertion {SAML_NS} ID=\"_a\" IssueInstant=\"{now}\" Version=\"2.0\"><saml:Issuer>https://idp.example</saml:Issuer><saml:Subject>{identifier}<saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData NotOnOrAfter=\"{end}\" Recipient=\"https://sp.example/acs\"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions><saml:AudienceRestriction><saml:Audience>https://sp.example</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant=\"{now}\" SessionIndex=\"1\"><saml:AuthnContext><saml:AuthnContextClassRef>c</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement></saml:Assertion>",
        now = at(0),
        end = at(300),
    )
}

pub(crate) fn response(content: &str) -> String {
    format!(
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" Destination=\"https://sp.example/acs\" ID=\"_r\" IssueInstant=\"{}\" Version=\"2.0\"><saml:Issuer {SAML_NS}>https://idp.example</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode></samlp:Status>{content}</samlp:Response>",
        at(0)
    )
}

pub(crate) fn logout_request(identifier: &str) -> String {
    format!(
        "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" Destination=\"https://sp.example/slo\" ID=\"_l\" IssueInstant=\"{}\" Version=\"2.0\"><saml:Issuer {SAML_NS}>https://idp.example</saml:Issuer>{identifier}<samlp:SessionIndex>1</samlp:SessionIndex></samlp:LogoutRequest>",
        at(0)
    )
}

pub(crate) fn logout_response() -> String {
    response("")
        .replace("samlp:Response", "samlp:LogoutResponse")
        .replace("https://sp.example/acs", "https://sp.example/slo")
}

pub(crate) fn received(parameter: Parameter, xml: &str) -> Received {
    let octets = normalized(xml.to_owned());
    Received { binding: Binding::Post, parameter, octets, relay_state: None, detached: Detached::Absent }
}

pub(crate) fn open_response(xml: &str, decryption: &DecryptionKeys) -> Result<Verified<Response>, Refusal> {
    let received = received(Parameter::SamlResponse, xml);
    let unopened = Unopened::<Response>::read(&received)?.decrypting_with(decryption);
    unopened.open(&keys(), &location("https://sp.example/acs"), false, &LIMITS, NOW)
}

/// Whom a response signs in.
pub(crate) fn sign_in(xml: &str, decryption: &DecryptionKeys) -> Result<SignIn, Refusal> {
    let acs = location("https://sp.example/acs");
    SignIn::judge(&open_response(xml, decryption)?, &acs, &entity("https://sp.example"), &LIMITS, NOW)
}

pub(crate) fn open_logout(
    xml: &str,
    decryption: &DecryptionKeys,
    now: DateTime<Utc>,
) -> Result<Verified<LogoutRequest>, Refused<LogoutRequest>> {
    let received = received(Parameter::SamlRequest, xml);
    let unopened = Unopened::<LogoutRequest>::read(&received)?.decrypting_with(decryption);
    unopened.open(&keys(), &location("https://sp.example/slo"), &LIMITS, now)
}

/// Signs an element right after its first Issuer, as it should be.
pub(crate) fn signed(xml: &str, id: &str) -> String {
    Forge::new().sign(xml, id)
}

/// A signature by the identity provider's own key that need not be as it should: what is wrong with
/// its shape is signed too, so that nothing but the check of the shape can refuse it.
#[derive(Clone, Copy)]
pub(crate) struct Forge<'a> {
    pub(crate) key: Option<&'a PKey<Private>>,
    pub(crate) digest: MessageDigest,
    pub(crate) signature: MessageDigest,
    /// What becomes of SignedInfo before it is signed.
    pub(crate) info: &'a dyn Fn(String) -> String,
    /// What becomes of the whole signature afterwards.
    pub(crate) whole: &'a dyn Fn(String) -> String,
    /// The declarations that an inclusive canonicalisation of SignedInfo has besides its own.
    pub(crate) in_scope: &'a str,
}

impl Forge<'_> {
    pub(crate) fn new() -> Self {
        Self {
            key: None,
            digest: MessageDigest::sha256(),
            signature: MessageDigest::sha256(),
            info: &|info| info,
            whole: &|whole| whole,
            in_scope: "",
        }
    }

    /// The element, in exclusive canonical form, with its signature right after its first Issuer.
    pub(crate) fn sign(&self, xml: &str, id: &str) -> String {
        let (before, after) = xml.split_once("</saml:Issuer>").unwrap();
        [before, "</saml:Issuer>", &self.over(xml, id), after].concat()
    }

    /// The signature over an element in exclusive canonical form.
    pub(crate) fn over(&self, xml: &str, id: &str) -> String {
        let digest = STANDARD.encode(hash(self.digest, xml.as_bytes()).unwrap());
        let info = format!(
            "<ds:SignedInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"></ds:SignatureMethod><ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform><ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
        );
        let info = (self.info)(info);
        let own = "xmldsig#\">";
        let canonical = info.replacen(own, &format!("{}{}>", own.trim_end_matches('>'), self.in_scope), 1);
        let rsa = test_keys::rsa().0;
        let mut signer = Signer::new(self.signature, self.key.unwrap_or(&rsa)).unwrap();
        let value = STANDARD.encode(signer.sign_oneshot_to_vec(canonical.as_bytes()).unwrap());
        // As a canonicalisation around it has it, the namespace is declared once.
        let info = info.replacen(" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"", "", 1);
        (self.whole)(format!(
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>"
        ))
    }
}
