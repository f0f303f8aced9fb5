//! Where messages may be sent, and what is passed over.

use super::{POST, REDIRECT, endpoint, idp_with, now, only, read};
use crate::saml::metadata::{IdpMetadata, MetadataError, Policy};
use crate::saml::names::Binding;

#[test]
fn md_21_only_https_endpoints() {
    for service in ["SingleSignOnService", "SingleLogoutService"] {
        for bad in [
            "http://idp.example/slo",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://user:pass@idp.example/",
            "https://user@idp.example/",
            "https://idp.example/&#10;x",
            "https://idp.example/&#1;",
            "https://idp.example/a b",
            "/slo",
            "//idp.example/slo",
            "https://",
            "",
            "ftp://idp.example/",
            "http://127.0.0.1/slo",
        ] {
            let xml = idp_with(&endpoint(service, &format!("Binding=\"{POST}\" Location=\"{bad}\"")));
            assert!(matches!(read(&xml), Err(MetadataError::Endpoint { .. })), "{service} {bad}");
            let xml = idp_with(&endpoint(
                service,
                &format!("Binding=\"{POST}\" Location=\"https://idp.example/\" ResponseLocation=\"{bad}\""),
            ));
            assert!(matches!(read(&xml), Err(MetadataError::Endpoint { .. })), "{service} response {bad}");
        }
        let xml = idp_with(&endpoint(service, &format!("Binding=\"{POST}\"")));
        assert!(matches!(read(&xml), Err(MetadataError::Endpoint { .. })), "no Location");
    }
}

#[test]
fn md_21_http_on_loopback_when_we_are_there_ourselves() {
    let there = Policy { loopback_http: true };
    for (location, taken) in [
        ("http://127.0.0.1:18101/slo", true),
        ("http://[::1]/slo", true),
        ("http://localhost/slo", true),
        ("http://idp.example/slo", false),
        ("http://127.0.0.1.evil.example/slo", false),
        ("http://10.0.0.1/slo", false),
    ] {
        let xml = idp_with(&endpoint(
            "SingleLogoutService",
            &format!("Binding=\"{POST}\" Location=\"{location}\""),
        ));
        assert_eq!(IdpMetadata::read(xml.as_bytes(), there, now()).is_ok(), taken, "{location}");
        assert!(read(&xml).is_err(), "{location}");
    }
}

#[test]
fn md_22_what_is_unknown_is_passed_over() {
    let unknown = [
        "<x:y xmlns:x=\"urn:x\" x:a=\"1\"><md:KeyDescriptor><z/></md:KeyDescriptor>text</x:y>",
        "<!-- a comment --><?a processing instruction?>",
        "<md:SingleLogoutService Binding=\"urn:unknown\" Location=\"javascript:alert(1)\"/>",
        "<md:SingleLogoutService Location=\"javascript:alert(1)\"/>",
        "<md:Extensions><x xmlns=\"urn:x\"><![CDATA[<&]]>&amp;&#65;</x></md:Extensions>",
        "<md:NameIDMappingService Binding=\"urn:x\"/>",
    ];
    for content in unknown {
        let idp = only(&idp_with(content));
        assert!(idp.single_logout.is_empty(), "{content}");
    }
    let xml = idp_with("").replace(
        " entityID",
        " xmlns:q=\"urn:q\" q:entityID=\"https://evil.example\" unknown=\"1\" entityID",
    );
    assert_eq!(only(&xml).entity_id.as_str(), "https://idp.example");
}

#[test]
fn slo_18_response_location_and_the_asynchronous_extension() {
    let slo = endpoint(
        "SingleLogoutService",
        &format!(
            "xmlns:aslo=\"urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo\" aslo:supportsAsynchronous=\"true\" \
             Binding=\"{REDIRECT}\" Location=\"https://idp.example/slo\" ResponseLocation=\"https://idp.example/done\""
        ),
    );
    let idp = only(&idp_with(&slo));
    let endpoint = idp.slo(Binding::Redirect).unwrap();
    assert_eq!(endpoint.location.as_str(), "https://idp.example/slo");
    assert_eq!(endpoint.response_location().as_str(), "https://idp.example/done");
    assert!(endpoint.asynchronous);
    let idp = only(&idp_with(&slo.replace("aslo:supports", "supports").replace(" ResponseLocation", " x")));
    let endpoint = idp.slo(Binding::Redirect).unwrap();
    assert_eq!(endpoint.response_location().as_str(), "https://idp.example/slo");
    assert!(!endpoint.asynchronous, "an unqualified attribute is another one");
}
