//! Which entities are read, and how long they are good.

use chrono::{TimeZone as _, Utc};

use super::{entities, entity, file, idp_with, only, read, role, signing_key};
use crate::saml::metadata::{IdpMetadata, MetadataError, Note};

#[test]
fn md_12_the_smallest_of_all_validities_wins() {
    let whole = |outer: &str, entity_attribute: &str, role_attribute: &str| {
        let role = role(&signing_key()).replace(" protocol", &format!("{role_attribute} protocol"));
        entities(outer, &entities("", &entity("https://idp.example", entity_attribute, &role)))
    };
    let until = |year: i32| format!(" validUntil=\"{year}-01-01T00:00:00Z\"");
    for (outer, inner, role) in [(2030, 2031, 2032), (2032, 2030, 2031), (2031, 2032, 2030)] {
        let idp = only(&whole(&until(outer), &until(inner), &until(role)));
        assert_eq!(idp.valid_until, Some(Utc.with_ymd_and_hms(2030, 1, 1, 0, 0, 0).unwrap()));
    }
    for (outer, inner, role) in [(2020, 2031, 2032), (2032, 2020, 2031), (2031, 2032, 2020)] {
        let refused = read(&whole(&until(outer), &until(inner), &until(role))).unwrap_err();
        assert!(matches!(refused, MetadataError::Expired { .. }));
    }
    let unreadable = whole("", " validUntil=\"tomorrow\"", "");
    assert_eq!(read(&unreadable), Err(MetadataError::ValidUntil("tomorrow".into())));
}

#[test]
fn md_13_cache_duration_is_no_validity() {
    let xml = idp_with("").replace(" protocolSupport", " cacheDuration=\"PT1S\" protocolSupport");
    assert_eq!(only(&xml).valid_until, None);
}

#[test]
fn md_14_an_aggregate_of_5000() {
    let mut content = String::new();
    for number in 0..5000 {
        let sp = entity(
            &format!("https://sp{number}"),
            "",
            &format!("<md:SPSSODescriptor>{}</md:SPSSODescriptor>", signing_key()),
        );
        content +=
            &if number % 2 == 0 { sp } else { idp_with("").replace("idp.example", &format!("idp{number}")) };
    }
    let reading = read(&entities(" Name=\"urn:federation\"", &content)).unwrap();
    assert_eq!((reading.idps.len(), reading.left_out.len()), (2500, 0));
}

#[test]
fn md_14_a_bad_entry_does_not_keep_the_others_out() {
    let keyless = entity("https://bad", "", &role(""));
    let expired = idp_with("")
        .replace("idp.example", "old")
        .replace(" entityID", " validUntil=\"2020-01-01T00:00:00Z\" entityID");
    let reading = read(&entities("", &format!("{keyless}{}{expired}", idp_with("")))).unwrap();
    assert_eq!(reading.idps.len(), 1);
    assert!(matches!(
        reading.left_out.as_slice(),
        [MetadataError::NoKey { .. }, MetadataError::Expired { .. }]
    ));
    // Alone it is refused, and the reason is its own.
    assert!(matches!(read(&entities("", &keyless)), Err(MetadataError::NoKey { .. })));
}

#[test]
fn md_23_one_name_one_entity() {
    let twice = entities("", &idp_with("").repeat(2));
    assert!(matches!(read(&twice), Err(MetadataError::Twins(_))));
    let roles = entity("https://idp.example", "", &role(&signing_key()).repeat(2));
    assert!(matches!(read(&roles), Err(MetadataError::TwoRoles(_))));
    for bad in ["", " https://idp.example", "https://idp.example&#10;", &"a".repeat(1025)] {
        let xml = idp_with("").replace("https://idp.example\"", &format!("{bad}\""));
        assert_eq!(read(&xml), Err(MetadataError::EntityId), "{bad:?}");
    }
    assert_eq!(read(&idp_with("").replace(" entityID=", " ID=")), Err(MetadataError::EntityId));
}

#[test]
fn what_is_kept_survives_json() {
    let mut idp = file(include_bytes!("../../../../tests/data/metadata/shibboleth.xml"));
    idp.notes.clear();
    let json = serde_json::to_string(&idp).unwrap();
    assert_eq!(serde_json::from_str::<IdpMetadata>(&json).unwrap(), idp);
    let evil = json.replace("https://idp.uni.example/idp/profile/SAML2/Redirect/SLO", "javascript:alert(1)");
    assert!(json != evil && serde_json::from_str::<IdpMetadata>(&evil).is_err());
}

/// What the role lists is instead of what the entity lists; none is no list.
#[test]
fn md_24_the_signature_algorithms_of_the_role_come_first() {
    let methods = |list: &[&str]| {
        let list = list.iter().map(|uri| {
            format!("<alg:SigningMethod xmlns:alg=\"urn:oasis:names:tc:SAML:metadata:algsupport\" Algorithm=\"{uri}\" MinKeySize=\"2048\"/>")
        });
        format!(
            "<md:Extensions><x:SigningMethod xmlns:x=\"urn:x\" Algorithm=\"urn:x\"/>{}</md:Extensions>",
            list.collect::<String>()
        )
    };
    let idp = |of_entity: &str, of_role: &str| {
        only(&entity(
            "https://idp.example",
            "",
            &format!("{of_entity}{}", role(&format!("{of_role}{}", signing_key()))),
        ))
    };
    let sha256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    let sha1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
    assert_eq!(idp("", "").signing_methods, [""; 0]);
    let both = idp(&methods(&[sha1]), &methods(&["urn:a", sha256]));
    assert_eq!(both.signing_methods, ["urn:a", sha256]);
    assert!(!both.notes.contains(&Note::NoSigningMethod));
    let one = idp(&methods(&[sha1]), &methods(&[]));
    assert_eq!(one.signing_methods, [sha1]);
    assert!(one.notes.contains(&Note::NoSigningMethod));
    let many: Vec<String> = (0..40).map(|n| format!("urn:{n}")).collect();
    let listed: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(Some(&*idp("", &methods(&listed)).signing_methods), many.get(..16));
    let late = format!(" {sha256}\n");
    let late = idp("", &methods(&[&listed[..], &[&late, &late]].concat())).signing_methods;
    assert_eq!((late.len(), late.last().map(String::as_str)), (17, Some(sha256)), "ours is never cut off");
}
