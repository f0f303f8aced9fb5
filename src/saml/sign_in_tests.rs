//! What a verified Response is worth, tried with one thing wrong at a time (Profiles 4.1.4.3). Every
//! refusal has its positive twin, and every limit both of its sides.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chrono::TimeDelta;

use super::binding::Parameter;
use super::encryption::DecryptionKeys;
use super::message::Message as _;
use super::names::SessionIndex;
use super::refusal::{NotConfirmed, Refusal};
use super::response::Response;
use super::sign_in::SignIn;
use super::signature::{Verified, verify_enveloped, verify_response};
use super::test_messages::{
    ALICE, LIMITS, NOW, SAML_NS, assertion, at, entity, keys, location, received, response, sign_in, signed,
};
use super::xml::Document;

/// Signs in with an assertion that was changed before it was signed.
fn with(change: impl Fn(String) -> String) -> Result<SignIn, Refusal> {
    let changed = change(assertion(ALICE));
    sign_in(&response(&signed(&changed, "_a")), &DecryptionKeys::new([]))
}

fn replacing(from: &str, to: &str) -> Result<SignIn, Refusal> {
    assert!(assertion(ALICE).contains(from), "{from}");
    with(|xml| xml.replace(from, to))
}

fn refusal(from: &str, to: &str) -> Option<Refusal> {
    replacing(from, to).err()
}

/// A Response whose signature is good, whatever the way here would say of it.
fn verified(xml: &str) -> Verified<Response> {
    let document = Document::parse(xml).unwrap();
    verify_enveloped(&document, Response::read(&document).unwrap(), &keys()).unwrap()
}

fn judged(response: &Verified<Response>) -> Result<SignIn, Refusal> {
    SignIn::judge(response, &location("https://sp.example/acs"), &entity("https://sp.example"), &LIMITS, NOW)
}

#[test]
fn sso_20_and_18_success_with_one_assertion() {
    let whole = response(&assertion(ALICE));
    let failed = whole.replace("status:Success", "status:Responder");
    assert_eq!(judged(&verified(&signed(&failed, "_r"))).err(), Some(Refusal::NotAuthenticated));
    assert_eq!(judged(&verified(&signed(&response(""), "_r"))).err(), Some(Refusal::NoAssertion));
    let sealed = response(&format!(
        "<saml:EncryptedAssertion {SAML_NS}><e:EncryptedData xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"><e:CipherData><e:CipherValue></e:CipherValue></e:CipherData></e:EncryptedData></saml:EncryptedAssertion>"
    ));
    assert_eq!(judged(&verified(&signed(&sealed, "_r"))).err(), Some(Refusal::AssertionEncrypted));
    assert!(judged(&verified(&signed(&whole, "_r"))).is_ok());
}

#[test]
fn what_a_good_assertion_says_is_what_is_taken() {
    let sign_in = with(|xml| xml).unwrap();
    assert_eq!(sign_in.idp, entity("https://idp.example"));
    assert_eq!(sign_in.in_response_to, None);
    assert_eq!(sign_in.assertion_id.as_str(), "_a");
    assert_eq!((sign_in.issue_instant, sign_in.authn_instant), (NOW, NOW));
    assert_eq!(sign_in.name_id.unwrap().value, "alice");
    assert_eq!(sign_in.session_indexes, [SessionIndex::parse("1").unwrap()]);
    assert_eq!(sign_in.session_not_on_or_after, None);
}

#[test]
fn val_15_the_assertion_itself_is_fresh() {
    let issued = |seconds| {
        refusal(&format!("IssueInstant=\"{}\"", at(0)), &format!("IssueInstant=\"{}\"", at(seconds)))
    };
    assert_eq!(issued(181), Some(Refusal::IssuedInFuture));
    assert_eq!(issued(180), None);
    assert_eq!(issued(-480), None);
    assert_eq!(issued(-481), Some(Refusal::Stale));
    let offset = format!("IssueInstant=\"{}+01:00\"", at(3600).trim_end_matches('Z'));
    assert_eq!(refusal(&format!("IssueInstant=\"{}\"", at(0)), &offset), Some(Refusal::NotUtc));
}

