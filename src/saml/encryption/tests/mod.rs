//! What identity providers encrypt, made by hand; every algorithm, every place, every order of
//! signature and encryption.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod by_hand;
mod messages;
mod refusals;

use chrono::TimeDelta;
use openssl::hash::MessageDigest;

use self::by_hand::{Place, Recipe, decryption, ours, recipe, to};
use self::messages::{
    alice, assertion, covered, encrypted, location, logout_request, name, open, open_logout, response, signed,
};
use super::*;
use crate::saml::metadata::{EncryptionTarget, IdpMetadata, Policy};
use crate::saml::names::{EntityId, MessageId};
use crate::saml::refusal::Row;
use crate::saml::response::Content;
use crate::saml::test_keys;
use crate::saml::test_messages::{ALICE, NOW, SAML_NS};

const MGF1P: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
const OAEP11: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
const GCM256: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
const CBC128: &str = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

#[test]
fn sso_21_every_algorithm_parameter_and_place_decrypts() {
    let keys = decryption(&[0]);
    let sha256 = || Some((SHA256, MessageDigest::sha256()));
    let sha512 = Some(("http://www.w3.org/2001/04/xmlenc#sha512", MessageDigest::sha512()));
    let mgf256 = Some(("http://www.w3.org/2009/xmlenc11#mgf1sha256", MessageDigest::sha256()));
    let mgf384 = Some(("http://www.w3.org/2009/xmlenc11#mgf1sha384", MessageDigest::sha384()));
    for block in BLOCK_ALGORITHMS {
        for place in [Place::Within, Place::Beside, Place::BesideRetrieved] {
            let recipe = Recipe { place, ..recipe(block) };
            assert_eq!(name(&covered(&recipe), &keys).as_deref(), Ok("alice"), "{block} {place:?}");
        }
    }
    for (transport, digest, mask, label) in [
        (MGF1P, sha256(), None, &b""[..]),
        (MGF1P, sha512, None, b"label"),
        (OAEP11, None, None, b""),
        (OAEP11, sha256(), None, b""),
        (OAEP11, sha256(), mgf256, b""),
        (OAEP11, sha512, mgf384, b"label"),
    ] {
        let uri = digest.map(|(uri, _)| uri);
        let recipe = Recipe { transport, digest, mask, label, ..recipe(GCM256) };
        assert_eq!(name(&covered(&recipe), &keys).as_deref(), Ok("alice"), "{transport} {uri:?}");
    }
}

#[test]
fn e93_cbc_is_decrypted_under_a_verified_signature_only() {
    for block in BLOCK_ALGORITHMS {
        let keys = decryption(&[0]);
        let assertion = signed(&assertion(ALICE), "_a");
        let inner_only = response(&recipe(block).encrypt("EncryptedAssertion", &assertion));
        if block.ends_with("gcm") {
            assert_eq!(name(&inner_only, &keys).as_deref(), Ok("alice"), "{block}");
        } else {
            assert_eq!(name(&inner_only, &keys), Err(Refusal::AssertionEncrypted), "{block}");
            assert_eq!(keys.operations(), 0, "{block}");
        }
        assert_eq!(name(&signed(&inner_only, "_r"), &keys).as_deref(), Ok("alice"), "{block}");
    }
}

#[test]
fn f_38_decryption_authenticates_nothing() {
    let keys = decryption(&[0]);
    let unsigned = response(&encrypted(&recipe(GCM256)));
    assert_eq!(name(&unsigned, &keys), Err(Refusal::AssertionUnsigned));
    assert_eq!(name(&signed(&unsigned, "_r"), &keys).as_deref(), Ok("alice"));

    // A signature inside that does not verify voids the one around it.
    let inner = signed(&assertion(ALICE), "_a");
    let both = |inner: &str| signed(&response(&recipe(GCM256).encrypt("EncryptedAssertion", inner)), "_r");
    assert_eq!(name(&both(&inner), &keys).as_deref(), Ok("alice"));
    assert_eq!(name(&both(&inner.replace("alice", "admin")), &keys), Err(Refusal::SignatureInvalid));

    // A signed donor beside it.
    let donor = response(&format!("{inner}{}", encrypted(&recipe(GCM256))));
    assert_eq!(name(&donor, &keys), Err(Refusal::ManyAssertions));
    assert_eq!(name(&response(&inner), &keys).as_deref(), Ok("alice"));

    // The response's signature is verified first, and nothing is decrypted if it is not good.
    let before = keys.operations();
    let tampered = covered(&recipe(GCM256)).replacen("ID=\"_r\"", "Consent=\"x\" ID=\"_r\"", 1);
    assert_eq!(name(&tampered, &keys), Err(Refusal::SignatureInvalid));
    assert_eq!(keys.operations(), before);
}

