//! Exhibits and the comparison; what the second engine itself says is for the tests over the corpus.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::exhibit::Exhibit;
use super::*;
use crate::saml::names::SessionIndex;

const REQUEST: &str = r#"<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">https://idp</saml:Issuer><saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" Format="f">al&amp;ice&#xD;</saml:NameID><samlp:SessionIndex>2</samlp:SessionIndex><samlp:SessionIndex>1</samlp:SessionIndex></samlp:LogoutRequest>"#;

const RESPONSE: &str = r#"<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r"><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a"><Subject><NameID>alice</NameID><SubjectConfirmation><NameID>not this one</NameID></SubjectConfirmation></Subject><AuthnStatement SessionIndex="7"></AuthnStatement><AuthnStatement SessionIndex=""></AuthnStatement></Assertion></p:Response>"#;

fn request() -> Testimony {
    Testimony {
        message: "LogoutRequest",
        id: "_1".to_owned(),
        assertion_id: None,
        name_id: Some(NameId { format: Some("f".to_owned()), ..NameId::bare("al&ice\r") }),
        session_indexes: ["2", "1"].map(|index| SessionIndex::parse(index).unwrap()).to_vec(),
    }
}

fn response() -> Testimony {
    Testimony {
        message: "Response",
        id: "_r".to_owned(),
        assertion_id: Some("_a".to_owned()),
        name_id: Some(NameId::bare("alice")),
        session_indexes: vec![SessionIndex::parse("7").unwrap()],
    }
}

fn judged(testimony: &Testimony, covered: &str) -> Result<(), Disagreement> {
    let case = Case { exhibits: vec![Exhibit::default()], testimony: testimony.clone() };
    case.judge_by(|_| Some(covered.to_owned()))
}

#[test]
fn the_same_reading_is_confirmed() {
    assert_eq!(judged(&request(), REQUEST), Ok(()));
    assert_eq!(judged(&response(), RESPONSE), Ok(()));
    let assertion = &RESPONSE[RESPONSE.find("<Assertion").unwrap()..RESPONSE.find("</p:").unwrap()];
    assert_eq!(judged(&response(), assertion), Ok(()));
}

/// The comparison can fail: each value that counts, changed alone, is a disagreement of its own.
#[test]
fn one_changed_value_is_a_disagreement() {
    let cases = [
        (REQUEST.replace("LogoutRequest", "LogoutResponse"), Disagreement::Element),
        (REQUEST.replace("SAML:2.0:protocol", "SAML:2.0:protocoI"), Disagreement::Unreadable),
        (REQUEST.replace("_1", "_2"), Disagreement::Id),
        (REQUEST.replace("al&amp;ice", "alice"), Disagreement::NameId),
        (REQUEST.replace("&#xD;<", "<"), Disagreement::NameId),
        (REQUEST.replace(" Format=\"f\"", ""), Disagreement::NameId),
        (REQUEST.replace("Format", "NameQualifier"), Disagreement::NameId),
        (REQUEST.replace("saml:NameID", "saml:BaseID"), Disagreement::NameId),
        (REQUEST.replace("SAML:2.0:assertion\" Format", "SAML:2.0:other\" Format"), Disagreement::NameId),
        (REQUEST.replace(">2<", ">3<"), Disagreement::SessionIndex),
        (REQUEST.replace(">2</samlp:SessionIndex><samlp:SessionIndex>1<", ">2<"), Disagreement::SessionIndex),
        (REQUEST.replace(">2<", "><x></x>2<"), Disagreement::Unreadable),
        (REQUEST.replace("al&amp;", "al<!---->"), Disagreement::Unreadable),
        (REQUEST.replace("</samlp:LogoutRequest>", ""), Disagreement::Unreadable),
    ];
    for (covered, expected) in cases {
        assert_ne!(covered, REQUEST);
        assert_eq!(judged(&request(), &covered), Err(expected), "{covered}");
    }
    let cases = [
        (RESPONSE.replace("_r", "_s"), Disagreement::Id),
        (RESPONSE.replace("_a", "_b"), Disagreement::Id),
        (RESPONSE.replace("ID>alice", "ID>bob"), Disagreement::NameId),
        (RESPONSE.replace("SessionIndex=\"7\"", "SessionIndex=\"8\""), Disagreement::SessionIndex),
        (RESPONSE.replace("<Subject>", "<Subject><NameID>bob</NameID>"), Disagreement::NameId),
        (
            RESPONSE.replace(
                "</p:",
                "<Assertion xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_b\"></Assertion></p:",
            ),
            Disagreement::Unreadable,
        ),
    ];
    for (covered, expected) in cases {
        assert_ne!(covered, RESPONSE);
        assert_eq!(judged(&response(), &covered), Err(expected), "{covered}");
    }
    // An assertion can be no answer to a logout, and no message stands for another.
    assert_eq!(judged(&request(), RESPONSE), Err(Disagreement::Element));
    let case = Case { exhibits: vec![Exhibit::default()], testimony: request() };
    assert_eq!(case.judge_by(|_| None), Err(Disagreement::NotVerified));
}

#[test]
fn what_is_encrypted_is_not_compared_but_what_stands_beside_it_is() {
    let hidden = REQUEST.replace("saml:NameID", "saml:EncryptedID");
    assert_eq!(judged(&request(), &hidden), Ok(()));
    assert_eq!(judged(&request(), &hidden.replace(">2<", ">3<")), Err(Disagreement::SessionIndex));
    let start = RESPONSE.find("<Assertion").unwrap();
    let whole = format!(
        "{}<EncryptedAssertion xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"></EncryptedAssertion></p:Response>",
        &RESPONSE[..start]
    );
    assert_eq!(judged(&response(), &whole), Ok(()));
    assert_eq!(judged(&response(), &whole.replace("_r", "_s")), Err(Disagreement::Id));
}
