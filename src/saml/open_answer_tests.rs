//! The door for what answers us, LogoutResponse and Response, tried with one thing wrong at a time;
//! and where a Destination has to be. Every refusal has its positive twin.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::binding::{Detached, Parameter, Received};
use super::encryption::DecryptionKeys;
use super::logout_request::LogoutRequest;
use super::logout_response::LogoutResponse;
use super::message::Message;
use super::names::{Binding, Location};
use super::open::Unopened;
use super::refusal::Refusal;
use super::response::{Content, Response};
use super::status::TopLevel;
use super::test_messages::{
    ALICE, Forge, LIMITS, NOW, SAML_NS, alice, assertion, at, keys, location, logout_request,
    logout_response, open_response, received, response, signed,
};

const SLO: &str = "https://sp.example/slo";
const ACS: &str = "https://sp.example/acs";

fn answered(xml: &str) -> Received {
    received(Parameter::SamlResponse, xml)
}

fn open_answer(received: &Received, me: Option<&Location>) -> Result<(), Refusal> {
    let unopened = Unopened::<LogoutResponse>::read(received)?;
    unopened.open(&keys(), me, &LIMITS, NOW).map(|_| ())
}

fn answer(xml: &str) -> Result<(), Refusal> {
    open_answer(&answered(xml), Some(&location(SLO)))
}

/// A signed LogoutResponse that was changed before.
fn changed(from: &str, to: &str) -> Result<(), Refusal> {
    let whole = logout_response();
    assert!(whole.contains(from), "{from}");
    answer(&signed(&whole.replacen(from, to, 1), "_r"))
}

#[test]
fn slo_50_an_answer_is_authentic_of_our_version_and_fresh() {
    let issued = |seconds| changed(&at(0), &at(seconds));
    assert_eq!(answer(&logout_response()), Err(Refusal::SignatureMissing));
    assert_eq!(changed("https://sp.example/slo", "https://sp.example/acs"), Err(Refusal::DestinationWrong));
    assert_eq!(changed("Version=\"2.0\"", "Version=\"2.1\""), Err(Refusal::VersionMinor));
    assert_eq!(changed("Version=\"2.0\"", "Version=\"3.0\""), Err(Refusal::VersionTooHigh));
    assert_eq!(changed("Version=\"2.0\"", "Version=\"1.1\""), Err(Refusal::VersionTooLow));
    assert_eq!((issued(181), issued(180)), (Err(Refusal::IssuedInFuture), Ok(())));
    assert_eq!((issued(-481), issued(-480)), (Err(Refusal::Stale), Ok(())));
    let other = changed("https://idp.example", "https://other.example");
    assert_eq!(other, Err(Refusal::IssuerMismatch));
    let good = signed(&logout_response(), "_r");
    assert_eq!(answer(&good.replace("status:Success", "status:Responder")), Err(Refusal::SignatureInvalid));
    assert_eq!(answer(&good), Ok(()));
}

/// For finding the request, and for showing the message to a person: never for believing it.
#[test]
fn slo_50_what_an_answer_claims_can_be_read_before_it_is_opened() {
    let answering = logout_response().replacen(" IssueInstant=", " InResponseTo=\"_1\" IssueInstant=", 1);
    for (xml, in_response_to) in [(answering, Some("_1")), (logout_response(), None)] {
        let received = answered(&xml);
        let unopened = Unopened::<LogoutResponse>::read(&received).unwrap();
        assert_eq!(unopened.in_response_to().map(super::names::MessageId::as_str), in_response_to);
        assert_eq!(unopened.claimed_status().top, TopLevel::Success);
        assert_eq!((unopened.id().as_str(), unopened.issuer().as_str()), ("_r", "https://idp.example"));
    }
}

fn read<M: Message>(parameter: Parameter, xml: &str) -> Result<(), Refusal> {
    Unopened::<M>::read(&received(parameter, xml)).map(|_| ())
}

#[test]
fn val_19_each_message_has_its_parameter() {
    let (request, response) = (logout_request(&alice()), response(&assertion(ALICE)));
    let (asked, answered) = (Parameter::SamlRequest, Parameter::SamlResponse);
    let wrong = Err(Refusal::WrongMessage);
    assert_eq!(read::<LogoutRequest>(answered, &request), wrong);
    assert_eq!(read::<LogoutRequest>(asked, &response), wrong);
    assert_eq!(read::<LogoutRequest>(asked, &request), Ok(()));
    assert_eq!(read::<LogoutResponse>(asked, &logout_response()), wrong);
    assert_eq!(read::<LogoutResponse>(answered, &response), wrong);
    assert_eq!(read::<LogoutResponse>(answered, &logout_response()), Ok(()));
    assert_eq!(read::<Response>(asked, &response), wrong);
    assert_eq!(read::<Response>(answered, &logout_response()), wrong);
    assert_eq!(read::<Response>(answered, &response), Ok(()));
}

