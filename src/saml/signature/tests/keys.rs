//! Which keys count, and whose they are (VAL-13, MD-20, SLO-02).

use super::*;
use crate::saml::test_keys;
use crate::saml::test_messages::entity;
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::rsa::Rsa;

fn spki(key: &PKey<openssl::pkey::Private>) -> Vec<u8> {
    key.public_key_to_der().unwrap()
}

#[test]
fn md_20_a_key_that_is_too_weak_or_of_another_kind_is_left_out() {
    let rsa = |bits| spki(&PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap());
    let ec = |curve| {
        let group = EcGroup::from_curve_name(curve).unwrap();
        spki(&PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
    };
    let weak = [
        ("RSA of 2047 bits", rsa(2047)),
        ("P-224", ec(Nid::SECP224R1)),
        ("a curve of Bitcoin's", ec(Nid::SECP256K1)),
        ("Brainpool's", ec(Nid::BRAINPOOL_P256R1)),
        ("Ed25519", spki(&PKey::generate_ed25519().unwrap())),
        ("junk", b"junk".to_vec()),
    ];
    let strong = [("RSA of 2048 bits", rsa(2048)), ("P-256", ec(Nid::X9_62_PRIME256V1))];
    for (what, der) in &weak {
        assert!(!verifies_with(der), "{what}");
        let keys = TrustedKeys::new(entity("a"), [der.as_slice()], SignaturePolicy::default());
        assert_eq!(keys.err(), Some(KeysError::NoKey), "{what}");
    }
    for (what, der) in &strong {
        assert!(verifies_with(der), "{what}");
        assert!(
            TrustedKeys::new(entity("a"), [der.as_slice()], SignaturePolicy::default()).is_ok(),
            "{what}"
        );
    }
}

/// Who holds the keys is asked twice: before the signature is looked at, and where a message becomes
/// verified, which no caller can leave out.
#[test]
fn slo_02_the_claimed_issuer_is_the_owner_of_the_keys() {
    let own = spki(&test_keys::rsa().0);
    let strange = spki(&test_keys::ec(Nid::X9_62_PRIME256V1).0);
    let keys_of =
        |name: &str, der: &[u8]| TrustedKeys::new(entity(name), [der], SignaturePolicy::default()).unwrap();
    let xml = request(&Forge::new());
    for der in [&own, &strange] {
        let refused = verdict(&posted(&xml), &keys_of("https://other.example", der));
        assert_eq!(refused, Err(Refusal::IssuerMismatch));
    }
    assert_eq!(
        verdict(&posted(&xml), &keys_of("https://idp.example", &strange)),
        Err(Refusal::SignatureInvalid)
    );
    assert_eq!(verdict(&posted(&xml), &keys_of("https://idp.example", &own)), Ok(()));

    let document = Document::parse(&xml).unwrap();
    let message = || LogoutRequest::read(&document).unwrap();
    let refused = verify_enveloped(&document, message(), &keys_of("https://other.example", &own));
    assert_eq!(refused.err(), Some(Refusal::IssuerMismatch));
    let verified = verify_enveloped(&document, message(), &keys_of("https://idp.example", &own)).unwrap();
    assert_eq!(verified.signer().as_str(), "https://idp.example");
}

#[test]
fn slo_24_the_digest_of_the_content_is_that_without_the_signature() {
    let digest = |xml: &str| {
        let received = posted(xml);
        Unopened::<LogoutRequest>::read(&received).unwrap().signed_by(&keys()).unwrap().content_digest()
    };
    let once = digest(&request(&Forge::new()));
    let hinted = |s: String| s.replace("</ds:Signature>", "<ds:KeyInfo></ds:KeyInfo></ds:Signature>");
    assert_eq!(once, digest(&request(&Forge { whole: &hinted, ..Forge::new() })), "signed otherwise");
    assert_eq!(once, sha256(logout_request(&alice()).as_bytes()), "its exclusive canonical form");
    let other = logout_request(&alice().replace("alice", "bob"));
    assert_ne!(once, digest(&Forge::new().sign(&other, "_l")), "other content");
}
