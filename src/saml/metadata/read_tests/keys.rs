//! Which keys count.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::bn::BigNumContext;
use openssl::ec::PointConversionForm;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;

use super::{PROTOCOL, entity, idp_with, key, only, read, role, signing_key, spki, x509};
use crate::saml::metadata::{KeyProblem, MetadataError, Note};
use crate::saml::test_keys::{Pair, certified, ec, rsa};

#[test]
fn md_15_no_use_is_signing_and_encryption_is_not() {
    for (usage, usable) in
        [("", true), (" use=\"signing\"", true), (" use=\"encryption\"", false), (" use=\"\"", false)]
    {
        let xml = entity("https://idp.example", "", &role(&key(usage, &x509(&rsa()))));
        match read(&xml) {
            Ok(reading) => {
                assert!(usable && reading.idps[0].signing_keys[0].as_der() == spki(&rsa()), "{usage}");
            }
            Err(error) => {
                assert!(!usable && matches!(error, MetadataError::NoKey { .. }), "{usage}: {error}");
            }
        }
    }
}

#[test]
fn md_16_any_number_of_keys_in_their_order_and_each_once() {
    let (first, second) = (ec(Nid::X9_62_PRIME256V1), ec(Nid::SECP384R1));
    let keys = [&first, &second, &first].map(|pair| key("", &x509(pair))).concat();
    let idp = only(&idp_with(&keys));
    let ders: Vec<_> = idp.signing_keys.iter().map(|key| key.as_der().to_vec()).collect();
    assert_eq!(ders, [spki(&rsa()), spki(&first), spki(&second)]);
}

#[test]
fn md_16_several_certificates_in_one_key_info() {
    let (first, second) = (ec(Nid::X9_62_PRIME256V1), ec(Nid::X9_62_PRIME256V1));
    let two_data = format!("{}{}", x509(&first), x509(&second));
    let one_data = two_data.replace("</ds:X509Data><ds:X509Data>", "");
    for key_info in [two_data, one_data] {
        // Two certificates that know nothing of each other: both.
        assert_eq!(only(&idp_with(&key("", &key_info))).signing_keys.len(), 3);
    }
}

#[test]
fn md_18_the_authority_of_a_chain_does_not_sign_for_the_idp() {
    let (authority, leaf) = (ec(Nid::X9_62_PRIME256V1), ec(Nid::X9_62_PRIME256V1));
    let leaf = (leaf.0.clone(), issued_by(&authority.0, &leaf.0));
    for chain in [[&authority, &leaf], [&leaf, &authority]] {
        let idp = only(&idp_with(&key("", &chain.map(x509).concat())));
        assert_eq!(idp.signing_keys.len(), 2);
        assert_eq!(idp.signing_keys[1].as_der(), spki(&leaf));
    }
}

/// A certificate for `key`, signed by `authority`, whose own certificate is `CN=test`.
fn issued_by(authority: &PKey<Private>, key: &PKey<Private>) -> Vec<u8> {
    let name = |text| {
        let mut name = openssl::x509::X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", text).unwrap();
        name.build()
    };
    let mut certificate = openssl::x509::X509::builder().unwrap();
    certificate.set_subject_name(&name("leaf")).unwrap();
    certificate.set_issuer_name(&name("test")).unwrap();
    certificate.set_not_before(&openssl::asn1::Asn1Time::from_unix(0).unwrap()).unwrap();
    certificate.set_not_after(&openssl::asn1::Asn1Time::from_unix(1).unwrap()).unwrap();
    certificate.set_pubkey(key).unwrap();
    certificate.sign(authority, openssl::hash::MessageDigest::sha256()).unwrap();
    certificate.build().to_der().unwrap()
}

#[test]
fn md_17_the_key_alone_counts() {
    // Every certificate of these tests ended in 1970 and is signed by itself.
    assert_eq!(only(&idp_with("")).signing_keys.len(), 1);
}

#[test]
fn md_17_bare_rsa_key_values() {
    let pair = rsa();
    let public = pair.0.rsa().unwrap();
    let value = format!(
        "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{}</ds:Modulus><ds:Exponent>{}</ds:Exponent>\
         </ds:RSAKeyValue></ds:KeyValue>",
        STANDARD.encode(public.n().to_vec()),
        STANDARD.encode(public.e().to_vec())
    );
    let xml = entity("https://idp.example", "", &role(&key("", &value)));
    assert_eq!(only(&xml).signing_keys[0].as_der(), spki(&pair));
    let broken = xml.replace("<ds:Exponent>AQAB", "<ds:Exponent>");
    assert_ne!(xml, broken);
    assert!(
        matches!(read(&broken), Err(MetadataError::NoKey { problems, .. }) if problems == [KeyProblem::KeyValue])
    );
}

