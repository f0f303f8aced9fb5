//! What a signature covers, and that it is what is read (VAL-10, VAL-12, SSO-07; F-01).

use super::*;
use crate::saml::sign_in::SignIn;
use crate::saml::test_keys;
use crate::saml::test_messages::{ALICE, LIMITS, NOW, assertion, entity, location, response, signed};

/// What the engine says of the only signature of a document, whatever its shape.
fn engine(document: &Document<'_>, keys: &TrustedKeys) -> VerifyResult {
    let results = verify_all_document_with_source(&keys.engine, document.tree(), Some(document.source()));
    results.unwrap().remove(0)
}

/// The engine lets a signature be over any element around it. A signature deep inside that is over
/// the root is good, and is not taken for one of the element in which it stands.
#[test]
fn f_01_a_good_signature_over_another_element_than_its_parent_is_refused() {
    let keys = keys();
    // The Extensions are inside what is signed; the signature is taken out of it again.
    let body = logout_request(&alice())
        .replace("</saml:Issuer>", "</saml:Issuer><samlp:Extensions><x ID=\"_x\"></x></samlp:Extensions>");
    let inside = body.replace("<x ID=\"_x\">", &format!("<x ID=\"_x\">{}", Forge::new().over(&body, "_l")));
    let document = Document::parse(&inside).unwrap();
    let signature = document.all(DS, "Signature").remove(0);
    let result = engine(&document, &keys);
    assert!(result.is_valid(), "{result:?}: the engine would take it");
    assert_eq!(covers_parent(signature, &result), Err(Refusal::SignatureInvalid));

    let twin = Forge::new().sign(&body, "_l");
    let document = Document::parse(&twin).unwrap();
    let signature = document.all(DS, "Signature").remove(0);
    assert_eq!(covers_parent(signature, &engine(&document, &keys)), Ok(()));
}

/// Each thing that the engine says is needed: which signature it verified, that it saw what the
/// digest is over, that there is one reference.
#[test]
fn f_01_what_the_engine_says_has_to_be_about_this_signature_and_complete() {
    let keys = keys();
    let xml = request(&Forge::new());
    let document = Document::parse(&xml).unwrap();
    let signature = document.all(DS, "Signature").remove(0);
    let parent = signature.parent().unwrap();
    let VerifyResult::Valid { signature_node, references, key_info } = engine(&document, &keys) else {
        unreachable!("it is valid")
    };
    let said = |signature_node, references| VerifyResult::Valid {
        signature_node,
        references,
        key_info: key_info.clone(),
    };
    let good = said(signature_node, references.clone());
    let another = said(parent.id(), references.clone());
    let mut unseen = references.clone();
    for reference in &mut unseen {
        reference.digest_verified = false;
    }
    let unseen = said(signature_node, unseen);
    let mut elsewhere = references.clone();
    for reference in &mut elsewhere {
        reference.resolved_node = Some(signature_node);
    }
    let elsewhere = said(signature_node, elsewhere);
    let mut nowhere = references.clone();
    for reference in &mut nowhere {
        reference.resolved_node = None;
    }
    let nowhere = said(signature_node, nowhere);
    let none = said(signature_node, Vec::new());
    let two = said(signature_node, [references.clone(), references].concat());
    let invalid = VerifyResult::Invalid { reason: String::new() };
    for (what, result) in [
        ("another signature", another),
        ("a digest that was not computed", unseen),
        ("another element", elsewhere),
        ("nothing in the document", nowhere),
        ("no reference", none),
        ("two references", two),
        ("invalid", invalid),
    ] {
        assert_eq!(covers_parent(signature, &result), Err(Refusal::SignatureInvalid), "{what}");
    }
    assert_eq!(covers_parent(signature, &good), Ok(()));
}

#[test]
fn f_01_the_signature_is_on_the_message_itself() {
    let body = logout_request(&alice());
    let extended = |inside: &str| {
        body.replace(
            "</saml:Issuer>",
            &format!("</saml:Issuer><samlp:Extensions>{inside}</samlp:Extensions>"),
        )
    };
    let wrong_place = Err(Refusal::SignatureShape("signature in the wrong place"));
    // Over the message, but inside its Extensions; over an element of the Extensions.
    let over_root = extended(&Forge::new().over(&body, "_l"));
    let element = "<x ID=\"_x\"><saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">https://idp.example</saml:Issuer></x>";
    let over_other = extended(&signed(element, "_x"));
    for forged in [&over_root, &over_other] {
        assert_eq!(verdict(&posted(forged), &keys()), wrong_place, "{forged}");
    }
    let both = Forge::new().sign(&over_other, "_l");
    assert_eq!(verdict(&posted(&both), &keys()), wrong_place, "one that is right does not make up for it");
    assert_eq!(verdict(&posted(&body), &keys()), Err(Refusal::SignatureMissing));
    assert_eq!(verdict(&posted(&Forge::new().sign(&body, "_l")), &keys()), Ok(()));
}

#[test]
fn val_10_two_signatures_on_one_element_are_one_too_many() {
    let body = logout_request(&alice());
    let signature = Forge::new().over(&body, "_l");
    let twice = body.replace("</saml:Issuer>", &format!("</saml:Issuer>{}", signature.repeat(2)));
    let document = Document::parse(&twice).unwrap();
    let refused = verify_signatures(&document, &[document.root()], &keys());
    assert_eq!(refused, Err(Refusal::SignatureShape("two signatures on one element")));
    let once = Forge::new().sign(&body, "_l");
    let document = Document::parse(&once).unwrap();
    assert_eq!(verify_signatures(&document, &[document.root()], &keys()), Ok(vec![true]));
}