/// A signed message on the front channel says where it goes; one that is not signed is refused for
/// that and not for this (Bindings 3.4.5.2, 3.5.5.2). On SOAP it may be left out, not be wrong.
#[test]
fn val_08_a_destination_where_one_has_to_be() {
    let without = logout_response().replace(" Destination=\"https://sp.example/slo\"", "");
    let (good, bare) = (signed(&logout_response(), "_r"), signed(&without, "_r"));
    let me = location(SLO);
    let elsewhere = location("https://sp.example/other");
    let soap = |xml: &str| {
        let octets = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{xml}</s:Body></s:Envelope>"
        );
        Received { binding: Binding::Soap, octets, ..answered("") }
    };
    let redirect =
        |xml: &str, detached: Detached| Received { binding: Binding::Redirect, detached, ..answered(xml) };
    let missing = Err(Refusal::DestinationMissing);
    let wrong = Err(Refusal::DestinationWrong);

    assert_eq!(open_answer(&answered(&good), Some(&elsewhere)), wrong);
    assert_eq!(open_answer(&answered(&good), Some(&me)), Ok(()));
    assert_eq!(open_answer(&answered(&bare), Some(&me)), missing);
    assert_eq!(open_answer(&answered(&without), Some(&me)), Err(Refusal::SignatureMissing));
    // A signature somewhere inside is none of the message.
    let inside =
        format!("</saml:Issuer><samlp:Extensions>{}</samlp:Extensions>", Forge::new().over(&without, "_r"));
    let inside = without.replacen("</saml:Issuer>", &inside, 1);
    let wrong_place = Refusal::SignatureShape("signature in the wrong place");
    assert_eq!(open_answer(&answered(&inside), Some(&me)), Err(wrong_place));

    assert_eq!(open_answer(&soap(&good), Some(&elsewhere)), wrong);
    assert_eq!(open_answer(&soap(&good), Some(&me)), Ok(()));
    assert_eq!(open_answer(&soap(&bare), Some(&me)), Ok(()));
    // The answer to a request over SOAP arrives at no URL.
    assert_eq!(open_answer(&soap(&good), None), Ok(()));
    assert_eq!(open_answer(&soap(&bare), None), Ok(()));

    // On Redirect it is the signature beside the message that counts, even a broken one.
    assert_eq!(open_answer(&redirect(&bare, Detached::Absent), Some(&me)), Err(Refusal::SignatureMissing));
    assert_eq!(open_answer(&redirect(&without, Detached::Broken), Some(&me)), missing);
    let present = Detached::Present { algorithm: String::new(), signed: String::new(), signature: vec![0] };
    assert_eq!(open_answer(&redirect(&without, present), Some(&me)), missing);
}

fn open(xml: &str) -> Result<(), Refusal> {
    open_response(xml, &DecryptionKeys::new([])).map(|_| ())
}

/// Opens a signed Response, changed before it was signed.
fn response_with(from: &str, to: &str) -> Result<(), Refusal> {
    let whole = response(&assertion(ALICE));
    assert!(whole.contains(from), "{from}");
    open(&signed(&whole.replacen(from, to, 1), "_r"))
}

#[test]
fn sso_05_a_response_comes_by_post() {
    let xml = signed(&response(&assertion(ALICE)), "_r");
    let enveloped = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{xml}</s:Body></s:Envelope>"
    );
    for (binding, octets, expected) in [
        (Binding::Redirect, &xml, Err(Refusal::ResponseByRedirect)),
        (Binding::Soap, &enveloped, Err(Refusal::ResponseByRedirect)),
        (Binding::Post, &xml, Ok(())),
    ] {
        let received = Received { binding, octets: octets.clone(), ..answered("") };
        let unopened = Unopened::<Response>::read(&received).unwrap();
        let opened = unopened.open(&keys(), &location(ACS), false, &LIMITS, NOW).map(|_| ());
        assert_eq!(opened, expected, "{binding:?}");
    }
}

