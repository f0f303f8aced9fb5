//! What stands in an EncryptedID or EncryptedAssertion, sealed or still to be sealed: what is
//! decrypted is read like what came in clear, with no more work of a private key than allowed, and
//! no assertion is believed that was not signed.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use signoff_fuzz::known::{LIMITS, NOW, known, posted};
use signoff_fuzz::saml::binding::{Detached, Parameter, Received};
use signoff_fuzz::saml::encryption::{BLOCK_ALGORITHMS, TRANSPORT_ALGORITHMS};
use signoff_fuzz::saml::logout_request::LogoutRequest;
use signoff_fuzz::saml::names::{Binding, EntityId, Location};
use signoff_fuzz::saml::open::Unopened;
use signoff_fuzz::saml::response::{Content, Response};
use signoff_fuzz::saml::signature::{SignaturePolicy, TrustedKeys};
use signoff_fuzz::saml::xml::{Document, SAML, normalized};
use signoff_fuzz::sealed::{Recipe, decryption};

const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const SAML_NS: &str = "xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"";

fuzz_target!(|text: &str| {
    let plaintext = (!is_sealed(text)).then_some(text);
    let sealed = plaintext.map_or_else(|| text.to_owned(), |text| Recipe::number(text.len()).seal(text));
    identifier(&sealed, plaintext);
    assertion(&sealed);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // Once in a while a plaintext is sealed, so that what is around it can be changed as well.
    if let Ok(text) = std::str::from_utf8(&data[..size])
        && seed.is_multiple_of(16)
        && !is_sealed(text)
    {
        let sealed = Recipe::number(seed as usize / 16).seal(text);
        if sealed.len() <= max_size {
            data[..sealed.len()].copy_from_slice(sealed.as_bytes());
            return sealed.len();
        }
    }
    libfuzzer_sys::fuzzer_mutate(data, size, max_size)
});

fn is_sealed(text: &str) -> bool {
    text.contains("EncryptedData")
}

/// In a LogoutRequest that is signed, whatever it says: only then is anything decrypted.
fn identifier(sealed: &str, plaintext: Option<&str>) {
    let xml = format!(
        "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" {SAML_NS} ID=\"_l\" Version=\"2.0\" IssueInstant=\"2026-11-23T12:00:00Z\" Destination=\"https://sp.example/saml/slo\"><saml:Issuer>https://fuzz.example</saml:Issuer><saml:EncryptedID>{sealed}</saml:EncryptedID></samlp:LogoutRequest>"
    );
    let (keys, detached) = signed();
    let received = Received {
        binding: Binding::Redirect,
        parameter: Parameter::SamlRequest,
        octets: normalized(xml),
        relay_state: None,
        detached: detached.clone(),
    };
    let before = decryption().operations();
    let Ok(unopened) = Unopened::<LogoutRequest>::read(&received) else { return };
    let me = Location::parse("https://sp.example/saml/slo").unwrap();
    let opened = unopened.decrypting_with(decryption()).open(keys, &me, &LIMITS, NOW);
    let work = decryption().operations() - before;
    assert!(work <= 2, "{work} operations of the private key");
    if work > 0 {
        let document = Document::parse(&received.octets).unwrap();
        let methods = document.all(XENC, "EncryptionMethod");
        let named = |names: &[&str]| {
            methods.iter().any(|m| m.attribute("Algorithm").is_some_and(|uri| names.contains(&uri)))
        };
        assert!(named(&BLOCK_ALGORITHMS) && named(&TRANSPORT_ALGORITHMS), "decrypted by other algorithms");
    }
    match opened {
        Ok(request) => {
            let name = request.message().name_id().expect("an identifier that was opened can be read");
            assert!(work > 0 && !name.value.is_empty());
            if let Some(plaintext) = plaintext {
                assert_eq!(Some(&name.value), name_in(plaintext).as_ref(), "another name than was sealed");
            }
        }
        Err(refused) => {
            let authentic = refused.authentic.expect("it is signed, and wrong in nothing but its identifier");
            assert!(authentic.message().name_id().is_err(), "{:?} with a name", refused.refusal);
        }
    }
}

/// The name in a plaintext, by itself or among the namespaces of the message.
fn name_in(plaintext: &str) -> Option<String> {
    let enclosed =
        format!("<x xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" {SAML_NS}>{plaintext}</x>");
    [plaintext, &enclosed].into_iter().find_map(|text| {
        let text = normalized(text.to_owned());
        let document = Document::parse(&text).ok()?;
        let mut names = document.all(SAML, "NameID");
        let name = names.pop().filter(|_| names.is_empty())?;
        Some(name.text().ok()?.into_owned())
    })
}

/// In a Response that is not signed: whatever is inside has to be.
fn assertion(sealed: &str) {
    let xml = format!(
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" {SAML_NS} ID=\"_r\" Version=\"2.0\" IssueInstant=\"2026-11-23T12:00:00Z\" Destination=\"https://sp.example/saml/acs\"><saml:Issuer>https://idp-a.example/metadata</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status><saml:EncryptedAssertion>{sealed}</saml:EncryptedAssertion></samlp:Response>"
    );
    let received = posted(xml, Parameter::SamlResponse);
    let Ok(unopened) = Unopened::<Response>::read(&received) else { return };
    let issuer = EntityId::parse("https://idp-a.example/metadata").unwrap();
    let idp = known().idp(&issuer).expect("the identity provider of tests/data/refused");
    let me = Location::parse("https://sp.example/saml/acs").unwrap();
    let before = decryption().operations();
    let opened = unopened.decrypting_with(decryption()).open(&idp.loose, &me, false, &LIMITS, NOW);
    let work = decryption().operations() - before;
    assert!(work <= 2 + 2, "{work} operations of the private key");
    let Ok(response) = opened else { return };
    let Content::Assertion(assertion) = response.message().content() else {
        panic!("believed without an assertion")
    };
    let learnt = known().assertions.contains(assertion);
    assert!(learnt || known().put_right(assertion), "nobody signed {assertion:?}");
    let methods = Document::parse(&received.octets).unwrap();
    let methods = methods.all(XENC, "EncryptionMethod");
    let cbc = methods.iter().any(|m| m.attribute("Algorithm").is_some_and(|uri| uri.ends_with("cbc")));
    assert!(!cbc, "CBC was decrypted without a signature over it");
}

/// An identity provider of our own, and its signature; what a signature beside a message is over
/// is the binding's affair, not what is tried here.
fn signed() -> &'static (TrustedKeys, Detached) {
    thread_local! {
        static SIGNED: &'static (TrustedKeys, Detached) = Box::leak(Box::new(sign()));
    }
    SIGNED.with(|signed| *signed)
}

fn sign() -> (TrustedKeys, Detached) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let signature = Signer::new(MessageDigest::sha256(), &key).unwrap().sign_oneshot_to_vec(b"x").unwrap();
    let spki = key.public_key_to_der().unwrap();
    let idp = EntityId::parse("https://fuzz.example").unwrap();
    let keys = TrustedKeys::new(idp, [spki.as_slice()], SignaturePolicy::default()).unwrap();
    let algorithm = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256".to_owned();
    (keys, Detached::Present { algorithm, signed: "x".to_owned(), signature })
}
