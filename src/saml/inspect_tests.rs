//! Messages laid open, in every form in which somebody may have them at hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};

use super::binding::{Outbound, encode};
use super::encryption::DecryptionKeys;
use super::inspect::{Finding, Ground, Inspection, Verdict};
use super::message::Limits;
use super::names::{EntityId, Location, MessageId, NameId};
use super::outbound::{NewLogoutRequest, Reason, Unsigned};
use super::refusal::Refusal;
use super::signature::{SignaturePolicy, TrustedKeys};
use super::signing::{EcdsaEncoding, Signer};
use super::test_keys;

const NOW: DateTime<Utc> = DateTime::from_timestamp_nanos(1_795_000_000_000_000_000);

fn location(text: &str) -> Location {
    Location::parse(text).unwrap()
}

fn signer() -> Signer {
    test_keys::signer(test_keys::rsa())
}

fn request(destination: &str) -> Unsigned {
    NewLogoutRequest {
        id: &MessageId::parse("_request").unwrap(),
        issue_instant: NOW,
        destination: &location(destination),
        issuer: &EntityId::parse("https://idp.example").unwrap(),
        not_on_or_after: None,
        reason: Reason::User,
        name_id: &NameId::bare("alice@example.com"),
        session_indexes: &[],
        asynchronous: false,
    }
    .write()
}

fn findings_at(inspection: &Inspection, known: bool, now: DateTime<Utc>) -> Vec<Finding> {
    let spki = test_keys::rsa().0.public_key_to_der().unwrap();
    let idp = EntityId::parse("https://idp.example").unwrap();
    let keys = TrustedKeys::new(idp, [spki.as_slice()], SignaturePolicy::default()).unwrap();
    inspection.findings(&Ground {
        keys: known.then_some(&keys),
        decryption: &DecryptionKeys::new([]),
        sp: &EntityId::parse("https://sp.example").unwrap(),
        acs: &location("https://sp.example/acs"),
        slo: &location("https://sp.example/slo"),
        soap: &location("https://sp.example/soap"),
        response_signed: false,
        limits: &Limits {
            skew: TimeDelta::minutes(3),
            max_age: TimeDelta::minutes(5),
            accept_offset_times: false,
        },
        now,
    })
}

fn findings(text: &str) -> Vec<Finding> {
    findings_at(&Inspection::of(text).unwrap(), true, NOW)
}

/// The rules that do not hold.
fn failing(findings: &[Finding]) -> Vec<(&'static str, Refusal)> {
    let failed = |finding: &Finding| match finding.verdict {
        Verdict::Fails(refusal) => Some((finding.rule, refusal)),
        Verdict::Holds | Verdict::Unknown(_) => None,
    };
    findings.iter().filter_map(failed).collect()
}

#[test]
fn the_same_message_in_every_form() {
    let (signer, unsigned) = (signer(), request("https://sp.example/slo"));
    let Outbound::Redirect { url } = encode::redirect(&unsigned, None, &signer, EcdsaEncoding::Raw).unwrap()
    else {
        unreachable!("asked for a redirect")
    };
    let query = url.split_once('?').unwrap().1;
    let xml = signer.enveloped(&unsigned).unwrap();
    let encoded = STANDARD.encode(&xml);
    let form = format!("SAMLRequest={}&RelayState=x", encoded.replace('+', "%2B"));
    let lines: Vec<_> = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let wrapped = lines.join(
        "
",
    );
    let soap = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{}</s:Body></s:Envelope>",
        signer.enveloped(&request("https://sp.example/soap")).unwrap()
    );
    for text in [url.as_str(), query, &form, &wrapped, &xml, &soap, &format!("  {url}#fragment\n")] {
        let inspection = Inspection::of(text).unwrap();
        assert_eq!(inspection.issuer().unwrap().as_str(), "https://idp.example", "{text}");
        let facts = inspection.facts();
        for fact in [("message", "LogoutRequest"), ("ID", "_request"), ("NameID", "alice@example.com")] {
            assert!(facts.contains(&(fact.0, fact.1.to_owned())), "{fact:?} in {facts:?}");
        }
        let findings = findings_at(&inspection, true, NOW);
        assert_eq!(failing(&findings), [], "{text}");
        let held = findings.iter().filter(|finding| finding.verdict == Verdict::Holds).count();
        assert_eq!(held, findings.len() - 1, "all but what the store alone knows: {findings:?}");
    }
    // Only deflated: the signature does not come along.
    let deflated = query.split(['=', '&']).nth(1).unwrap();
    let bare = findings(&deflated.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="));
    assert_eq!(failing(&bare), [("SLO-01", Refusal::SignatureMissing)]);
}

