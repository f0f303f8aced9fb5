//! What must hold of any octets that arrive: nothing is believed but what was signed.

use crate::known::{Known, LIMITS, NOW, known};
use crate::saml::binding::Received;
use crate::saml::logout_request::LogoutRequest;
use crate::saml::logout_response::LogoutResponse;
use crate::saml::message::Message;
use crate::saml::names::{Binding, EntityId, Location, MessageId};
use crate::saml::open::Unopened;
use crate::saml::response::{Content, Response};
use crate::saml::sign_in::SignIn;
use crate::saml::signature::{TrustedKeys, Verified};
use crate::saml::xml::{Document, SAML, SAMLP};

/// Takes a LogoutRequest as far as it gets.
///
/// # Panics
/// If it is believed and nobody signed it.
pub fn request(received: &Received) {
    let Some(issuer) = read::<LogoutRequest>(received, "LogoutRequest") else { return };
    let opened = open_request(known(), received);
    if let Some(message) = &opened {
        let learnt = known().requests.contains(message);
        assert!(learnt || known().put_right(message), "nobody signed {message:?}");
        // Whatever was put right, nobody ever signed another name than those.
        let named = |other: &LogoutRequest| other.name_id() == message.name_id();
        assert!(message.name_id().is_err() || known().requests.iter().any(named), "{message:?}");
    }
    let strictly =
        || read_again::<LogoutRequest>(received).open(keys(&issuer)?, &me(received), &LIMITS, NOW).ok();
    assert!(opened.is_some() || strictly().is_none(), "the strict policy takes more than the loose one");
}

/// Takes a LogoutResponse as far as it gets.
///
/// # Panics
/// If it is believed and nobody signed it.
pub fn answer(received: &Received) {
    let Some(issuer) = read::<LogoutResponse>(received, "LogoutResponse") else { return };
    let opened = open_answer(known(), received);
    if let Some(message) = &opened {
        let learnt = known().answers.contains(message);
        assert!(learnt || known().put_right(message), "nobody signed {message:?}");
    }
    let strictly = || {
        read_again::<LogoutResponse>(received).open(keys(&issuer)?, Some(&me(received)), &LIMITS, NOW).ok()
    };
    assert!(opened.is_some() || strictly().is_none(), "the strict policy takes more than the loose one");
}

/// Takes a Response as far as it gets.
///
/// # Panics
/// If an assertion in it is believed and nobody signed it.
pub fn response(received: &Received) {
    let Some(issuer) = read::<Response>(received, "Response") else { return };
    let opened = open_response(known(), received, false);
    if let Some(message) = &opened {
        let Content::Assertion(assertion) = message.content() else {
            panic!("believed without an assertion")
        };
        let learnt = known().assertions.contains(assertion);
        assert!(learnt || known().put_right(assertion), "nobody signed {assertion:?}");
    }
    if let Some(message) = open_response(known(), received, true) {
        let learnt = known().responses.contains(&message);
        assert!(learnt || known().put_right(&message), "nobody signed {message:?}");
    }
    let strictly =
        || read_again::<Response>(received).open(keys(&issuer)?, &me(received), false, &LIMITS, NOW).ok();
    assert!(opened.is_some() || strictly().is_none(), "the strict policy takes more than the loose one");
}

/// The LogoutRequest, if it is authentic.
pub fn open_request(known: &Known, received: &Received) -> Option<LogoutRequest> {
    let unopened = Unopened::<LogoutRequest>::read(received).ok()?;
    let idp = known.idp(unopened.issuer())?;
    let verified = match unopened.open(&idp.loose, &me(received), &LIMITS, NOW) {
        Ok(request) => request,
        Err(refused) => *refused.authentic?,
    };
    Some(signed_by(&idp.loose, &verified))
}

/// The LogoutResponse, if it is authentic and fresh.
pub fn open_answer(known: &Known, received: &Received) -> Option<LogoutResponse> {
    let unopened = Unopened::<LogoutResponse>::read(received).ok()?;
    let idp = known.idp(unopened.issuer())?;
    let verified = unopened.open(&idp.loose, Some(&me(received)), &LIMITS, NOW).ok()?;
    Some(signed_by(&idp.loose, &verified))
}

/// The Response, if it is authentic and fresh; judged as a sign-in on the way.
pub fn open_response(known: &Known, received: &Received, response_signed: bool) -> Option<Response> {
    let unopened = Unopened::<Response>::read(received).ok()?;
    let idp = known.idp(unopened.issuer())?;
    let acs = me(received);
    let verified = unopened.open(&idp.loose, &acs, response_signed, &LIMITS, NOW).ok()?;
    let us = EntityId::parse("https://sp.example/saml/metadata").unwrap();
    if let Ok(sign_in) = SignIn::judge(&verified, &acs, &us, &LIMITS, NOW) {
        assert_eq!(&sign_in.idp, idp.loose.entity_id());
        assert!(sign_in.remember_until > NOW, "an assertion must not be forgotten while it is good");
    }
    Some(signed_by(&idp.loose, &verified))
}

fn signed_by<M: Message + Clone>(keys: &TrustedKeys, verified: &Verified<M>) -> M {
    assert_eq!(verified.signer(), keys.entity_id());
    assert_eq!(verified.message().issuer(), keys.entity_id());
    verified.message().clone()
}

/// Reads a message without believing it. What was read is one message, alone in its document.
fn read<M: Message>(received: &Received, local: &str) -> Option<EntityId> {
    let unopened = Unopened::<M>::read(received).ok()?;
    assert!(MessageId::parse(unopened.id().as_str()).is_ok());
    assert!(EntityId::parse(unopened.issuer().as_str()).is_ok());
    let document = parse(received).unwrap();
    assert!(document.root().is(SAMLP, local));
    assert_eq!(document.all(SAMLP, local).len(), 1);
    let assertions = document.all(SAML, "Assertion").len() + document.all(SAML, "EncryptedAssertion").len();
    assert!(assertions <= usize::from(local == "Response"));
    Some(unopened.issuer().clone())
}

fn read_again<M: Message>(received: &Received) -> Unopened<'_, M> {
    Unopened::read(received).unwrap()
}

fn keys(issuer: &EntityId) -> Option<&'static TrustedKeys> {
    known().idp(issuer).map(|idp| &idp.strict)
}

fn parse(received: &Received) -> Option<Document<'_>> {
    match received.binding {
        Binding::Soap => Document::parse_soap(&received.octets).ok(),
        Binding::Redirect | Binding::Post => Document::parse(&received.octets).ok(),
    }
}

/// We are whoever the message is for: that check is not what is tried here.
fn me(received: &Received) -> Location {
    let document = parse(received);
    let claimed = document.as_ref().and_then(|document| document.root().attribute("Destination"));
    claimed
        .and_then(|claimed| Location::parse(claimed).ok())
        .unwrap_or_else(|| Location::parse("https://sp.example/saml/slo").unwrap())
}