#[test]
fn f_01_what_is_decrypted_holds_one_assertion_and_no_message() {
    let keys = decryption(&[0]);
    let advice = |inside: &str| {
        let xml = assertion(ALICE)
            .replace("</saml:Conditions>", &format!("</saml:Conditions><saml:Advice>{inside}</saml:Advice>"));
        signed(&response(&recipe(GCM256).encrypt("EncryptedAssertion", &xml)), "_r")
    };
    assert_eq!(name(&advice("<x></x>"), &keys).as_deref(), Ok("alice"));
    assert_eq!(name(&advice(&assertion(ALICE)), &keys), Err(Refusal::ManyAssertions));
    assert_eq!(name(&advice(&logout_request(ALICE)), &keys), Err(Refusal::NestedMessage));
    assert_eq!(name(&advice(&encrypted(&recipe(GCM256))), &keys), Err(Refusal::ManyAssertions));
    let other = assertion(ALICE).replace("https://idp.example", "https://other.example");
    let foreign = signed(&response(&recipe(GCM256).encrypt("EncryptedAssertion", &other)), "_r");
    assert_eq!(name(&foreign, &keys), Err(Refusal::IssuerMismatch));
}

#[test]
fn slo_28_an_encrypted_id_is_read_like_a_plain_one() {
    let plain = open_logout(&signed(&logout_request(&alice()), "_l"), &decryption(&[]), NOW).unwrap();
    for block in BLOCK_ALGORITHMS {
        for (place, which) in [(Place::Within, 0), (Place::Beside, 1), (Place::BesideRetrieved, 0)] {
            // Under the old key and under the new one.
            let recipe = Recipe { place, to: to(which), ..recipe(block) };
            let xml = signed(&logout_request(&recipe.encrypt("EncryptedID", &alice())), "_l");
            let request = open_logout(&xml, &decryption(&[1, 0]), NOW).unwrap();
            assert_eq!(request.message().name_id(), plain.message().name_id(), "{block} {place:?}");
            assert_eq!(request.message().session_indexes(), plain.message().session_indexes());
        }
    }
    let foreign = Recipe { to: to(2), ..recipe(GCM256) }.encrypt("EncryptedID", &alice());
    let foreign = signed(&logout_request(&foreign), "_l");
    let refused = open_logout(&foreign, &decryption(&[1, 0]), NOW).unwrap_err();
    assert_eq!((refused.refusal, refused.refusal.row()), (Refusal::IdentifierEncrypted, Row::M));
    assert!(refused.authentic.is_some(), "row m answers an authentic request");
    assert!(open_logout(&foreign, &decryption(&[2]), NOW).is_ok());
    assert!(open_logout(&foreign, &decryption(&[]), NOW).is_err());
}

#[test]
fn slo_28_what_is_inside_an_encrypted_id_has_to_be_a_name_id() {
    let keys = decryption(&[0]);
    let base_id = format!("<saml:BaseID {SAML_NS}></saml:BaseID>");
    for (plaintext, refusal) in [
        (base_id.as_str(), Refusal::IdentifierUnknown),
        (&assertion(ALICE), Refusal::IdentifierEncrypted),
        (&alice().replace("alice", ""), Refusal::IdentifierEncrypted),
        (&alice().replace("alice", "<b></b>"), Refusal::IdentifierEncrypted),
        (&alice().replace("tc:SAML", "tc:OTHER"), Refusal::IdentifierEncrypted),
        ("alice", Refusal::IdentifierEncrypted),
    ] {
        let xml = signed(&logout_request(&recipe(GCM256).encrypt("EncryptedID", plaintext)), "_l");
        let refused = open_logout(&xml, &keys, NOW).unwrap_err();
        assert_eq!((refused.refusal, refused.refusal.row()), (refusal, Row::M), "{plaintext}");
    }
}