#[test]
fn sso_09_10_15_a_bearer_confirmation_holds_here_and_now() {
    let no = |reason| Some(Refusal::NotConfirmed(reason));
    let recipient = " Recipient=\"https://sp.example/acs\"";
    let end = |seconds| format!(" NotOnOrAfter=\"{}\"", at(seconds));
    assert_eq!(refusal("cm:bearer", "cm:holder-of-key"), no(NotConfirmed::NoBearer));
    assert_eq!(refusal("cm:bearer", "cm:bearer "), no(NotConfirmed::NoBearer));
    assert_eq!(refusal(recipient, ""), no(NotConfirmed::Recipient));
    assert_eq!(refusal(recipient, " Recipient=\"https://sp.example/acs/\""), no(NotConfirmed::Recipient));
    let begun = format!(" NotBefore=\"{}\"{}", at(-60), end(300));
    assert_eq!(refusal(&end(300), &begun), no(NotConfirmed::NotBefore));
    assert_eq!(refusal(&end(300), ""), no(NotConfirmed::NoNotOnOrAfter));
    assert_eq!(refusal(&end(300), &end(-180)), no(NotConfirmed::Expired));
    assert_eq!(refusal(&end(300), &end(-179)), None);
    let data = with(|xml| {
        let (before, rest) = xml.split_once("<saml:SubjectConfirmationData").unwrap();
        let (_, after) = rest.split_once("</saml:SubjectConfirmationData>").unwrap();
        [before, after].concat()
    });
    assert_eq!(data.err(), no(NotConfirmed::Recipient));
    let (from, to) = ("<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>");
    let none = with(|xml| [xml.split_once(from).unwrap().0, xml.split_once(to).unwrap().1].concat());
    assert_eq!(none.err(), no(NotConfirmed::NoBearer));
    assert!(with(|xml| xml).is_ok());
}

/// One good confirmation is enough, wherever it stands; else the last one says why not.
#[test]
fn sso_15_one_good_confirmation_of_several_suffices() {
    let several = |changes: [(&str, &str); 2]| {
        with(|xml| {
            let (from, to) =
                (xml.find("<saml:SubjectConfirmation ").unwrap(), xml.find("</saml:Subject>").unwrap());
            let good = &xml[from..to];
            let made: Vec<_> = changes.iter().map(|(from, to)| good.replace(from, to)).collect();
            [&xml[..from], &made.concat(), &xml[to..]].concat()
        })
    };
    let (fine, elsewhere) = (("", ""), ("sp.example/acs", "sp.example/other"));
    let (other_method, late) = (("cm:bearer", "cm:sender-vouches"), ("NotOnOrAfter", "NotBefore"));
    let late_reason = NotConfirmed::NotBefore;
    assert!(several([elsewhere, fine]).is_ok());
    assert!(several([fine, elsewhere]).is_ok());
    assert!(several([other_method, fine]).is_ok());
    assert_eq!(several([elsewhere, late]).err(), Some(Refusal::NotConfirmed(late_reason)));
    assert_eq!(several([late, elsewhere]).err(), Some(Refusal::NotConfirmed(NotConfirmed::Recipient)));
    assert_eq!(
        several([elsewhere, other_method]).err(),
        Some(Refusal::NotConfirmed(NotConfirmed::Recipient))
    );
}

#[test]
fn sso_11_the_confirmation_answers_what_the_response_answers() {
    let answering = |own: &str, confirmed: &str| {
        // Attributes in canonical order.
        let assertion = assertion(ALICE).replace(" NotOnOrAfter=", &format!("{confirmed} NotOnOrAfter="));
        let whole = response(&assertion).replacen(" IssueInstant=", &format!("{own} IssueInstant="), 1);
        judged(&verified_by_assertion(&whole))
    };
    let (one, two) = (" InResponseTo=\"_1\"", " InResponseTo=\"_2\"");
    let differs = Some(Refusal::NotConfirmed(NotConfirmed::InResponseTo));
    for (own, confirmed) in [(one, two), (one, ""), ("", one)] {
        assert_eq!(answering(own, confirmed).err(), differs, "{own} {confirmed}");
    }
    assert_eq!(answering(one, one).unwrap().in_response_to.unwrap().as_str(), "_1");
    assert_eq!(answering("", "").unwrap().in_response_to, None);
}

