//! What we send, read by our own door over each of the three bindings. Independent readers are
//! asked in the tests of `signing` and `encode`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::{DateTime, Duration, Utc};

use super::{NewLogoutRequest, NewLogoutResponse, Reason, Unsigned};
use crate::saml::binding::encode::{self, Outbound};
use crate::saml::binding::{self, Parameter, Received};
use crate::saml::logout_request::LogoutRequest;
use crate::saml::message::Limits;
use crate::saml::names::{EntityId, Location, MessageId, NameId, RelayState, SessionIndex};
use crate::saml::open::Unopened;
use crate::saml::signature::{SignaturePolicy, TrustedKeys, Verified};
use crate::saml::signing::{EcdsaEncoding, Signer};
use crate::saml::status::{SecondLevel, Status, TopLevel};
use crate::saml::test_keys::{Pair, ec, rsa, signer};

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn id(text: &str) -> MessageId {
    MessageId::parse(text).unwrap()
}

fn location() -> Location {
    Location::parse("https://idp.example/slo?tenant=1&x=%2f").unwrap()
}

fn sp() -> EntityId {
    EntityId::parse("https://sp.example/?a&b").unwrap()
}

fn name_id() -> NameId {
    NameId {
        value: "</saml:NameID><x/>\r\n\t&amp; ü".into(),
        format: Some("urn:x:\"<".into()),
        name_qualifier: Some(String::new()),
        sp_name_qualifier: None,
        sp_provided_id: Some("p\tq".into()),
    }
}

fn request() -> Unsigned {
    NewLogoutRequest {
        id: &id("_1"),
        issue_instant: NOW,
        destination: &location(),
        issuer: &sp(),
        not_on_or_after: Some(NOW + Duration::minutes(5)),
        reason: Reason::User,
        name_id: &name_id(),
        session_indexes: &[SessionIndex::parse("a&b").unwrap(), SessionIndex::parse("2").unwrap()],
        asynchronous: true,
    }
    .write()
}

fn relay_state() -> RelayState {
    RelayState::parse("a b~c%&=+é").unwrap()
}

/// The message sent over each binding and received again.
fn over_all_bindings(message: &Unsigned, signer: &Signer) -> Vec<Received> {
    let relay = relay_state();
    let mut received = Vec::new();
    for encoding in [EcdsaEncoding::Raw, EcdsaEncoding::Der] {
        let sent = encode::redirect(message, Some(&relay), signer, encoding).unwrap();
        let Outbound::Redirect { url } = sent else { unreachable!() };
        received.push(binding::redirect::decode(url.split_once('?').unwrap().1).unwrap());
    }
    let sent = encode::post(message, Some(&relay), signer).unwrap();
    let Outbound::Post { message: base64, parameter, .. } = sent else { unreachable!() };
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair(parameter.as_str(), &base64)
        .append_pair("RelayState", relay.as_str())
        .finish();
    received.push(binding::post::decode(form.as_bytes()).unwrap());
    assert!(received.iter().all(|received| received.relay_state == Some(relay_state())));
    let envelope = encode::soap(message, signer).unwrap();
    received.push(binding::soap::decode(envelope.as_bytes(), message.parameter()).unwrap());
    received
}

fn open(received: &Received, pair: &Pair) -> Verified<LogoutRequest> {
    let spki = pair.0.public_key_to_der().unwrap();
    let keys = TrustedKeys::new(sp(), [spki.as_slice()], SignaturePolicy::default()).unwrap();
    let limits =
        Limits { skew: Duration::minutes(3), max_age: Duration::minutes(5), accept_offset_times: false };
    Unopened::<LogoutRequest>::read(received).unwrap().open(&keys, &location(), &limits, NOW).unwrap()
}

#[test]
fn slo_42_every_binding_and_kind_of_key_reads_back() {
    for pair in [rsa(), ec(openssl::nid::Nid::X9_62_PRIME256V1), ec(openssl::nid::Nid::SECP384R1)] {
        let all = over_all_bindings(&request(), &signer(pair.clone()));
        assert_eq!(all.len(), 4);
        for received in all {
            let opened = open(&received, &pair);
            assert_eq!(opened.message().name_id().unwrap(), &name_id());
            assert_eq!(opened.message().session_indexes().len(), 2);
            assert_eq!(opened.message().reason(), Some(Reason::User.uri()));
        }
    }
}

#[test]
fn slo_16_an_answer_names_the_request_that_was_verified() {
    let all = over_all_bindings(&request(), &signer(rsa()));
    let verified = open(all.first().unwrap(), &rsa());
    let status = Status {
        message: Some("a <b>".into()),
        ..Status::new(TopLevel::Responder, Some(SecondLevel::PartialLogout))
    };
    let (answer_id, destination, issuer) = (id("_2"), location(), sp());
    let message =
        NewLogoutResponse::answering(&verified, status, &answer_id, NOW, Some(&destination), &issuer).write();
    assert_eq!(message.parameter(), Parameter::SamlResponse);
    let expected = "ID=\"_2\" InResponseTo=\"_1\" IssueInstant=\"1970-01-01T00:00:00Z\" Version=\"2.0\">";
    assert!(message.as_str().contains(expected), "{}", message.as_str());
    let expected = "<samlp:Status>\
        <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\">\
        <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:PartialLogout\"></samlp:StatusCode>\
        </samlp:StatusCode><samlp:StatusMessage>a &lt;b&gt;</samlp:StatusMessage></samlp:Status>";
    assert!(message.as_str().contains(expected), "{}", message.as_str());
}
