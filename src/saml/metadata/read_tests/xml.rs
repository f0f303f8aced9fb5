//! What is wrong with the XML itself.

use super::{STRICT, entities, entity, idp_with, now, read};
use crate::saml::metadata::{IdpMetadata, MetadataError, XmlError};

#[test]
fn md_23_no_dtd_no_entities_no_other_encoding() {
    let good = idp_with("");
    let with = |prolog: &str| format!("{prolog}{good}");
    assert!(read(&with("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- x -->\n")).is_ok());
    assert!(read(&with("\u{FEFF}")).is_ok());
    assert_eq!(read(&with("<!DOCTYPE x [<!ENTITY e \"x\">]>")), Err(XmlError::Dtd.into()));
    assert_eq!(read(&with("<!DOCTYPE x SYSTEM \"file:///etc/passwd\">")), Err(XmlError::Dtd.into()));
    assert_eq!(read(&with("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>")), Err(XmlError::NotUtf8.into()));
    assert_eq!(IdpMetadata::read(b"<a>\xff</a>", STRICT, now()), Err(XmlError::NotUtf8.into()));
    assert_eq!(read(&idp_with("<x>&e;</x>")), Err(XmlError::Entity.into()));
    assert_eq!(read(&idp_with("<x a=\"&e;\"/>")), Err(XmlError::Entity.into()));
}

#[test]
fn md_23_depth_and_attributes_are_bounded() {
    let deep = |levels| format!("{}{}", "<x>".repeat(levels), "</x>".repeat(levels));
    assert!(read(&idp_with(&deep(62))).is_ok());
    assert_eq!(read(&idp_with(&deep(63))), Err(XmlError::TooDeep.into()));
    let wide = |count: usize| {
        format!("<x{}/>", (0..count).map(|n| format!(" a{n}=\"\"")).collect::<Vec<_>>().concat())
    };
    assert!(read(&idp_with(&wide(256))).is_ok());
    assert_eq!(read(&idp_with(&wide(257))), Err(XmlError::TooManyAttributes.into()));
    let sets = entities("", "").replace("></", &format!(">{}</", "<EntitiesDescriptor>".repeat(100_000)));
    assert_eq!(read(&sets), Err(XmlError::TooDeep.into()));
}

#[test]
fn md_23_what_is_not_well_formed() {
    let good = idp_with("");
    for bad in [
        String::new(),
        "text".into(),
        format!("x{good}"),
        format!("{good}x"),
        format!("{good}<x/>"),
        format!("{good}{good}"),
        good.replace("</md:IDPSSODescriptor>", ""),
        good.replace("</md:EntityDescriptor>", ""),
        good.replace("</md:EntityDescriptor>", "</md:EntityDescriptor"),
        good.replace(" entityID", " entityID=\"a\" entityID"),
        idp_with("<undeclared:x/>"),
        idp_with("<x undeclared:a=\"\"/>"),
        idp_with("<x a=b/>"),
    ] {
        assert_eq!(read(&bad), Err(XmlError::NotWellFormed.into()), "{bad:.60}");
    }
    assert_eq!(read("<html/>"), Err(MetadataError::NotMetadata));
    assert_eq!(read("<EntityDescriptor/>"), Err(MetadataError::NotMetadata), "of no namespace");
    assert_eq!(read(&entity("https://sp", "", "<md:SPSSODescriptor/>")), Err(MetadataError::NoIdp));
    assert_eq!(read(&entities("", "")), Err(MetadataError::NoIdp));
}

proptest::proptest! {
    /// MD-22: nothing that stands where an extension may stand makes the reader panic.
    #[test]
    fn md_22_any_octets_are_an_answer_and_no_panic(octets in "[<>/a-z&;#:=\"' !\\[\\]?-]{0,80}") {
        let _ = read(&octets);
        let _ = read(&idp_with(&octets));
    }
}
