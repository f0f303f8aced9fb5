//! What we send and publish against the schemas of OASIS and W3C (MD-01, MD-02, SLO-16, SLO-40).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::OnceLock;

use chrono::DateTime;
use tempfile::TempDir;
use uppsala::xsd::XsdValidator;

use super::encryption::{EncryptedId, RANDOM_OCTETS};
use super::metadata::{Contact, IdpMetadata, Organization, Policy, SpMetadata};
use super::names::{Binding, EntityId, Location, MessageId, NameId, SessionIndex};
use super::outbound::{NameIdPolicy, NewAuthnRequest, NewLogoutRequest, NewLogoutResponse, Reason, Unsigned};
use super::signature::{DIGEST_ALGORITHMS, SIGNATURE_ALGORITHMS};
use super::test_keys::{rsa, signer};

const MESSAGES: &str = "saml-schema-protocol-2.0.xsd";
const METADATA: &str = "saml-schema-metadata-2.0.xsd";

/// The schemas in a directory of their own, with imports that name each other instead of pages on
/// the web. The originals stay as their makers publish them.
fn schemas() -> &'static Path {
    static SCHEMAS: OnceLock<TempDir> = OnceLock::new();
    let directory = SCHEMAS.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        for entry in Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/xsd").read_dir().unwrap() {
            let entry = entry.unwrap();
            let mut text = std::fs::read_to_string(entry.path()).unwrap();
            for page in [
                "http://www.w3.org/TR/2002/REC-xmldsig-core-20020212/",
                "http://www.w3.org/TR/2002/REC-xmlenc-core-20021210/",
                "http://www.w3.org/2001/",
            ] {
                for quote in ['"', '\''] {
                    let (location, file) =
                        (format!("schemaLocation={quote}{page}"), format!("schemaLocation={quote}"));
                    text = text.replace(&location, &file);
                }
            }
            std::fs::write(directory.path().join(entry.file_name()), text).unwrap();
        }
        directory
    });
    directory.path()
}

/// What the schema has against the document.
fn complaints(schema: &str, xml: &str) -> Vec<String> {
    let directory = schemas();
    let text = std::fs::read_to_string(directory.join(schema)).unwrap();
    let schema = uppsala::parse(&text).unwrap();
    let validator = XsdValidator::from_schema_with_base_path(&schema, Some(directory)).unwrap();
    let document = uppsala::parse(xml).unwrap();
    validator.validate(&document).iter().map(ToString::to_string).collect()
}

fn location(text: &str) -> Location {
    Location::parse(text).unwrap()
}

fn entity() -> EntityId {
    EntityId::parse("https://sp.example/saml/metadata").unwrap()
}

/// A NameID encrypted to the key that our own metadata would publish, were we an IdP.
fn encrypted_id(name_id: &NameId) -> EncryptedId {
    let (_, certificate) = rsa();
    let certificate = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, certificate);
    let xml = format!(
        "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"https://idp.example\"><IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><KeyDescriptor><KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data><X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>"
    );
    // MD-15: a key without a use is for encryption too.
    let idp =
        IdpMetadata::read(xml.as_bytes(), Policy::default(), DateTime::UNIX_EPOCH).unwrap().idps.remove(0);
    EncryptedId::new(name_id, &idp.encryption_keys[0], &[1; RANDOM_OCTETS]).unwrap()
}