#[test]
fn slo_29_nothing_is_decrypted_before_the_signature_is_verified() {
    let keys = decryption(&[0, 1]);
    let unsigned = logout_request(&recipe(GCM256).encrypt("EncryptedID", &alice()));
    let refused = open_logout(&unsigned, &keys, NOW).unwrap_err();
    assert_eq!((refused.refusal, refused.authentic.is_none()), (Refusal::SignatureMissing, true));
    let good = signed(&unsigned, "_l");
    let tampered = good.replace("<samlp:SessionIndex>1", "<samlp:SessionIndex>2");
    assert_eq!(open_logout(&tampered, &keys, NOW).unwrap_err().refusal, Refusal::SignatureInvalid);
    // Nor if it comes too late to be executed.
    let late = NOW + TimeDelta::hours(1);
    assert_eq!(open_logout(&good, &keys, late).unwrap_err().refusal, Refusal::Stale);
    assert_eq!(keys.operations(), 0);
    assert!(open_logout(&good, &keys, NOW).is_ok());
    assert_eq!(keys.operations(), 2);
}

#[test]
fn sso_21_an_encrypted_id_in_an_assertion() {
    let keys = decryption(&[0]);
    for block in [GCM256, CBC128] {
        let inner = assertion(&recipe(block).encrypt("EncryptedID", &alice()));
        // Inside a signed element the namespace is declared once only.
        let inner = inner.replace(&format!("<saml:EncryptedID {SAML_NS}>"), "<saml:EncryptedID>");
        assert_eq!(name(&signed(&response(&inner), "_r"), &keys).as_deref(), Ok("alice"), "{block}");
        assert_eq!(name(&response(&signed(&inner, "_a")), &keys).as_deref(), Ok("alice"), "{block}");
        let twice = recipe(GCM256).encrypt("EncryptedAssertion", &signed(&inner, "_a"));
        assert_eq!(name(&response(&twice), &keys).as_deref(), Ok("alice"), "{block}");
    }
    let foreign = Recipe { to: to(2), ..recipe(GCM256) }.encrypt("EncryptedID", &alice());
    let inner = assertion(&foreign).replace(&format!("<saml:EncryptedID {SAML_NS}>"), "<saml:EncryptedID>");
    assert_eq!(name(&response(&signed(&inner, "_a")), &keys), Err(Refusal::AssertionEncrypted));
    let base_id = recipe(GCM256).encrypt("EncryptedID", &format!("<saml:BaseID {SAML_NS}></saml:BaseID>"));
    let inner = assertion(&base_id).replace(&format!("<saml:EncryptedID {SAML_NS}>"), "<saml:EncryptedID>");
    let opened = open(&response(&signed(&inner, "_a")), &keys).unwrap();
    assert!(matches!(opened.message().content(), Content::Assertion(_)), "no name, as with a plain BaseID");
}

#[test]
fn a_plaintext_may_lean_on_the_namespaces_around_it() {
    let keys = decryption(&[0]);
    let bare = assertion(ALICE).replacen(&format!(" {SAML_NS}"), "", 1);
    let leaning = signed(&response(&recipe(GCM256).encrypt("EncryptedAssertion", &bare)), "_r");
    assert_eq!(name(&leaning, &keys).as_deref(), Ok("alice"));
    // A signature of its own, made where the namespace was in scope.
    let inner = signed(&assertion(ALICE), "_a").replacen(&format!(" {SAML_NS}"), "", 1);
    let inner_only = response(&recipe(GCM256).encrypt("EncryptedAssertion", &inner));
    assert_eq!(name(&inner_only, &keys).as_deref(), Ok("alice"));
    let unknown = bare.replace("saml:", "unknown:");
    let unknown = signed(&response(&recipe(GCM256).encrypt("EncryptedAssertion", &unknown)), "_r");
    assert_eq!(name(&unknown, &keys), Err(Refusal::AssertionEncrypted));
}

#[test]
fn val_01_a_long_plaintext_of_a_stranger_is_not_parsed_twice() {
    let keys = decryption(&[0]);
    let padding = " ".repeat(LONGEST_LEANING);
    let long = assertion(ALICE).replace("</saml:Assertion>", &format!("{padding}</saml:Assertion>"));
    let by_itself = signed(&long, "_a");
    let leaning = by_itself.replacen(&format!(" {SAML_NS}"), "", 1);
    let sealed = |xml: &str| response(&recipe(GCM256).encrypt("EncryptedAssertion", xml));
    assert_eq!(name(&sealed(&by_itself), &keys).as_deref(), Ok("alice"));
    assert_eq!(name(&sealed(&leaning), &keys), Err(Refusal::AssertionEncrypted));
    // Of whom we know it may be as long as any message.
    assert_eq!(name(&signed(&sealed(&leaning), "_r"), &keys).as_deref(), Ok("alice"));
}

