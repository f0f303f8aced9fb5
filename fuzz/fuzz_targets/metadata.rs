//! Metadata: whatever is taken can be verified with, sent to, stored and loaded again.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use signoff_fuzz::known::NOW;
use signoff_fuzz::saml::metadata::{IdpMetadata, Policy, Reading, SigningKeyDer};
use signoff_fuzz::saml::names::Location;
use signoff_fuzz::saml::signature::{SignaturePolicy, TrustedKeys};

fuzz_target!(|xml: &[u8]| {
    let strict = IdpMetadata::read(xml, Policy { loopback_http: false }, NOW);
    let lenient = IdpMetadata::read(xml, Policy { loopback_http: true }, NOW);
    for error in [&strict, &lenient].into_iter().filter_map(|reading| reading.as_ref().err()) {
        assert!(error.to_string().len() < 4096, "a refusal fits on a page");
    }
    if let Ok(lenient) = &lenient {
        check(lenient, |location| location.is_https() || location.is_loopback());
    }
    if let Ok(strict) = &strict {
        check(strict, Location::is_https);
        let lenient = lenient.expect("the lenient policy takes what the strict one takes");
        assert!(strict.idps.iter().all(|idp| lenient.idps.contains(idp)));
    }
});

fn check(reading: &Reading, may_be_sent_to: impl Fn(&Location) -> bool) {
    assert!(!reading.idps.is_empty());
    let mut names = HashSet::new();
    for idp in &reading.idps {
        assert!(names.insert(&idp.entity_id), "two of one name");
        assert!(!idp.is_expired(NOW));
        assert!(!idp.entity_id.as_str().chars().any(char::is_control));
        assert!(idp.display_name.as_ref().is_none_or(|name| name.chars().count() <= 120 && !name.is_empty()));
        for endpoint in idp.single_sign_on.iter().chain(&idp.single_logout) {
            assert!(may_be_sent_to(&endpoint.location) && may_be_sent_to(endpoint.response_location()));
        }
        // Each key by itself, so that one that could not be used would show.
        for key in &idp.signing_keys {
            let keys = TrustedKeys::new(idp.entity_id.clone(), [key.as_der()], SignaturePolicy::default());
            assert!(keys.is_ok(), "{key} verifies nothing");
            assert_ne!(key.to_string(), "unknown");
        }
        assert!(!idp.signing_keys.is_empty());
        assert_eq!(
            idp.signing_keys.iter().map(SigningKeyDer::as_der).collect::<HashSet<_>>().len(),
            idp.signing_keys.len()
        );
        let stored = serde_json::to_string(idp).unwrap();
        let loaded: IdpMetadata = serde_json::from_str(&stored).expect("what was stored can be loaded");
        assert_eq!(loaded, IdpMetadata { notes: Vec::new(), ..idp.clone() });
    }
}