fn messages() -> Vec<Unsigned> {
    let (id, request, issuer) = (MessageId::parse("_2").unwrap(), MessageId::parse("_1").unwrap(), entity());
    let (idp, acs) = (location("https://idp.example/slo"), location("https://sp.example/saml/acs"));
    let policy = NameIdPolicy { format: Some("urn:x:y".into()), allow_create: true };
    let name_id = NameId {
        format: Some("urn:x:y".into()),
        name_qualifier: Some("a".into()),
        sp_name_qualifier: Some("b".into()),
        sp_provided_id: Some("c".into()),
        ..NameId::bare("alice")
    };
    let now = DateTime::UNIX_EPOCH;
    let session_indexes = [SessionIndex::parse("1").unwrap(), SessionIndex::parse("2").unwrap()];
    let logout_request = NewLogoutRequest {
        id: &id,
        issue_instant: now,
        destination: &idp,
        issuer: &issuer,
        not_on_or_after: Some(now),
        reason: Reason::User,
        name_id: &name_id,
        session_indexes: &session_indexes,
        asynchronous: true,
    };
    vec![
        logout_request.write(),
        logout_request.write_encrypted(&encrypted_id(&name_id)),
        NewLogoutResponse::denying(Some(&request), &id, now, Some(&idp), &issuer).write(),
        NewAuthnRequest {
            id: &id,
            issue_instant: now,
            destination: &idp,
            issuer: &issuer,
            acs: &acs,
            force_authn: true,
            is_passive: true,
            name_id_policy: Some(&policy),
        }
        .write(),
    ]
}

#[test]
fn slo_40_every_message_is_valid_signed_and_unsigned() {
    for message in messages() {
        assert_eq!(complaints(MESSAGES, message.as_str()), [""; 0], "{}", message.as_str());
        let signed = signer(rsa()).enveloped(&message).unwrap();
        assert_eq!(complaints(MESSAGES, &signed), [""; 0], "{signed}");
    }
}

#[test]
fn slo_40_the_schema_does_see_a_wrong_order() {
    let request = messages().swap_remove(0);
    let index = "<samlp:SessionIndex>1</samlp:SessionIndex>";
    let wrong = request.as_str().replace(index, "").replace("<saml:NameID", &format!("{index}<saml:NameID"));
    assert_ne!(complaints(MESSAGES, &wrong), [""; 0]);
    assert_ne!(complaints(MESSAGES, &request.as_str().replace(" ID=", " Id=")), [""; 0]);
}

/// Our metadata with everything in it that can be.
fn metadata() -> String {
    let (_, certificate) = rsa();
    SpMetadata {
        entity_id: &entity(),
        signing_certificates: &[&certificate, &certificate],
        encryption_certificate: Some(&certificate),
        digest_algorithms: &DIGEST_ALGORITHMS,
        signature_algorithms: &SIGNATURE_ALGORITHMS,
        single_logout: &[
            (Binding::Redirect, location("https://sp.example/saml/slo")),
            (Binding::Post, location("https://sp.example/saml/slo")),
            (Binding::Soap, location("https://sp.example/saml/slo/soap")),
        ],
        name_id_formats: &["urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".into()],
        assertion_consumer: &location("https://sp.example/saml/acs"),
        organization: Some(&Organization {
            name: "Example & Co".into(),
            display_name: "Example".into(),
            url: "https://example.com/".into(),
        }),
        technical_contact: Some(&Contact { given_name: Some("Ops".into()), email: "ops@example.com".into() }),
    }
    .write()
}

#[test]
fn md_02_our_metadata_is_valid() {
    assert_eq!(complaints(METADATA, &metadata()), [""; 0]);
}

#[test]
fn md_02_the_schema_does_see_what_is_wrong() {
    let good = metadata();
    for (what, with) in [
        ("md:GivenName>", "md:TelephoneNumber>"),
        ("ds:X509Certificate", "ds:X509Cert"),
        (" index=\"0\"", ""),
        (" entityID=", " entityId="),
        ("md:NameIDFormat", "md:NameIdFormat"),
        (" protocolSupportEnumeration", " protocols"),
        ("PT24H", "24h"),
    ] {
        let wrong = good.replace(what, with);
        assert_ne!(wrong, good);
        assert_ne!(complaints(METADATA, &wrong), [""; 0], "{what}");
    }
}

#[test]
fn md_18_we_are_no_identity_provider() {
    let now = DateTime::UNIX_EPOCH;
    assert!(IdpMetadata::read(metadata().as_bytes(), Policy::default(), now).is_err());
}