/// The assertion inside is signed as it stands; what is around it may be in any order.
fn verified_by_assertion(xml: &str) -> Verified<Response> {
    let (from, end) = (xml.find("<saml:Assertion").unwrap(), "</saml:Assertion>");
    let to = xml.find(end).unwrap() + end.len();
    let xml = [&xml[..from], &signed(&xml[from..to], "_a"), &xml[to..]].concat();
    let document = Document::parse(&xml).unwrap();
    verify_response(&document, Response::read(&document).unwrap(), &keys()).unwrap().0
}

#[test]
fn sso_13_the_audience_is_us_in_every_restriction() {
    let us = "<saml:Audience>https://sp.example</saml:Audience>";
    let other = us.replace("sp.example", "other.example");
    let restriction =
        |audiences: &str| format!("<saml:AudienceRestriction>{audiences}</saml:AudienceRestriction>");
    let restricted = |restrictions: &str| refusal(&restriction(us), restrictions);
    let no = Some(Refusal::Audience);
    assert_eq!(restricted(""), no);
    assert_eq!(restricted(&restriction("")), no);
    assert_eq!(restricted(&restriction(&other)), no);
    assert_eq!(restricted(&restriction(&us.replace("example<", "example/<"))), no);
    assert_eq!(restricted(&format!("{}{}", restriction(us), restriction(&other))), no);
    assert_eq!(restricted(&format!("{}{}", restriction(&other), restriction(us))), no);
    assert_eq!(restricted(&format!("{}{}", restriction(us), restriction(&format!("{other}{us}")))), None);
    let conditions = with(|xml| {
        let (before, after) =
            (xml.split_once("<saml:Conditions>").unwrap().0, xml.split_once("</saml:Conditions>").unwrap().1);
        [before, after].concat()
    });
    assert_eq!(conditions.err(), no, "without Conditions there is no audience");
}

#[test]
fn sso_14_the_conditions_hold_now_and_are_understood() {
    let conditions =
        |attributes: &str| refusal("<saml:Conditions>", &format!("<saml:Conditions{attributes}>"));
    let begins = |seconds| conditions(&format!(" NotBefore=\"{}\"", at(seconds)));
    let ends = |seconds| conditions(&format!(" NotOnOrAfter=\"{}\"", at(seconds)));
    assert_eq!(begins(181), Some(Refusal::ConditionTime));
    assert_eq!(begins(180), None);
    assert_eq!(ends(-180), Some(Refusal::ConditionTime));
    assert_eq!(ends(-179), None);
    assert_eq!(conditions(&format!(" NotBefore=\"{}\" NotOnOrAfter=\"{}\"", at(0), at(1))), None);

    let holding = |condition: &str| refusal("</saml:Conditions>", &format!("{condition}</saml:Conditions>"));
    let unknown = Some(Refusal::ConditionUnknown);
    assert_eq!(holding("<saml:OneTimeUse></saml:OneTimeUse>"), None);
    assert_eq!(holding("<saml:ProxyRestriction Count=\"0\"></saml:ProxyRestriction>"), None);
    assert_eq!(holding("<saml:Condition></saml:Condition>"), unknown);
    assert_eq!(holding("<x:OneTimeUse xmlns:x=\"urn:x\"></x:OneTimeUse>"), unknown);
    // A type of its own makes even a known name unknown; any other attribute does not.
    let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
    assert_eq!(holding(&format!("<saml:OneTimeUse {xsi} xsi:type=\"x\"></saml:OneTimeUse>")), unknown);
    assert_eq!(holding(&format!("<saml:OneTimeUse {xsi} xsi:schemaLocation=\"x\"></saml:OneTimeUse>")), None);
    // Once unknown, always unknown.
    assert_eq!(holding("<saml:Condition></saml:Condition><saml:OneTimeUse></saml:OneTimeUse>"), unknown);
}