#[test]
fn white_space_in_and_around_a_plaintext_is_what_xml_says_it_is() {
    let keys = decryption(&[0]);
    let odd = assertion(ALICE).replace("alice", "al\r\nice").replace(" Format=\"f\"", " Format=\"f\ng\"");
    let inner = response(&recipe(GCM256).encrypt("EncryptedAssertion", &odd));
    assert_eq!(name(&signed(&inner, "_r"), &keys).as_deref(), Ok("al\nice"));
    // A signature inside is over that form, too.
    let normal = odd.replace("\r\n", "\n").replace("f\ng", "f g");
    let spelt = signed(&normal, "_a").replace("al\nice", "al\r\nice").replace("f g", "f\tg");
    let spelt = response(&recipe(GCM256).encrypt("EncryptedAssertion", &spelt));
    assert_eq!(name(&spelt, &keys).as_deref(), Ok("al\nice"));
    // The namespaces around it were written with references.
    let around = [("p".to_owned(), "a\n\t\r\"<&b".to_owned())];
    let plaintext = Plaintext::new("<p:x/>", &around, Cover::Signed);
    assert_eq!(normalized(plaintext.enclosed.clone()), plaintext.enclosed);
    assert!(plaintext.document().unwrap().root().is("a\n\t\r\"<&b", "x"));
}

#[test]
fn slo_43_the_encrypted_id_that_we_send_can_be_read_by_whom_it_is_for() {
    let name_id = NameId { format: Some("f".into()), ..NameId::bare("alice & bob") };
    // As it is read out of the identity provider's metadata.
    let target = |which: usize, methods: &[&str]| -> EncryptionTarget {
        let methods: Vec<_> =
            methods.iter().map(|uri| format!("<EncryptionMethod Algorithm=\"{uri}\"/>")).collect();
        let methods = methods.concat();
        let key = |which: usize| {
            let der = base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                ours(which).public_key_to_der().unwrap(),
            );
            format!(
                "<d:KeyInfo xmlns:d=\"http://www.w3.org/2000/09/xmldsig#\"><e:DEREncodedKeyValue xmlns:e=\"http://www.w3.org/2009/xmldsig11#\">{der}</e:DEREncodedKeyValue></d:KeyInfo>"
            )
        };
        let (signing, encryption) = (key(2), key(which));
        let xml = format!(
            "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://idp.example\"><IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><KeyDescriptor use=\"signing\">{signing}</KeyDescriptor><KeyDescriptor use=\"encryption\">{encryption}{methods}</KeyDescriptor></IDPSSODescriptor></EntityDescriptor>"
        );
        let reading = IdpMetadata::read(xml.as_bytes(), Policy::default(), NOW).unwrap();
        assert_eq!((reading.idps[0].signing_keys.len(), reading.idps[0].encryption_keys.len()), (1, 1));
        reading.idps[0].encryption_keys[0].clone()
    };
    let seal = |target: &EncryptionTarget| EncryptedId::new(&name_id, target, &[5; RANDOM_OCTETS]).unwrap();
    for block in BLOCK_ALGORITHMS {
        let sealed = seal(&target(0, &["http://www.w3.org/2001/04/xmlenc#tripledes-cbc", block, GCM256]));
        assert!(sealed.as_str().contains(block) && !sealed.as_str().contains("alice"), "{block}");
        let document = Document::parse(sealed.as_str()).unwrap();
        let read = Encrypted::read(document.root()).unwrap();
        assert_eq!(read.name_id(&decryption(&[0])), Ok(name_id.clone()), "{block}");
        assert_eq!(read.name_id(&decryption(&[1])), Err(Refusal::IdentifierEncrypted), "{block}");
    }
    let unsaid = seal(&target(0, &[]));
    assert!(unsaid.as_str().contains(GCM256) && unsaid.as_str().contains(MGF1P));

    // In a message, which is canonical and stays so.
    let request = crate::saml::outbound::NewLogoutRequest {
        id: &MessageId::parse("_l").unwrap(),
        issue_instant: NOW,
        destination: &location("https://sp.example/slo"),
        issuer: &EntityId::parse("https://idp.example").unwrap(),
        not_on_or_after: None,
        reason: crate::saml::outbound::Reason::User,
        name_id: &name_id,
        session_indexes: &[],
        asynchronous: true,
    };
    let xml = test_keys::signer(test_keys::rsa()).enveloped(&request.write_encrypted(&unsaid)).unwrap();
    let opened = open_logout(&xml, &decryption(&[0]), NOW).unwrap();
    assert_eq!(opened.message().name_id(), Ok(&name_id));
}