#[test]
fn each_rule_is_judged_by_itself() {
    let signer = signer();
    let elsewhere = signer.enveloped(&request("https://other.example/slo")).unwrap();
    assert_eq!(failing(&findings(&elsewhere)), [("VAL-08", Refusal::DestinationWrong)]);
    let tampered = elsewhere.replace("alice", "admin");
    let both = [("VAL-08", Refusal::DestinationWrong), ("VAL-09", Refusal::SignatureInvalid)];
    assert_eq!(failing(&findings(&tampered)), both);
    let late = findings_at(&Inspection::of(&tampered).unwrap(), true, NOW + TimeDelta::hours(1));
    assert_eq!(failing(&late), [both[0], both[1], ("VAL-15", Refusal::Stale)]);
    let unknown = findings_at(&Inspection::of(&tampered).unwrap(), false, NOW);
    assert_eq!(failing(&unknown), both[..1], "without keys the signature is neither good nor bad");
}

#[test]
fn what_cannot_be_read_is_named_by_its_rule() {
    let xml = request("https://sp.example/slo").as_str().to_owned();
    for (text, rule) in [
        (format!("<!DOCTYPE a>{xml}"), "VAL-02"),
        (format!("{xml}<!-- -->"), "VAL-03"),
        (xml.replace("saml:NameID", "saml:Name"), "VAL-04"),
        (xml.replace("LogoutRequest", "AuthnRequest"), "VAL-19"),
        (xml.replace("Version=\"2.0\"", "Version=\"1.1\""), "VAL-06"),
    ] {
        assert_eq!(failing(&findings(&text)).first().map(|(rule, _)| *rule), Some(rule), "{text}");
    }
    for text in ["", "*", "SAMLRequest=", "https://sp.example/slo?SAMLRequest=AAAA"] {
        assert!(Inspection::of(text).is_err(), "{text}");
    }
}

#[test]
fn a_response_is_judged_down_to_its_assertion() {
    let at = |minutes| (NOW + TimeDelta::minutes(minutes)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let xml = format!(
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" Destination=\"https://sp.example/acs\" ID=\"_r\" IssueInstant=\"{now}\" Version=\"2.0\"><saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://idp.example</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode></samlp:Status><saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_a\" IssueInstant=\"{now}\" Version=\"2.0\"><saml:Issuer>https://idp.example</saml:Issuer><saml:Subject><saml:NameID>alice</saml:NameID><saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData NotOnOrAfter=\"{end}\" Recipient=\"https://sp.example/acs\"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions><saml:AudienceRestriction><saml:Audience>https://sp.example</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant=\"{now}\"><saml:AuthnContext><saml:AuthnContextClassRef>c</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement></saml:Assertion></samlp:Response>",
        now = at(0),
        end = at(5)
    );
    let signed = |xml: &str| {
        let after = xml.find("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
        let id = MessageId::parse("_r").unwrap();
        signer().enveloped(&Unsigned::new(xml.to_owned(), id, location("https://x"), after)).unwrap()
    };
    assert_eq!(failing(&findings(&signed(&xml))), []);
    assert_eq!(failing(&findings(&xml)), [("SSO-07", Refusal::AssertionUnsigned)]);
    let other = xml.replace(">https://sp.example<", ">https://other.example<");
    assert_eq!(failing(&findings(&signed(&other))), [("SSO-13", Refusal::Audience)]);
    let both =
        failing(&findings(&signed(&other.replace("Recipient=\"https://sp", "Recipient=\"https://no"))));
    assert_eq!(both.iter().map(|(rule, _)| *rule).collect::<Vec<_>>(), ["SSO-09", "SSO-13"]);
}