#[test]
fn sso_18_and_slo_33_the_statement_is_of_a_session_that_is_not_over() {
    let statement = format!("<saml:AuthnStatement AuthnInstant=\"{}\" SessionIndex=\"1\">", at(0));
    let ending = |seconds| {
        let with_end =
            statement.replace("\"1\">", &format!("\"1\" SessionNotOnOrAfter=\"{}\">", at(seconds)));
        replacing(&statement, &with_end)
    };
    assert_eq!(ending(-180).err(), Some(Refusal::SessionOver));
    assert_eq!(ending(-179).unwrap().session_not_on_or_after, Some(NOW + TimeDelta::seconds(-179)));
    let none = with(|xml| {
        let (before, after) = (
            xml.split_once("<saml:AuthnStatement").unwrap().0,
            xml.split_once("</saml:AuthnStatement>").unwrap().1,
        );
        [before, after].concat()
    });
    assert_eq!(none.err(), Some(Refusal::NoAuthnStatement));
    // What is no authentication statement is none, and what is no statement does not belong there.
    let beside = |element: &str| replacing("</saml:Assertion>", &format!("{element}</saml:Assertion>"));
    for name in ["AttributeStatement", "AuthzDecisionStatement", "Statement"] {
        let sign_in = beside(&format!("<saml:{name}></saml:{name}>")).unwrap();
        assert_eq!(sign_in.session_indexes.len(), 1, "{name}");
        let instead = replacing("saml:AuthnStatement", &format!("saml:{name}"));
        assert_eq!(instead.err(), Some(Refusal::NoAuthnStatement), "{name}");
    }
    let odd = Some(Refusal::Schema("element that is no statement"));
    assert_eq!(beside("<saml:Evidence></saml:Evidence>").err(), odd);
    assert_eq!(beside("<x:Statement xmlns:x=\"urn:x\"></x:Statement>").err(), odd);
}

#[test]
fn sso_18_every_statement_counts() {
    let statement = |instant: i64, rest: &str| {
        format!("<saml:AuthnStatement AuthnInstant=\"{}\"{rest}></saml:AuthnStatement>", at(instant))
    };
    let several = [
        statement(-60, &format!(" SessionIndex=\"2\" SessionNotOnOrAfter=\"{}\"", at(900))),
        statement(-30, &format!(" SessionIndex=\"1\" SessionNotOnOrAfter=\"{}\"", at(600))),
        statement(-90, " SessionIndex=\"2\""),
        statement(-90, " SessionIndex=\"\""),
        statement(-90, ""),
    ];
    let sign_in = with(|xml| {
        let (before, after) = (
            xml.split_once("<saml:AuthnStatement").unwrap().0,
            xml.split_once("</saml:AuthnStatement>").unwrap().1,
        );
        [before, &several.concat(), after].concat()
    });
    let sign_in = sign_in.unwrap();
    let indexes: Vec<_> = sign_in.session_indexes.iter().map(SessionIndex::as_str).collect();
    assert_eq!(indexes, ["1", "2"], "an empty one names no session");
    assert_eq!(sign_in.authn_instant, NOW - TimeDelta::seconds(30));
    assert_eq!(sign_in.session_not_on_or_after, Some(NOW + TimeDelta::seconds(600)));
}

#[test]
fn sso_22_without_a_name_there_is_a_session_and_nobody_to_sign_out() {
    assert_eq!(replacing(ALICE, "").unwrap().name_id, None);
    assert_eq!(replacing(ALICE, "<saml:BaseID></saml:BaseID>").unwrap().name_id, None);
    assert_eq!(with(|xml| xml).unwrap().name_id.unwrap().value, "alice");
    // What is encrypted and not decrypted is not "no name".
    let sealed = "<saml:EncryptedID><e:EncryptedData xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\"><e:CipherData><e:CipherValue></e:CipherValue></e:CipherData></e:EncryptedData></saml:EncryptedID>";
    let response = signed(&response(&assertion(ALICE).replace(ALICE, sealed)), "_r");
    assert_eq!(judged(&verified(&response)).err(), Some(Refusal::AssertionEncrypted));
}

/// As long as the assertion could be taken once more, by any clock that is within the skew.
#[test]
fn sso_16_an_assertion_is_remembered_for_as_long_as_it_could_be_taken() {
    let until = |seconds| {
        let end = format!("NotOnOrAfter=\"{}\"", at(seconds));
        replacing(&format!("NotOnOrAfter=\"{}\"", at(300)), &end).unwrap().remember_until - NOW
    };
    let (age, skew) = (LIMITS.max_age, LIMITS.skew);
    assert_eq!(until(60), TimeDelta::seconds(60) + age + skew + skew);
    assert_eq!(until(300), age + age + skew + skew);
    assert_eq!(until(100_000), age + age + skew + skew, "its own end does not make it live longer");
}