#[test]
fn sso_06_to_20_a_response_is_for_us_of_our_version_successful_and_fresh() {
    let issued = |seconds| {
        let whole = response("").replacen(&at(0), &at(seconds), 1);
        let xml = whole.replacen("</samlp:Response>", &format!("{}</samlp:Response>", assertion(ALICE)), 1);
        open(&signed(&xml, "_r"))
    };
    let destination = " Destination=\"https://sp.example/acs\"";
    assert_eq!(response_with(destination, ""), Err(Refusal::DestinationMissing));
    assert_eq!(
        response_with(destination, &destination.replace("acs", "slo")),
        Err(Refusal::DestinationWrong)
    );
    assert_eq!(response_with("Version=\"2.0\"", "Version=\"2.1\""), Err(Refusal::VersionMinor));
    assert_eq!(response_with("status:Success", "status:Responder"), Err(Refusal::NotAuthenticated));
    assert_eq!(open(&signed(&response(""), "_r")), Err(Refusal::NoAssertion));
    assert_eq!((issued(181), issued(180)), (Err(Refusal::IssuedInFuture), Ok(())));
    assert_eq!((issued(-481), issued(-480)), (Err(Refusal::Stale), Ok(())));
    let foreign = response(&assertion(ALICE)).replace("https://idp.example", "https://other.example");
    assert_eq!(open(&signed(&foreign, "_r")), Err(Refusal::IssuerMismatch));
    assert_eq!(open(&response(&assertion(ALICE))), Err(Refusal::AssertionUnsigned));
    assert_eq!(response_with("alice", "bob"), Ok(()));
}

/// What is wrong with an unsigned Response is found before its signature is asked for: the order in
/// which the pipeline refuses is what the audit shows.
#[test]
fn sso_20_a_failure_needs_no_signature_to_be_refused() {
    let failed = response("").replace("status:Success", "status:Responder");
    assert_eq!(open(&failed), Err(Refusal::NotAuthenticated));
    let foreign = failed.replace("https://idp.example", "https://other.example");
    assert_eq!(open(&foreign), Err(Refusal::IssuerMismatch));
    assert_eq!(open(&failed.replace("Version=\"2.0\"", "Version=\"2.1\"")), Err(Refusal::VersionMinor));
    assert_eq!(open(&response("")), Err(Refusal::NoAssertion));
}

#[test]
fn sso_08_the_response_itself_is_signed_where_that_is_demanded() {
    let inner = response(&signed(&assertion(ALICE), "_a"));
    let demanding = |xml: &str, response_signed| {
        let received = answered(xml);
        let unopened = Unopened::<Response>::read(&received).unwrap();
        unopened.open(&keys(), &location(ACS), response_signed, &LIMITS, NOW).map(|_| ())
    };
    let outer = signed(&inner, "_r");
    assert_eq!(demanding(&inner, true), Err(Refusal::ResponseUnsigned));
    assert_eq!(demanding(&inner, false), Ok(()));
    assert_eq!(demanding(&outer, true), Ok(()));
    assert_eq!(demanding(&signed(&response(&assertion(ALICE)), "_r"), true), Ok(()));
}

#[test]
fn sso_17_a_signed_response_names_its_issuer() {
    let issuer = format!("<saml:Issuer {SAML_NS}>https://idp.example</saml:Issuer>");
    let nameless = |xml: &str| xml.replacen(&issuer, "", 1);
    // Signed right at its beginning, where the Issuer would be.
    let whole = nameless(&response(&assertion(ALICE)));
    let signature = Forge::new().over(&whole, "_r");
    let outer = whole.replacen("<samlp:Status>", &format!("{signature}<samlp:Status>"), 1);
    assert_eq!(open(&outer), Err(Refusal::IssuerMissing));
    assert_eq!(open(&signed(&response(&assertion(ALICE)), "_r")), Ok(()));
    assert_eq!(open(&nameless(&response(&signed(&assertion(ALICE), "_a")))), Ok(()));
}

#[test]
fn sso_11_what_a_response_answers_is_read() {
    let whole =
        response(&assertion(ALICE)).replacen(" IssueInstant=", " InResponseTo=\"_1\" IssueInstant=", 1);
    let opened = open_response(&signed(&whole, "_r"), &DecryptionKeys::new([])).unwrap();
    assert_eq!(opened.message().in_response_to().map(super::names::MessageId::as_str), Some("_1"));
    assert!(opened.message().names_issuer());
    assert!(matches!(opened.message().content(), Content::Assertion(_)));
    let odd = whole.replace("InResponseTo=\"_1\"", "InResponseTo=\"1\"");
    assert_eq!(open(&signed(&odd, "_r")), Err(Refusal::Schema("InResponseTo is not an NCName")));
}