#[test]
fn f_05_an_id_that_is_there_twice_is_refused() {
    let extended = logout_request(&alice())
        .replace("</saml:Issuer>", "</saml:Issuer><samlp:Extensions><x ID=\"_l\"></x></samlp:Extensions>");
    let xml = Forge::new().sign(&extended, "_l");
    assert_eq!(verdict(&posted(&xml), &keys()), Err(Refusal::SignatureShape("duplicate ID")));
    let other = Forge::new().sign(&extended.replace("<x ID=\"_l\">", "<x ID=\"_x\">"), "_l");
    assert_eq!(verdict(&posted(&other), &keys()), Ok(()));
}

/// The signatures of a Response, as they are counted.
fn coverage(xml: &str) -> Result<Coverage, Refusal> {
    let document = Document::parse(xml)?;
    let response = Response::read(&document)?;
    verify_response(&document, response, &keys()).map(|(_, coverage)| coverage)
}

#[test]
fn sso_07_every_signature_of_a_response_verifies_and_one_covers_the_assertion() {
    let assertion = assertion(ALICE);
    let inner = signed(&assertion, "_a");
    let outer = signed(&response(&assertion), "_r");
    let both = signed(&response(&inner), "_r");
    let covered = |response, assertion| Ok(Coverage { response, assertion });
    assert_eq!(coverage(&outer), covered(true, false));
    assert_eq!(coverage(&response(&inner)), covered(false, true));
    assert_eq!(coverage(&both), covered(true, true));
    assert_eq!(coverage(&response(&assertion)), Err(Refusal::AssertionUnsigned));

    // One that does not verify voids the other.
    let stranger =
        test_keys::certified(PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap()).0;
    let strange = Forge { key: Some(&stranger), ..Forge::new() };
    assert_eq!(
        coverage(&signed(&response(&strange.sign(&assertion, "_a")), "_r")),
        Err(Refusal::SignatureInvalid)
    );
    assert_eq!(coverage(&strange.sign(&response(&inner), "_r")), Err(Refusal::SignatureInvalid));
    // What is changed outside of the assertion breaks the Response's signature only.
    let moved = |xml: &str| xml.replacen("https://sp.example/acs", "https://sp.example/xxx", 1);
    assert_eq!(coverage(&moved(&outer)), Err(Refusal::SignatureInvalid));
    assert_eq!(coverage(&moved(&both)), Err(Refusal::SignatureInvalid));
    assert_eq!(coverage(&moved(&response(&inner))), covered(false, true));
}

/// A signed assertion that stands anywhere but right inside the Response covers nothing. The schema
/// refuses it before; this is the check behind that one.
#[test]
fn f_01_an_assertion_that_is_no_child_of_the_response_covers_nothing() {
    let inner = signed(&assertion(ALICE), "_a");
    let deep = response("").replacen(
        "<samlp:Status>",
        &format!("<samlp:Extensions>{inner}</samlp:Extensions><samlp:Status>"),
        1,
    );
    let plain = response(&assertion(ALICE));
    let (deep, plain) = (Document::parse(&deep).unwrap(), Document::parse(&plain).unwrap());
    let message = Response::read(&plain).unwrap();
    let refused = verify_response(&deep, message, &keys());
    assert_eq!(refused.err(), Some(Refusal::SignatureShape("signature in the wrong place")));
}

/// The signature of a second assertion covers nothing of the first. Two are refused before; this is the
/// check behind that one.
#[test]
fn f_12_the_signature_of_a_second_assertion_does_not_cover_the_first() {
    let own = assertion(ALICE);
    let second = signed(&own.replace("\"_a\"", "\"_b\""), "_b");
    let plain = response(&own);
    let plain = Document::parse(&plain).unwrap();
    let verdict = |assertions: &str| {
        let document = response(assertions);
        let document = Document::parse(&document).unwrap();
        verify_response(&document, Response::read(&plain).unwrap(), &keys()).map(|(_, coverage)| coverage)
    };
    assert_eq!(verdict(&format!("{own}{second}")).err(), Some(Refusal::AssertionUnsigned));
    let first = signed(&own, "_a");
    assert!(verdict(&format!("{first}{second}")).is_ok_and(|coverage| coverage.assertion));
}

/// No way through the door leads to an assertion of another issuer than the signer. Were there one, it
/// would sign nobody in.
#[test]
fn sso_17_an_assertion_that_is_not_the_signer_s_own_signs_nobody_in() {
    let document = signed(&response(&assertion(ALICE)), "_r");
    let document = Document::parse(&document).unwrap();
    let (verified, _) = verify_response(&document, Response::read(&document).unwrap(), &keys()).unwrap();
    let judged = |response: &Verified<Response>| {
        let (acs, sp) = (location("https://sp.example/acs"), entity("https://sp.example"));
        SignIn::judge(response, &acs, &sp, &LIMITS, NOW).map(|sign_in| sign_in.idp)
    };
    let other = Verified { signer: entity("https://other.example"), ..verified.clone() };
    assert_eq!(judged(&other), Err(Refusal::IssuerMismatch));
    assert_eq!(judged(&verified), Ok(entity("https://idp.example")));
}