#[test]
fn val_04_and_06_an_assertion_is_of_our_version_and_nothing_in_it_is_left_unread() {
    let schema = |text| Some(Refusal::Schema(text));
    assert_eq!(refusal("Version=\"2.0\"", "Version=\"1.1\""), Some(Refusal::VersionTooLow));
    assert_eq!(refusal("Version=\"2.0\"", "Version=\"2.1\""), Some(Refusal::VersionMinor));
    assert_eq!(refusal(" Version=\"2.0\"", ""), Some(Refusal::VersionTooLow));
    assert_eq!(refusal(" Version=\"2.0\"", " Version=\"2.0\" Wrong=\"1\""), schema("unknown attribute"));
    let strange = schema("element that does not belong here");
    assert_eq!(refusal("</saml:Subject>", "<x></x></saml:Subject>"), strange);
    assert_eq!(refusal("</saml:Subject>", &format!("{ALICE}</saml:Subject>")), strange);
    assert_eq!(refusal("</saml:SubjectConfirmation>", "<x></x></saml:SubjectConfirmation>"), strange);
    assert_eq!(refusal("</saml:AudienceRestriction>", "<x></x></saml:AudienceRestriction>"), strange);
    assert_eq!(refusal("<saml:Subject>", "<saml:Subject Wrong=\"1\">"), schema("unknown attribute"));
    assert_eq!(refusal("alice", "bob"), None);
}

#[test]
fn f_12_what_is_read_is_the_child_of_the_response_and_the_only_one() {
    let read = |xml: &str| {
        let received = received(Parameter::SamlResponse, xml);
        super::open::Unopened::<Response>::read(&received).map(|_| ())
    };
    let whole = response(&assertion(ALICE));
    let extended = |content: &str, inside: &str| {
        let extensions = format!("<samlp:Extensions>{inside}</samlp:Extensions><samlp:Status>");
        response(content).replacen("<samlp:Status>", &extensions, 1)
    };
    assert_eq!(read(&extended("", &assertion(ALICE))), Err(Refusal::NestedMessage));
    assert_eq!(read(&extended(&assertion(ALICE), &assertion(ALICE))), Err(Refusal::ManyAssertions));
    assert_eq!(read(&response(&assertion(ALICE).repeat(2))), Err(Refusal::ManyAssertions));
    let sealed = format!("<saml:EncryptedAssertion {SAML_NS}></saml:EncryptedAssertion>");
    assert_eq!(read(&extended("", &sealed)), Err(Refusal::NestedMessage));
    assert_eq!(read(&response(&format!("{}{sealed}", assertion(ALICE)))), Err(Refusal::ManyAssertions));
    let strange = Err(Refusal::Schema("element that does not belong here"));
    assert_eq!(read(&response("<x></x>")), strange);
    assert_eq!(read(&response(&format!("{}<x></x>", assertion(ALICE)))), strange);
    assert_eq!(read(&response("")), Ok(()));
    assert_eq!(read(&whole), Ok(()));
}

#[test]
fn sso_17_the_issuers_are_one() {
    let issuer = format!("<saml:Issuer {SAML_NS}>https://idp.example</saml:Issuer>");
    let read = |xml: &str| {
        let document = Document::parse(xml).unwrap();
        Response::read(&document).map(|response| (response.issuer().clone(), response.names_issuer()))
    };
    let whole = response(&assertion(ALICE));
    let other = whole.replacen(&issuer, &issuer.replace("idp.example", "other.example"), 1);
    assert_eq!(read(&other), Err(Refusal::IssuerMismatch));
    assert_eq!(read(&whole), Ok((entity("https://idp.example"), true)));
    assert_eq!(read(&whole.replacen(&issuer, "", 1)), Ok((entity("https://idp.example"), false)));
    assert_eq!(read(&response("").replacen(&issuer, "", 1)), Err(Refusal::IssuerMissing));
}