#[test]
fn md_17_bare_ec_and_der_key_values() {
    for (curve, oid) in [
        (Nid::X9_62_PRIME256V1, "1.2.840.10045.3.1.7"),
        (Nid::SECP384R1, "1.3.132.0.34"),
        (Nid::SECP521R1, "1.3.132.0.35"),
    ] {
        let pair = ec(curve);
        let public = pair.0.ec_key().unwrap();
        let mut context = BigNumContext::new().unwrap();
        let point = public
            .public_key()
            .to_bytes(public.group(), PointConversionForm::UNCOMPRESSED, &mut context)
            .unwrap();
        let value = format!(
            "<ds:KeyValue><ds11:ECKeyValue><ds11:NamedCurve URI=\"urn:oid:{oid}\"/>\
             <ds11:PublicKey>{}</ds11:PublicKey></ds11:ECKeyValue></ds:KeyValue>",
            STANDARD.encode(&point)
        );
        let xml = entity("https://idp.example", "", &role(&key("", &value)));
        assert_eq!(only(&xml).signing_keys[0].as_der(), spki(&pair));
        assert!(matches!(read(&xml.replace("urn:oid:", "urn:")), Err(MetadataError::NoKey { .. })));
        // A point off the curve.
        let mut off = point;
        *off.last_mut().unwrap() ^= 1;
        let start = xml.find("<ds11:PublicKey>").unwrap() + "<ds11:PublicKey>".len();
        let end = xml.find("</ds11:PublicKey>").unwrap();
        let off = format!("{}{}{}", &xml[..start], STANDARD.encode(off), &xml[end..]);
        assert!(matches!(read(&off), Err(MetadataError::NoKey { .. })));

        let der =
            format!("<ds11:DEREncodedKeyValue>{}</ds11:DEREncodedKeyValue>", STANDARD.encode(spki(&pair)));
        let xml = entity("https://idp.example", "", &role(&key("", &der)));
        assert_eq!(only(&xml).signing_keys[0].as_der(), spki(&pair));
    }
}

#[test]
fn md_18_keys_are_bound_to_the_role() {
    let foreign = key("", &x509(&ec(Nid::X9_62_PRIME256V1)));
    let around = [
        format!(
            "<md:SPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\">{foreign}</md:SPSSODescriptor>"
        ),
        format!("<md:AttributeAuthorityDescriptor>{foreign}</md:AttributeAuthorityDescriptor>"),
        format!("<md:Extensions>{foreign}</md:Extensions>"),
        format!("<ds:Signature>{foreign}</ds:Signature>"),
        foreign.clone(),
        // Of another protocol, of another namespace.
        role(&foreign).replace(":2.0:protocol", ":1.1:protocol"),
        role(&foreign).replace("<md:IDPSSODescriptor", "<IDPSSODescriptor").replace("/md:IDPSSO", "/IDPSSO"),
    ];
    for (number, beside) in around.iter().enumerate() {
        let xml = entity("https://idp.example", "", &format!("{beside}{}", role(&signing_key())));
        let keys = only(&xml).signing_keys;
        assert!(keys.len() == 1 && keys[0].as_der() == spki(&rsa()), "{number}");
    }
    let inside = [
        format!("<md:Extensions>{foreign}</md:Extensions>"),
        format!("<ds:Signature>{foreign}</ds:Signature>"),
        format!("<x>{foreign}</x>"),
        foreign.replace("<md:KeyDescriptor", "<KeyDescriptor").replace("</md:", "</"),
        foreign.replace("<ds:KeyInfo", "<KeyInfo").replace("</ds:KeyInfo", "</KeyInfo"),
        foreign
            .replace("<ds:KeyInfo>", "<ds:KeyInfo><ds:Object>")
            .replace("</ds:KeyInfo>", "</ds:Object></ds:KeyInfo>"),
    ];
    for (number, content) in inside.iter().enumerate() {
        assert_eq!(only(&idp_with(content)).signing_keys.len(), 1, "{number}");
    }
    assert_eq!(only(&idp_with(&foreign)).signing_keys.len(), 2, "the twin that counts");
}

#[test]
fn md_20_no_usable_key_no_idp() {
    let short = certified(PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap());
    let other_curve = ec(Nid::SECP256K1);
    for (key_info, problem) in [
        (x509(&short), KeyProblem::RsaTooShort(1024)),
        (x509(&with_an_even_modulus()), KeyProblem::Unusable),
        (x509(&other_curve), KeyProblem::Kind),
        (
            "<ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data>".into(),
            KeyProblem::Certificate,
        ),
        (
            "<ds:X509Data><ds:X509Certificate>%</ds:X509Certificate></ds:X509Data>".into(),
            KeyProblem::Certificate,
        ),
        ("<ds:KeyValue><ds:DSAKeyValue/></ds:KeyValue>".into(), KeyProblem::Kind),
        ("<ds:KeyName>a</ds:KeyName>".into(), KeyProblem::NoKey),
    ] {
        let alone = read(&entity("https://idp.example", "", &role(&key("", &key_info))));
        assert!(
            matches!(alone, Err(MetadataError::NoKey { problems, .. }) if problems == [problem]),
            "{problem}"
        );
        // Beside a good key it is left out, with a note.
        let idp = only(&idp_with(&key("", &key_info)));
        assert_eq!(idp.signing_keys.len(), 1);
        assert!(idp.notes.contains(&Note::Key(problem)));
    }
    assert!(matches!(read(&entity("https://idp.example", "", &role(""))), Err(MetadataError::NoKey { .. })));
}

/// A certificate that reads well and names an RSA key that nothing can be verified with.
fn with_an_even_modulus() -> Pair {
    let (key, mut certificate) = rsa();
    let modulus = key.rsa().unwrap().n().to_vec();
    let at = certificate.windows(modulus.len()).position(|octets| octets == modulus).unwrap();
    certificate[at + modulus.len() - 1] ^= 1;
    (key, certificate)
}

#[test]
fn md_23_a_heap_of_certificates_costs_no_more_than_a_few() {
    let heap = x509(&rsa()).repeat(20_000);
    let idp = only(&idp_with(&key("", &heap)));
    assert_eq!(idp.signing_keys.len(), 1);
    assert_eq!(idp.notes[0], Note::Key(KeyProblem::TooMany));
}
