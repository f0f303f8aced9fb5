//! What real identity providers publish.

use chrono::{TimeZone as _, Utc};

use super::{STRICT, file, now};
use crate::saml::metadata::{IdpMetadata, Note};
use crate::saml::names::Binding;

#[test]
fn md_19_entra() {
    let idp = file(include_bytes!("../../../../tests/data/metadata/entra.xml"));
    assert_eq!(idp.entity_id.as_str(), "https://sts.windows.net/4f1b6c1e-0d5a-4c3e-9a53-2f6f7f6f0c11/");
    assert_eq!(idp.signing_keys.len(), 2);
    assert!(idp.slo(Binding::Redirect).is_some() && idp.slo(Binding::Post).is_none());
    assert!(idp.notes.is_empty());
}

#[test]
fn md_18_adfs_only_the_signing_key_of_the_idp_role() {
    let idp = file(include_bytes!("../../../../tests/data/metadata/adfs.xml"));
    assert_eq!(idp.entity_id.as_str(), "http://adfs.corp.example/adfs/services/trust");
    assert_eq!(idp.signing_keys.len(), 1);
    assert_eq!(idp.single_logout.len(), 2);
    assert_eq!(idp.name_id_formats.len(), 3);
}

#[test]
fn slo_19_okta_has_no_single_logout_and_reads_all_the_same() {
    let idp = file(include_bytes!("../../../../tests/data/metadata/okta.xml"));
    assert!(idp.single_logout.is_empty());
    assert_eq!(idp.notes, [Note::NoSingleLogout]);
    assert!(!idp.want_authn_requests_signed);
}

#[test]
fn md_16_keycloak_has_an_rsa_and_an_ec_key() {
    let idp = file(include_bytes!("../../../../tests/data/metadata/keycloak.xml"));
    let kinds: Vec<_> = idp.signing_keys.iter().map(ToString::to_string).collect();
    assert_eq!(kinds, ["RSA 2048", "EC 256"]);
    let bindings: Vec<_> = idp.single_logout.iter().map(|endpoint| endpoint.binding).collect();
    assert_eq!(bindings, [Binding::Post, Binding::Redirect, Binding::Soap]);
    assert_eq!(idp.single_sign_on.len(), 2, "sign-on over SOAP is not ours");
    assert!(idp.want_authn_requests_signed);
}

#[test]
fn md_15_shibboleth_has_a_key_without_use() {
    let idp = file(include_bytes!("../../../../tests/data/metadata/shibboleth.xml"));
    assert_eq!(idp.signing_keys.len(), 2);
    assert_eq!(idp.display_name.as_deref(), Some("Example University"));
    assert_eq!(idp.valid_until.unwrap().timestamp(), 1_935_841_402);
    assert_eq!(idp.single_logout.len(), 3);
    assert_eq!(idp.single_sign_on.len(), 2);
}

#[test]
fn md_12_google_is_valid_until_2030() {
    let octets = include_bytes!("../../../../tests/data/metadata/google.xml");
    let idp = file(octets);
    assert_eq!(idp.signing_keys.len(), 2);
    let location = &idp.sso(Binding::Redirect).unwrap().location;
    assert_eq!(location.as_str(), "https://accounts.google.com/o/saml2/idp?idpid=C01abc2de");
    let later = Utc.with_ymd_and_hms(2031, 1, 1, 0, 0, 0).unwrap();
    assert!(idp.is_expired(later) && !idp.is_expired(now()));
    let refused = IdpMetadata::read(octets, STRICT, later).unwrap_err();
    assert!(refused.to_string().ends_with("was valid until 2030-09-17T08:11:33Z"), "{refused}");
}

#[test]
fn md_19_two_products_as_they_are() {
    let idp = file(include_bytes!("../../../../tests/data/messages/simplesamlphp/idp-metadata.xml"));
    assert_eq!((idp.signing_keys.len(), idp.single_logout.len()), (1, 2));
    let idp = file(include_bytes!("../../../../tests/data/messages/pysaml2/idp-metadata.xml"));
    assert!(!idp.signing_keys.is_empty() && idp.slo(Binding::Soap).is_some());
}
